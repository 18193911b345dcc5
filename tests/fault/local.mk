# fault tests.

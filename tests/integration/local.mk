# integration tests.

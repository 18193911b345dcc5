# Unit tests of engine/conf or conf.

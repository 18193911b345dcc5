# Unit tests of engine/format or format.

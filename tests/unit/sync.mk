# Unit tests of engine/sync or sync.

# Unit tests of engine/store or store.

# Unit tests of engine/fs or fs.

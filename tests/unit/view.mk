# Unit tests of engine/view or view.

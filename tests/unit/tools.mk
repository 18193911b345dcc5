# Unit tests of engine/tools or tools.

# Unit tests of engine/replica or replica.

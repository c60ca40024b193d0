"""The files of the data set: what they hold, where they lie, how they get there; a stand-in."""

"""Checkpoints beside the log: the files that hold them too, finding a whole one, and what was interrupted."""

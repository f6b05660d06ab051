"""The cycle: look at the file, the log and the world; if they differ, make them agree."""

"""Archive segments: files of old events, compressed, that are read as if their rows were still in the table."""

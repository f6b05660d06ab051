"""Effects: a plan is carried out, and everything that is tried and everything that comes of it goes into the log."""

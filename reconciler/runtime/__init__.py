"""Where things run: a small protocol for containers, and what carries it out."""

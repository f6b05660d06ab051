"""One module for each kind of thing: its paths, what they accept and what they answer."""

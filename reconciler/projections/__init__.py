"""What follows from the log: rows, and one pure fold function per event type that writes them."""

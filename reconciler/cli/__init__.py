"""The terminal: one module a command, each of which parses, calls the library and prints. No rules live here."""

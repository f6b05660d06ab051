"""A fleet on another machine, read through its HTTP interface as if its log were here."""

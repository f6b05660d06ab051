"""What happened: typed events, their registry and upcasters, and the append-only store."""

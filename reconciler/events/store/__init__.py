"""Where events are kept: one SQLite file, append-only and hash-chained, with a lease for its writer.

Knows nothing of projections: what has to happen in an append's transaction is passed in.
"""

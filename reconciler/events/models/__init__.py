"""One pydantic model per event type, a module per family.

These are the contract of the log: what an appended event may hold. They are imported one family at a time and only
when something is appended or explained; reading and folding never need them.
"""

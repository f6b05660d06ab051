"""The loop inside every specialist: it asks for something to do, does it in its own way, and tells what came of it.

It reaches the desk through an office, which is the store beside it or a server elsewhere.
"""

"""Watching: the cycle that never ends. Rules with the time passed in, what hurries them, and the loop that runs them."""

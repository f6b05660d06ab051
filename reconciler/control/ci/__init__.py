"""Runs by a build server: where they come from, and what they leave behind for people and for the server to read."""

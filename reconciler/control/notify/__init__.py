"""Notifications: events told to webhooks and commands, each at least once, in order, and never in anybody's way."""

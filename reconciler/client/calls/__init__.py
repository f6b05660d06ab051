"""Every call that a server takes, as functions that make values of them; one module for each kind of thing."""

from reconciler.client.calls import checkpoints, fleet, log, messages, missions, reviews, sorties, specialists, threads

__all__ = ["checkpoints", "fleet", "log", "messages", "missions", "reviews", "sorties", "specialists", "threads"]

"""Fleet: a declarative reconciler for services, specialists and missions."""

__version__ = "0.1.0"

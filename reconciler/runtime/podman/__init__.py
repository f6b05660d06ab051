"""Podman, spoken to over its socket."""

from reconciler.runtime.podman.engine import Podman

__all__ = ["Podman"]

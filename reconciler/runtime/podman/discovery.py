"""Finding the engine's socket: what the environment names, the usual places, else a service of our own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from reconciler.errors import RuntimeUnreachable

_SYSTEM_SOCKET = "/run/podman/podman.sock"


def find_socket(environ: Mapping[str, str]) -> str:
    """Path of the socket of this machine's Podman."""
    named = environ.get("FLEET_PODMAN_SOCKET", "").removeprefix("unix://")
    for path in (named, _SYSTEM_SOCKET):
        if path and os.path.exists(path):
            return path
    raise RuntimeUnreachable("Podman's socket cannot be found")

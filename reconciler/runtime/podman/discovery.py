"""Finding the engine: what the environment names, the usual places, else a service of our own.

A variable that is meant for Podman and names a socket must be right: nothing else is tried, since it would be another
machine's containers. `DOCKER_HOST` is meant for other programs too, so it is passed over when no Podman answers there.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.errors import FleetError, RuntimeUnreachable, ToolMissing
from reconciler.runtime.podman.client import LOOK_TIMEOUT, Client
from reconciler.units import parse_duration

SYSTEM_SOCKET = "/run/podman/podman.sock"
OLDEST = (4, 0)
_SPEAKS_OUR_WIRE = 6
_SCHEME = "unix://"

HOW_TO_INSTALL = """Install it, then try again:
    macOS            brew install podman && podman machine init && podman machine start
    Debian, Ubuntu   sudo apt-get install podman
    Fedora           sudo dnf install podman
    Windows          winget install RedHat.Podman, then podman machine init and podman machine start
  fleet doctor checks the rest."""


@dataclass(frozen=True, slots=True)
class Place:
    """A socket to try: its path, and where we have it from."""

    path: str
    origin: str


def find_engine(environ: Mapping[str, str], *, look_timeout: float | None = None) -> Client:
    """A client of this machine's Podman, started when there is a program but no socket.

    Args:
        environ: what may name the socket, and how long a look may take.
        look_timeout: instead of what the environment says.

    Raises:
        ToolMissing: Podman is not installed.
        RuntimeUnreachable: it does not answer, is too old, or something else answers.
    """
    if look_timeout is None:
        look_timeout = patience(environ)
    named = named_place(environ)
    if named is not None:
        return connected(named, look_timeout)
    problems: list[FleetError] = []
    for place in usual_places(environ):
        if os.path.exists(place.path):
            try:
                return connected(place, look_timeout)
            except RuntimeUnreachable as problem:
                problems.append(problem)
    return _started(environ, problems)


def patience(environ: Mapping[str, str]) -> float:
    """Seconds of silence after which a look is given up.

    Raises:
        RuntimeUnreachable: what the environment says is no duration.
    """
    text = environ.get("FLEET_PODMAN_TIMEOUT", "")
    if not text:
        return LOOK_TIMEOUT
    try:
        return max(parse_duration(text), 1) / 1000
    except ValueError as error:
        raise RuntimeUnreachable(f"FLEET_PODMAN_TIMEOUT: {error}", hint="write it as 500ms, 5s or 1m") from error


def named_place(environ: Mapping[str, str]) -> Place | None:
    """The socket that the environment names for Podman; None when it names none.

    Raises:
        RuntimeUnreachable: it names something that is not a Unix socket.
    """
    for variable in ("FLEET_PODMAN_SOCKET", "CONTAINER_HOST"):
        value = environ.get(variable, "")
        if value.startswith((_SCHEME, "/")):
            return Place(value.removeprefix(_SCHEME), variable)
        if value:
            raise RuntimeUnreachable(
                f"{variable} is {value!r}, and only unix:// sockets can be used",
                hint="forward the remote socket over ssh, and name the local end in FLEET_PODMAN_SOCKET",
            )
    return None


def usual_places(environ: Mapping[str, str]) -> Iterator[Place]:
    """Where a socket may be when the environment names none for Podman."""
    docker = environ.get("DOCKER_HOST", "")
    if docker.startswith(_SCHEME):
        yield Place(docker.removeprefix(_SCHEME), "DOCKER_HOST")
    folder = environ.get("XDG_RUNTIME_DIR", "") or f"/run/user/{os.getuid()}"
    yield Place(f"{folder}/podman/podman.sock", "the user's socket")
    yield Place(SYSTEM_SOCKET, "the machine's socket")
    from reconciler.runtime.podman.service import own_socket

    yield Place(own_socket(), "Fleet's own Podman service")


def connected(place: Place, look_timeout: float = LOOK_TIMEOUT) -> Client:
    """A client of a socket at which a Podman that is new enough answers.

    Raises:
        RuntimeUnreachable: nobody answers, or not a Podman, or one before version 4.
    """
    client = Client(place.path, look_timeout=look_timeout)
    try:
        headers = client.ping()
        client.version = _wire_version(headers, place)
    except RuntimeUnreachable:
        client.close()
        raise
    return client


def _wire_version(headers: Mapping[str, str], place: Place) -> str:
    text = headers.get("libpod-api-version", "")
    version = tuple(int(part) for part in text.split("-")[0].split(".")[:2] if part.isdigit())
    if len(version) < 2:
        raise RuntimeUnreachable(f"what answers at {place.path} ({place.origin}) is not Podman", hint="fleet doctor")
    if version < OLDEST:
        raise RuntimeUnreachable(
            f"Podman {text} answers at {place.path}; Fleet needs 4.0 or newer", hint="update Podman, then fleet doctor"
        )
    return f"v{text}" if version[0] > _SPEAKS_OUR_WIRE else Client.version


def _started(environ: Mapping[str, str], problems: list[FleetError]) -> Client:
    program = shutil.which("podman", path=environ.get("PATH"))
    if program is None:
        if problems:
            raise problems[0]
        raise ToolMissing("Podman is not installed", hint=HOW_TO_INSTALL)
    from reconciler.runtime.podman import service

    if sys.platform == "darwin":
        return connected(Place(service.machine_socket(program, environ), "podman machine"))
    return connected(Place(service.ensure_service(program, environ), "Fleet's own Podman service"))

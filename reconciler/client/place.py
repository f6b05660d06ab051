"""Where a project's server listens: written beside the log while it runs, so that whoever can read the log finds it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

FILE = "server.json"
TOKEN_FILE = "api-token"
_PATIENCE_S = 0.5


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running server.

    Attributes:
        url: `http://127.0.0.1:4765`; with a socket only its path counts.
        socket: the unix socket's path; empty for none.
        pid: its process.
    """

    url: str
    pid: int
    socket: str = ""


@contextmanager
def announced(folder: Path, place: Place) -> Iterator[None]:
    """Tell where the server listens for as long as the block lasts."""
    file = folder / FILE
    made = file.with_name(f"{FILE}.{place.pid}.new")
    made.write_bytes(msgspec.json.encode(place))
    made.chmod(0o600)
    os.replace(made, file)
    try:
        yield
    finally:
        # Another server may have taken the place since.
        if _read(file) == place:
            with suppress(FileNotFoundError):
                file.unlink()


def find_server(folder: Path) -> Place | None:
    """The server that runs for the log in this folder; None when none does, whatever a crashed one left behind."""
    place = _read(folder / FILE)
    return place if place is not None and _listens(place) else None


def _read(file: Path) -> Place | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def _listens(place: Place) -> bool:
    """Whether somebody takes connections there."""
    try:
        if place.socket:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_PATIENCE_S)
                probe.connect(place.socket)
            return True
        from urllib.parse import urlsplit

        parts = urlsplit(place.url)
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=_PATIENCE_S):
            return True
    except OSError:
        return False


def read_local(folder: Path) -> str:
    """The token of whoever can read the data folder; empty when no server was ever started."""
    try:
        return (folder / TOKEN_FILE).read_text().strip()
    except OSError:
        return ""

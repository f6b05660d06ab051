"""Where a server is and how one is let in: an address, a token, and the file where the first start left one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REMOTE = "FLEET_REMOTE"
TOKEN = "FLEET_TOKEN"


@dataclass(frozen=True, slots=True)
class Address:
    """A server.

    Attributes:
        url: `http://127.0.0.1:4765`; with `socket` only its path and scheme count.
        token: a bearer token; empty for none.
        socket: a unix socket to reach it by.
    """

    url: str
    token: str = field(default="", repr=False)
    socket: Path | None = None


def parse(text: str, *, token: str = "") -> Address:
    """An address from what a person writes: `http://…`, `https://…`, `unix:/path`, or `host:port`."""
    text = text.strip().rstrip("/")
    if text.startswith("unix:"):
        path = "/" + text.removeprefix("unix:").lstrip("/")
        return Address("http://localhost", token, Path(path))
    if "://" not in text:
        text = f"http://{text}"
    return Address(text, token)


def from_environment(environ: Mapping[str, str] = os.environ) -> Address | None:
    """The server that `FLEET_REMOTE` and `FLEET_TOKEN` name; None when none is named."""
    remote = environ.get(REMOTE, "")
    return parse(remote, token=environ.get(TOKEN, "")) if remote else None


def at_hand(text: str, folder: Path, environ: Mapping[str, str] = os.environ) -> Address:
    """An address from what a person writes, with the token that belongs to it.

    `local` is the server that runs for the log in this folder. That server's own token is read from the folder, too, where
    `FLEET_TOKEN` names no other.

    Raises:
        ServerUnreachable: `local`, and no server runs here.
    """
    from reconciler.client.errors import ServerUnreachable
    from reconciler.client.place import find_server, read_local

    token = environ.get(TOKEN, "")
    here = find_server(folder)
    if text.strip() == "local":
        if here is None:
            raise ServerUnreachable("no server runs here", hint="fleet serve")
        return Address(here.url, token or read_local(folder), Path(here.socket) if here.socket else None)
    found = parse(text, token=token)
    if not token and here is not None:
        ours = found.socket == Path(here.socket) if here.socket else found.socket is None and found.url == here.url
        if ours:
            return Address(found.url, read_local(folder), found.socket)
    return found

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

"""Paths of things whose ids come from outside."""

from __future__ import annotations

from urllib.parse import quote


def path(*parts: str) -> str:
    """A path of the interface; each part is one segment, whatever is in it."""
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)

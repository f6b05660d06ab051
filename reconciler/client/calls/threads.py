"""Calls about threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Thread


def open_(participants: Sequence[str], *, title: str | None = None) -> Call[Thread]:
    """Begin a conversation."""
    body = present({"participants": list(participants), "title": title})
    return Call(method="POST", path=path("threads"), body=body, answer=Thread, inside="thread")


def list_(*, participant: str | None = None, status: str | None = None, limit: int | None = None) -> Call[Page[Thread]]:
    """Threads, a page at a time."""
    params = {"participant": participant, "status": status, "limit": limit}
    return Call(method="GET", path=path("threads"), params=params, answer=Page[Thread], inside="threads")


def get(thread_id: str) -> Call[Thread]:
    """One thread."""
    return Call(method="GET", path=path("threads", thread_id), answer=Thread, inside="thread")


def step(thread_id: str, what: Literal["join", "leave", "close"], actor_id: str) -> Call[Thread]:
    """Join it, leave it, or close it."""
    where = path("threads", thread_id, what)
    return Call(method="POST", path=where, body={"actor_id": actor_id}, answer=Thread, inside="thread")

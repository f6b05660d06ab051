"""Types that documents are decoded to, each learned once and by one thread at a time.

msgspec learns what a struct looks like when it is first used, and two threads that are the first at the same moment end the
process: one finds what the other has only half written (msgspec 0.22).
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_lock = threading.Lock()
_made: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a type; safe from any thread."""
    found = _made.get(kind)
    if found is None:
        with _lock:
            found = _made.get(kind)
            if found is None:
                found = _made[kind] = msgspec.json.Decoder(kind)
    return found


def known(kind: type[T]) -> type[T]:
    """The type itself, which any thread may convert to from now on."""
    decoder(kind)
    return kind

"""Time-ordered identifiers.

UUIDv7 (RFC 9562): 48 bits of milliseconds, 12 that count within one, then 62 random bits, so that ids made later by a
process sort later, what was made in one go keeps its order, and index pages stay dense. Outside the store an id wears a
prefix that says what it names (`evt_`, `spec_`, `msn_`).
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

__all__ = ["UUID", "bare", "new_id", "replica_id", "uuid7"]

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_A = (1 << 12) - 1
_RANDOM_B = (1 << 62) - 1

# Milliseconds and count of the newest id; a process that forks goes on from here, with other random bits.
_last = 0
_lock = threading.Lock()


def uuid7(milliseconds: int | None = None, randomness: bytes | None = None) -> UUID:
    """A UUIDv7.

    Args:
        milliseconds: Unix time in ms; the clock's when left out.
        randomness: 10 bytes; the operating system's when left out.
    """
    if milliseconds is None and randomness is None:
        return _next()
    now = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    bits = int.from_bytes(os.urandom(10) if randomness is None else randomness, "big")
    value = (
        ((now & ((1 << 48) - 1)) << 80) | _VERSION | ((bits >> 62 & _RANDOM_A) << 64) | _VARIANT | (bits & _RANDOM_B)
    )
    return UUID(int=value)


def _next() -> UUID:
    """An id above all that this process has made before, also within a millisecond and after a clock was put back."""
    global _last
    with _lock:
        _last = max(time.time_ns() // 1_000_000 << 12, _last + 1)
        counted = _last
    random = int.from_bytes(os.urandom(8), "big") & _RANDOM_B
    return UUID(int=(counted >> 12 << 80) | _VERSION | ((counted & _RANDOM_A) << 64) | _VARIANT | random)


def new_id(prefix: str) -> str:
    """A new id such as ``evt_0190c2…`` (prefix without the underscore)."""
    return f"{prefix}_{uuid7().hex}"


def replica_id(pool: str, replica: int) -> str:
    """The id under which a replica of a declared specialist is known, the same after every restart."""
    return f"spec_{pool}_{replica}"


def bare(identifier: str) -> UUID:
    """The UUID inside a prefixed id.

    Raises:
        ValueError: if what follows the prefix is not a UUID.
    """
    return UUID(identifier.rpartition("_")[2])

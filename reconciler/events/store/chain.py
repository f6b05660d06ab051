"""The hash chain: each event is sealed together with all that came before it.

`hash` is SHA-256 over, in this order and without gaps:

    the hash of the event before (32 bytes; zeros for the first)
    sequence number, version, recorded_at, occurred_at (8 bytes each, big-endian, signed)
    event_id (16 bytes), 1 or 0 for whether there is a causation_id, causation_id (16 bytes; zeros for none)
    SHA-256 of the provenance: the JSON list [correlation_id (hex), actor, source, commit, host, software_version, user_agent]
    event type, schema version, stream type, stream id: UTF-8, each ended by a zero byte
    data: the JSON text as it was recorded, UTF-8

so that no column can be changed, and no row left out or moved, without every later hash being wrong. The words are hashed
and not the small integers that stand for them in the tables: those are free to differ in an archive or a copy.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256

import msgspec

START = bytes(32)
"""What the first event is chained to."""

_NO_ID = b"\x00" + bytes(16)
_numbers = struct.Struct(">qqqq").pack
_sha256 = sha256


def seal(
    previous: bytes,
    numbers: tuple[int, int, int, int],
    event_id: bytes,
    causation_id: bytes | None,
    provenance: bytes,
    event_type: bytes,
    stream: bytes,
    data: bytes,
) -> bytes:
    """The hash of one event.

    Args:
        previous: the hash of the event before.
        numbers: sequence number, version, recorded_at, occurred_at.
        provenance, event_type, stream: from the functions below.
        data: as it was recorded.
    """
    caused = _NO_ID if causation_id is None else b"\x01" + causation_id
    return _sha256(
        b"".join((previous, _numbers(*numbers), event_id, caused, provenance, event_type, stream, data))
    ).digest()


def seal_words(*words: str | int) -> bytes:
    """The part that names an event's type and schema version, or its stream's type and id."""
    return "".join(f"{word}\0" for word in words).encode()


def seal_provenance(correlation_id: bytes, origin: Sequence[str]) -> bytes:
    """The part that says in what context it happened, and who did it through which door.

    Args:
        origin: actor, source, commit, host, software_version, user_agent.
    """
    return sha256(msgspec.json.encode([correlation_id.hex(), *origin])).digest()

"""The seal of an event: what it covers, and that it is the same for ever."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.events.envelope import Cause
from reconciler.events.store.chain import START, seal, seal_provenance, seal_words
from reconciler.events.store.identifiers import uuid_of
from reconciler.events.store.names import Origin, TypeName

ORIGIN = ("ada", "cli", "c0ffee", "host1", "0.1.0", "")
PARTS = {
    "previous": START,
    "numbers": (1, 1, 1_780_000_000_000, 1_780_000_000_000),
    "event_id": b"\x01" * 16,
    "causation_id": None,
    "provenance": seal_provenance(b"\x02" * 16, ORIGIN),
    "event_type": seal_words("squawk_sent", 1),
    "stream": seal_words("squawk", "inbox"),
    "data": b'{"a":1}',
}


def test_it_is_as_it_is_written_down() -> None:
    provenance = sha256(b'["02020202020202020202020202020202","ada","cli","c0ffee","host1","0.1.0",""]').digest()
    expected = sha256(
        bytes(32)
        + (1).to_bytes(8, "big")
        + (1).to_bytes(8, "big")
        + 2 * (1_780_000_000_000).to_bytes(8, "big")
        + b"\x01" * 16
        + bytes(17)
        + provenance
        + b"squawk_sent\x001\x00squawk\x00inbox\x00"
        + b'{"a":1}'
    )
    assert seal(**PARTS) == expected.digest()  # type: ignore[arg-type]


def test_it_never_changes() -> None:
    """Written down when the format was made: logs of every release have to verify for ever."""
    assert seal(**PARTS).hex() == "16de3969907d40ae7e19a7428a1289ff4fbf71298e438dd1df5aab96c73798fb"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"previous": b"\x01" * 32},
        {"numbers": (2, 1, 1_780_000_000_000, 1_780_000_000_000)},
        {"numbers": (1, 2, 1_780_000_000_000, 1_780_000_000_000)},
        {"numbers": (1, 1, 1_780_000_000_001, 1_780_000_000_000)},
        {"numbers": (1, 1, 1_780_000_000_000, -1)},
        {"event_id": b"\x03" * 16},
        {"causation_id": bytes(16)},
        {"causation_id": b"\x01" * 16},
        {"provenance": seal_provenance(b"\x03" * 16, ORIGIN)},
        {"provenance": seal_provenance(b"\x02" * 16, ("bob", *ORIGIN[1:]))},
        {"provenance": seal_provenance(b"\x02" * 16, (*ORIGIN[:-1], "curl"))},
        {"event_type": seal_words("squawk_read", 1)},
        {"event_type": seal_words("squawk_sent", 2)},
        {"stream": seal_words("ctk", "inbox")},
        {"stream": seal_words("squawk", "outbox")},
        {"data": b'{"a":2}'},
    ],
)
def test_it_covers_every_part(change: dict[str, object]) -> None:
    assert seal(**{**PARTS, **change}) != seal(**PARTS)  # type: ignore[arg-type]


WORD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=5)
NAMES = st.tuples(WORD, st.integers(1, 20), WORD, WORD, st.binary(max_size=5))


@given(NAMES, NAMES)
def test_no_two_ways_to_cut_the_words_seal_alike(
    one: tuple[str, int, str, str, bytes], other: tuple[str, int, str, str, bytes]
) -> None:
    def sealed(names: tuple[str, int, str, str, bytes]) -> bytes:
        event_type, version, stream_type, stream_id, data = names
        words = {"event_type": seal_words(event_type, version), "stream": seal_words(stream_type, stream_id)}
        return seal(**{**PARTS, **words, "data": data})  # type: ignore[arg-type]

    assert (sealed(one) == sealed(other)) == (one == other)


@given(st.uuids())
def test_an_id_is_read_from_its_bytes(value: object) -> None:
    from uuid import UUID

    assert isinstance(value, UUID)
    read = uuid_of(value.bytes)
    assert (read, hash(read), str(read), read.is_safe) == (value, hash(value), str(value), value.is_safe)


def test_where_an_event_came_from() -> None:
    cause = Cause("ada", "api", commit="c0", user_agent="curl")
    origin = Origin.of(cause, "host1", "0.1.0")
    assert origin == ("ada", "api", "c0", "host1", "0.1.0", "curl")
    assert origin.metadata() == {
        "actor": "ada",
        "source": "api",
        "commit": "c0",
        "host": "host1",
        "software_version": "0.1.0",
        "user_agent": "curl",
    }
    assert Origin.of(Cause("j\udce9r\u00f4me", "cli"), "h", "1").actor == "j?r\u00f4me"


@pytest.mark.parametrize(
    ("name", "version", "known", "old"),
    [
        ("squawk_sent", 1, True, False),
        ("squawk_sent", 0, True, True),
        ("squawk_sent", 99, False, False),
        ("no_such_type", 1, False, False),
    ],
)
def test_what_this_release_can_read(name: str, version: int, known: bool, old: bool) -> None:
    assert TypeName.of(name, version) == (name, version, known, old)

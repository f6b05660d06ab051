"""Whatever a squawk.json holds comes back from the log as it was, with what came later in the old form."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.events.envelope import NewEvent
from reconciler.legacy.importing import compare
from reconciler.legacy.old_form import OldView
from reconciler.legacy.records import moment

from .carried import NOW, assert_same, carry, recorded, rows_of

names = st.sampled_from(["m", "n", "inbox", "", "a b", "x\0", "ünï", "6f1ed002-ab59-4f0c-8b1a-0123456789ab"])
texts = st.text(max_size=6) | st.sampled_from(["\ud800", "\0", "{}", "null"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
times = (
    st.datetimes().map(lambda at: at.isoformat())
    | st.integers(0, 2 * 10**12)
    | st.just("2024-05-01T10:00:00.000Z")
    | st.sampled_from([None, "yesterday", "2024-05-01T10:00:00+02:00", True])
)
data = objects.map(json.dumps) | objects | texts | values
words = st.sampled_from(["w", "edit", "read", "abc"]) | values


def records(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A record with any of these fields, and now and then something else altogether."""
    return st.fixed_dictionaries({}, optional=fields) | values


mailboxes = records(id=names, created_at=times, updated_at=times, more=values)
events = records(
    id=names, type=words, stream_id=names, data=data, occurred_at=times, causation_id=names, correlation_id=words,
    metadata=data, mailbox_id=names,
)  # fmt: skip
cursors = records(id=names, stream_id=names, position=st.integers(-1, 9) | values, updated_at=times, consumer_id=words)
locks = records(
    id=names, file=st.sampled_from(["a.py", "src/", "../x", "*"]), reserved_by=words, reserved_at=times,
    acquired_at=times, released_at=times, purpose=words, checksum=words, timeout_ms=st.sampled_from([30_000, 0, 10**13]),
    metadata=values,
)  # fmt: skip
documents = st.fixed_dictionaries(
    {},
    optional={
        "mailboxes": st.dictionaries(names, mailboxes, max_size=3) | st.none(),
        "events": st.dictionaries(names, st.lists(events, max_size=4), max_size=3),
        "cursors": st.dictionaries(names, cursors, max_size=3),
        "locks": st.dictionaries(names, locks, max_size=3),
        "version": values,
    },
)


@settings(max_examples=300, deadline=None)
@given(documents)
def test_everything_comes_back_as_it_was(document: dict[str, Any]) -> None:
    document = {key: value for key, value in document.items() if value is not None or key == "version"}
    conversion = carry(document)
    found = recorded(conversion.events)
    rows = rows_of(found)
    compare(conversion.imported, found, rows)
    view = OldView().add(found)
    assert_same(view.store(), document)
    counts = conversion.imported.counts()
    assert len(list(rows.scan("messages"))) == counts["events"]
    assert len(list(rows.scan("locks"))) == counts["locks"]
    held = [row for _, row in rows.scan("locks") if row["status"] == "active" and row["expires_at"] <= NOW]
    assert held == []


@settings(max_examples=100, deadline=None)
@given(documents)
def test_what_was_given_back_is_known_again(document: dict[str, Any]) -> None:
    view = OldView().add(recorded(carry(document).events))
    kept = OldView()
    kept.add(recorded(carry(document).events))
    again = carry(json.dumps(view.store().document()), kept)
    assert again.is_empty, (again.imported, again.findings)


def sent(name: str, at_ms: int, **more: Any) -> NewEvent:
    fields = {"message_id": name, "mailbox_id": "m", "message_type": "note", "content": {"t": name}, **more}
    return NewEvent("squawk_sent", "squawk", "m", fields, occurred_at=at_ms)


def test_what_came_later_has_the_old_form() -> None:
    at = "2024-05-01T10:00:00.000Z"
    imported = recorded(carry({"mailboxes": {"m": {"id": "m", "created_at": at, "updated_at": at}},
                               "cursors": {"c": {"stream_id": "m", "position": 1, "updated_at": at}},
                               "locks": {"l": {"file": "a", "reserved_by": "w", "reserved_at": NOW, "timeout_ms": 60_000,
                                               "metadata": 1}}}).events)  # fmt: skip
    first = sent("m1", NOW + 1, sender_id="ada", priority="high")
    later = [
        first,
        NewEvent(**{**_fields(sent("m2", NOW + 2)), "causation_id": first.event_id}),
        NewEvent(**{**_fields(sent("m3", NOW + 3)), "causation_id": imported[0].event_id}),
        NewEvent("squawk_read", "squawk", "m", {"message_id": "m1", "mailbox_id": "m", "reader_id": "w"}),
        NewEvent("mailbox_created", "squawk", "new", {"mailbox_id": "new"}, occurred_at=NOW),
        _cursor("c", "squawk", 5),
        _cursor("d", "sortie", 5),
        _lock("ctk_released", "l", NOW + 5),
        _lock("ctk_reserved", "k", NOW),
        _lock("ctk_reserved", "k", NOW + 10_000),
        _lock("ctk_released", "lost", NOW),
    ]
    view = OldView().add([*imported, *recorded(later, len(imported), source="cli")])
    store = view.store()
    messages = store.events["m"]
    assert messages[0] == {
        "id": "m1",
        "type": "note",
        "stream_id": "m",
        "data": '{"t":"m1"}',
        "occurred_at": "2027-01-15T08:00:00.001Z",
        "causation_id": None,
        "metadata": '{"sender_id":"ada","priority":"high"}',
    }
    assert messages[1]["causation_id"] == "m1"
    assert messages[2]["causation_id"] == str(imported[0].event_id)
    assert store.mailboxes["m"] == {"id": "m", "created_at": at, "updated_at": "2027-01-15T08:00:00.003Z"}
    assert moment(store.mailboxes["new"]["created_at"]) == NOW
    assert store.cursors["c"]["position"] == 5
    assert (store.locks["l"]["released_at"], store.locks["l"]["metadata"]) == ("2027-01-15T08:00:00.005Z", 1)
    assert (moment(store.locks["k"]["reserved_at"]), store.locks["k"]["timeout_ms"]) == (NOW, 40_000)
    assert dict(view.without_form) == {"squawk_read": 1, "cursor_advanced": 1}


def _fields(event: NewEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in NewEvent.__dataclass_fields__}


def _cursor(name: str, stream_type: str, position: int) -> NewEvent:
    data = {"cursor_id": name, "stream_type": stream_type, "stream_id": "m", "position": position}
    return NewEvent("cursor_advanced", "squawk", "m", data)


def _lock(event_type: str, name: str, at_ms: int) -> NewEvent:
    data: dict[str, Any] = {"lock_id": name, "file_path": "b", "specialist_id": "w"}
    if event_type == "ctk_reserved":
        data |= {"normalized_path": "b", "timeout_ms": 30_000}
    return NewEvent(event_type, "ctk", name, data, occurred_at=at_ms)

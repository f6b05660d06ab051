"""Appending: what is recorded, what is recorded once only, and what is refused."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from reconciler.errors import Conflict, LogUnusable
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.registry import EventInvalid, UnknownEventType
from reconciler.events.store.chain import START, seal, seal_provenance, seal_words
from reconciler.projections.store import Store, open_store
from tests.support.events import ADA, NOON, Clock, heartbeat, note, registered, remembered


def test_an_event_is_read_back_as_it_was_answered(store: Store) -> None:
    cause = Cause("ada", "git", UUID(int=1), UUID(int=2), commit="c0ffee", user_agent="curl/8")
    [event] = store.append([note("hello")], cause)
    assert [event] == list(store.events()) == list(store.stream("squawk", "inbox"))
    assert store.event(event.event_id) == event
    assert event.sequence_number == event.version == 1
    assert event.data == {
        "message_id": "m-hello",
        "mailbox_id": "inbox",
        "message_type": "note",
        "content": {"text": "hello"},
        "priority": "normal",
    }
    assert (event.correlation_id, event.causation_id) == (UUID(int=1), UUID(int=2))
    assert event.metadata["actor"] == "ada"
    assert event.metadata["source"] == "git"
    assert event.metadata["commit"] == "c0ffee"
    assert event.metadata["user_agent"] == "curl/8"
    assert set(event.metadata) == {"actor", "source", "commit", "user_agent", "host", "software_version"}
    assert event.recorded_at == event.occurred_at == NOON


def test_an_event_may_have_its_own_cause_and_its_own_time(store: Store) -> None:
    [event] = store.append([note("late", causation_id=UUID(int=9), occurred_at=NOON - 5_000)], ADA)
    assert event.causation_id == UUID(int=9)
    assert (event.occurred_at, event.recorded_at) == (NOON - 5_000, NOON)
    assert store.event(event.event_id) == event


def test_sequence_numbers_are_of_the_log_and_versions_of_the_stream(store: Store) -> None:
    store.append([note("a", "x"), note("b", "y"), note("c", "x")], ADA)
    store.append([note("d", "y"), heartbeat("x")], ADA)
    assert [(e.sequence_number, e.stream_type, e.stream_id, e.version) for e in store.events()] == [
        (1, "squawk", "x", 1),
        (2, "squawk", "y", 1),
        (3, "squawk", "x", 2),
        (4, "squawk", "y", 2),
        (5, "specialist", "x", 1),
    ]
    assert store.head() == 5
    assert store.stream_version("squawk", "y") == 2
    assert store.stream_version("squawk", "nobody") == 0


def test_nothing_to_append_is_no_transaction(store: Store) -> None:
    assert store.append([], ADA, expected_version=12) == []
    assert store.head() == 0


def test_the_rows_follow_in_the_same_transaction(store: Store) -> None:
    store.append([registered("ada"), heartbeat("ada", "idle")], ADA)
    assert store.rows().get("specialists", "ada")["status"] == "idle"  # type: ignore[index]
    with store.snapshot() as (rows, head):
        assert head == 2
        assert [key for key, _ in rows.scan("specialists")] == ["ada"]


def test_the_expected_version_is_that_of_the_first_events_stream(store: Store) -> None:
    store.append([note("a"), note("b")], ADA, expected_version=0)
    store.append([note("c"), note("d", "elsewhere")], ADA, expected_version=2)
    with pytest.raises(Conflict, match="squawk inbox is at version 3 and not 2") as refused:
        store.append([note("e")], ADA, expected_version=2)
    assert refused.value.exit_code == 1
    with pytest.raises(Conflict):
        store.append([note("f", "new")], ADA, expected_version=1)
    assert store.head() == 4


def test_the_same_event_again_gets_its_first_answer(store: Store, clock: Clock) -> None:
    one = note("once")
    first = store.append([one], ADA, expected_version=0)
    clock.now += 1_000
    assert store.append([one], Cause("bob", "api")) == first
    assert store.append([one], ADA, expected_version=0) == first
    assert store.append([one, one], ADA) == first * 2
    assert store.head() == 1


def test_a_retry_of_a_larger_batch_records_only_what_is_new(store: Store) -> None:
    a, b, c = note("a"), note("b"), note("c")
    first = store.append([a, b], ADA)
    again = store.append([b, c], ADA)
    assert again[0] == first[1]
    assert [event.sequence_number for event in again] == [2, 3]
    assert store.append([a, b, c, c], ADA, expected_version=0) == [*first, again[1], again[1]]
    assert store.head() == 3


def test_a_batch_may_name_the_same_event_twice(store: Store) -> None:
    one = note("twice")
    first, second = store.append([one, one], ADA)
    assert first == second
    assert store.head() == 1


@pytest.mark.parametrize("change", [{"data": note("other").data}, {"stream_id": "elsewhere"}])
def test_the_same_id_with_another_body_is_a_conflict(store: Store, change: dict[str, object]) -> None:
    one = note("one")
    other = replace(one, **change)  # type: ignore[arg-type]
    store.append([one], ADA)
    with pytest.raises(Conflict, match=f"{one.event_id} is in the log already, with another body"):
        store.append([other], ADA)
    with pytest.raises(Conflict, match="with another body"):
        store.append([note("x"), replace(other, event_id=UUID(int=5)), replace(one, event_id=UUID(int=5))], ADA)
    assert store.head() == 1


def test_a_new_event_ahead_of_known_ones_is_still_checked(store: Store) -> None:
    one = note("one")
    store.append([one], ADA)
    with pytest.raises(Conflict, match="is at version 1 and not 0"):
        store.append([note("new"), one], ADA, expected_version=0)
    assert len(store.append([note("new"), one], ADA, expected_version=1)) == 2


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (NewEvent("specialist_active", "specialist", "x", {}), "specialist_id: Field required"),
        (NewEvent("specialist_active", "specialist", "", heartbeat().data), "stream_id: '' cannot name a stream"),
        (NewEvent("specialist_active", "specialist", "a\0b", heartbeat().data), "cannot name a stream"),
        (NewEvent("specialist_active", "specialist", "ä\0b", heartbeat().data), "cannot name a stream"),
        (NewEvent("specialist_active", "specialist", "\ud800", heartbeat().data), "cannot name a stream"),
        (NewEvent("specialist_active", "nowhere", "x", heartbeat().data), "stream_type: 'nowhere' is none of"),  # type: ignore[arg-type]
        (replace(note("x"), data={**note("x").data, "content": {"a": "\ud800"}}), "holds text that is none"),
        (
            replace(note("x"), data={**note("x").data, "content": {"a": [1.0, math.nan]}}),
            r"content.a\[1\]: nan is no number",
        ),
        (
            replace(note("x"), data={**note("x").data, "content": {"a": None, "b": math.inf}}),
            "content.b: inf is no number",
        ),
    ],
)
def test_what_is_not_valid_is_refused_before_anything_is_written(store: Store, event: NewEvent, words: str) -> None:
    with pytest.raises(EventInvalid, match=words):
        store.append([registered(), event], ADA)
    assert store.head() == 0
    assert store.rows().get("specialists", "builder") is None


def test_an_unknown_type_is_refused_with_the_nearest_one(store: Store) -> None:
    with pytest.raises(UnknownEventType, match="no event type of this release") as refused:
        store.append([NewEvent("specialist_actve", "specialist", "x", {})], ADA)
    assert refused.value.hint == "did you mean specialist_active?"


def test_text_in_any_script_is_kept(store: Store) -> None:
    [event] = store.append([note('früh 🙂 \u2028 \0 "x"', "büro")], Cause("ada\udcff", "cli"))
    assert list(store.stream("squawk", "büro")) == [event]
    assert event.metadata["actor"] == "ada?"


def test_each_event_is_sealed_with_all_before_it(store: Store) -> None:
    events = store.append([note("a"), note("b", occurred_at=NOON - 1, causation_id=UUID(int=3))], ADA)
    with closing(sqlite3.connect(store.path)) as connection:
        texts = [text for (text,) in connection.execute("SELECT data FROM events ORDER BY sequence_number")]
    previous = START
    for event, text in zip(events, texts, strict=True):
        who = [event.metadata.get(name, "") for name in _ORIGIN]
        previous = seal(
            previous,
            (event.sequence_number, event.version, event.recorded_at, event.occurred_at),
            event.event_id.bytes,
            None if event.causation_id is None else event.causation_id.bytes,
            seal_provenance(event.correlation_id.bytes, who),
            seal_words(event.event_type, event.schema_version),
            seal_words(event.stream_type, event.stream_id),
            text.encode(),
        )
        assert event.hash == previous


_ORIGIN = ("actor", "source", "commit", "host", "software_version", "user_agent")


def test_another_writer_in_between_is_taken_into_account(path: Path) -> None:
    with open_store(path) as one, open_store(path) as other:
        for number in range(6):
            writer = one if number % 2 else other
            writer.append([note(str(number)), registered(f"s{number}")], ADA, expected_version=number)
        assert [event.sequence_number for event in one.events()] == list(range(1, 13))
        assert [event.version for event in other.stream("squawk", "inbox")] == [1, 2, 3, 4, 5, 6]
        assert dict(one.rows().scan("messages")) == dict(other.rows().scan("messages"))
        assert one.projected() == other.projected()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{}'",
        "UPDATE events SET version = 9 WHERE sequence_number = 1",
        "DELETE FROM events",
        "DELETE FROM events WHERE sequence_number = 2",
        "REPLACE INTO events SELECT * FROM events WHERE sequence_number = 2",
        "INSERT OR REPLACE INTO events SELECT 9, event_type, stream, 9, cause, 0, 0, event_id, null, data, hash FROM events",
        "INSERT OR REPLACE INTO events SELECT 9, event_type, stream, version, cause, 0, 0, x'01', null, data, hash FROM events",
        "INSERT INTO events SELECT 0, event_type, stream, 9, cause, 0, 0, x'01', null, data, hash FROM events LIMIT 1",
        "UPDATE streams SET stream_id = 'other'",
        "UPDATE event_types SET name = 'other'",
        "UPDATE origins SET actor = 'mallory'",
        "UPDATE causes SET correlation_id = x'00'",
    ],
)
def test_the_file_itself_refuses_to_change_or_forget_an_event(store: Store, statement: str) -> None:
    store.append([note("a"), note("b")], ADA)
    before = list(store.events())
    with closing(sqlite3.connect(store.path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    assert list(store.events()) == before


def test_rows_may_go_once_the_archive_has_them(store: Store) -> None:
    store.append([note("a"), note("b"), note("c")], ADA)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO archive VALUES (1, 'f', 1, 2, 0, 0, x'00', x'00', x'00', x'00', 1, 1)")
        assert connection.execute("DELETE FROM events WHERE sequence_number <= 2").rowcount == 2
        with pytest.raises(sqlite3.IntegrityError, match="never deleted before the archive has it"):
            connection.execute("DELETE FROM events WHERE sequence_number = 3")
        connection.execute("ROLLBACK")
    assert store.head() == 3


def test_a_person_can_read_the_log_in_the_shell(store: Store) -> None:
    store.append(
        [registered("ada"), heartbeat("ada", causation_id=UUID(int=1))], Cause("ada", "cli", UUID(int=2), commit="c0")
    )
    with closing(sqlite3.connect(store.path)) as connection:
        connection.row_factory = sqlite3.Row
        first, second = connection.execute("SELECT * FROM event_log")
        specialists = [dict(row) for row in connection.execute("SELECT key, name, status, last_seen FROM specialists")]
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall()
        for (name,) in tables:
            connection.execute(f'SELECT * FROM "{name}"').fetchall()
    assert (first["event_type"], first["stream_type"], first["stream_id"]) == (
        "specialist_registered",
        "specialist",
        "ada",
    )
    assert (first["actor"], first["source"], first["commit"]) == ("ada", "cli", "c0")
    assert first["recorded_at"] == second["occurred_at"] == "2026-05-28T20:26:40.000Z"
    assert (first["causation_id"], second["causation_id"]) == (None, str(UUID(int=1)))
    assert first["correlation_id"] == str(UUID(int=2))
    assert first["event_id"] == str(next(iter(store.events())).event_id)
    assert len(first["hash"]) == 64
    assert specialists == [{"key": "ada", "name": "ada", "status": "busy", "last_seen": "2026-05-28T20:26:40.000Z"}]


def test_what_failed_leaves_nothing_remembered(store: Store) -> None:
    store.append([note("a")], ADA)
    with pytest.raises(Conflict):
        store.append([note("b", "fresh")], Cause("eve", "api"), expected_version=3)
    events = store.append([note("c", "fresh")], Cause("eve", "api"), expected_version=0)
    assert [(event.sequence_number, event.version, event.metadata["actor"]) for event in events] == [(2, 1, "eve")]
    assert list(store.stream("squawk", "fresh")) == events


def test_numbers_of_any_size_are_kept(store: Store) -> None:
    content = {"large": 1 << 80, "small": -(1 << 70), "real": 0.1, "none": None, "nested": [{"b": 1, "a": [True]}]}
    data = {**note("x").data, "content": content}
    [event] = store.append([replace(note("x"), data=data)], ADA)
    assert event.data["content"] == content
    assert list(event.data["content"]["nested"][0]) == ["b", "a"]
    assert list(store.events()) == [event]


def test_a_transaction_of_ones_own_is_all_or_nothing(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.append([note("a")], ADA)
        transaction.connection.execute("UPDATE streams SET archived_version = 0")
        transaction.append([remembered("b")], ADA)
    assert store.head() == 2

    def broken_off(statement: str) -> None:
        with store.transaction() as transaction:
            transaction.append([note("c")], ADA)
            transaction.connection.execute(statement)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off("SELECT 1")
    with pytest.raises(LogUnusable, match="no such table"):
        broken_off("SELECT * FROM nowhere")
    assert store.head() == 2
    assert [event.sequence_number for event in store.append([note("d")], ADA)] == [3]
    assert [event.event_type for event in store.events()] == ["squawk_sent", "memory_stored", "squawk_sent"]


def test_a_transaction_inside_another_is_a_mistake_and_no_deadlock(store: Store) -> None:
    def nested() -> None:
        with store.transaction() as transaction:
            transaction.append([note("a")], ADA)
            store.append([note("b")], ADA)

    with pytest.raises(RuntimeError, match="use the transaction's own append"):
        nested()
    assert store.head() == 0
    assert store.append([note("c")], ADA)[0].sequence_number == 1

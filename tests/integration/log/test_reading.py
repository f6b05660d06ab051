"""Reading the log: selections, pages, moments, following, and that readers see one state."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from reconciler.errors import LogUnusable, NotFound
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.moment import Moment
from reconciler.events.registry import TYPES
from reconciler.events.store import reader
from reconciler.events.upcasters import UPCASTERS
from reconciler.ops.compact import compact
from reconciler.projections.store import EventQuery, Store, open_store
from tests.support.events import ADA, NOON, Clock, heartbeat, note, registered, remembered

BOB = Cause("bob", "api", UUID(int=8))


@pytest.fixture
def told(store: Store, clock: Clock) -> list[Event]:
    """Nine events of two people, a second apart."""
    clock.step = 1_000
    store.append([registered("ada")], ADA)
    store.append([note("Hello, World")], BOB)
    cause = store.append([note('say "hi"', "other")], ADA)[0].event_id
    store.append([heartbeat("ada", causation_id=cause)], ADA)
    store.append([heartbeat("bob"), heartbeat("ada", "idle")], BOB)
    store.append([remembered("hello"), note("c", "ada"), note("d", causation_id=cause)], BOB)
    return list(store.events())


def numbers(store: Store, **query: object) -> list[int]:
    return [event.sequence_number for event in store.events(EventQuery(**query))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"stream_type": "squawk"}, [2, 3, 8, 9]),
        ({"stream_id": "ada"}, [1, 4, 6, 8]),
        ({"stream_type": "specialist", "stream_id": "ada"}, [1, 4, 6]),
        ({"stream_type": "specialist", "stream_id": "ada", "after": 1, "before": 6}, [4]),
        ({"stream_type": "sortie"}, []),
        ({"types": ("specialist_active", "memory_stored")}, [4, 5, 6, 7]),
        ({"types": ("no_such_type",)}, []),
        ({"after": 6}, [7, 8, 9]),
        ({"before": 3}, [1, 2]),
        ({"before": 0}, []),
        ({"after": 2, "before": 5}, [3, 4]),
        ({"since_ms": NOON + 4_000}, [4, 5, 6, 7, 8, 9]),
        ({"until_ms": NOON + 2_999}, [1, 2]),
        ({"since_ms": NOON + 2_000, "until_ms": NOON + 2_000}, [2]),
        ({"correlation_id": ADA.correlation_id}, [1, 3, 4]),
        ({"correlation_id": UUID(int=99)}, []),
        ({"text": "hello"}, [2, 7]),
        ({"text": "HELLO, w"}, [2]),
        ({"text": 'say "hi'}, [3]),
        ({"limit": 2}, [1, 2]),
        ({"limit": 0}, []),
        ({"newest_first": True, "limit": 3}, [9, 8, 7]),
        ({"newest_first": True, "before": 4}, [3, 2, 1]),
        ({"newest_first": True, "after": 7}, [9, 8]),
        ({"newest_first": True, "stream_type": "squawk", "stream_id": "inbox"}, [9, 2]),
        ({"types": ("squawk_sent",), "correlation_id": BOB.correlation_id, "text": "m-", "after": 2}, [8, 9]),
    ],
)
@pytest.mark.parametrize("portion", [2, 1_000])
def test_a_query_selects_by_all_that_it_names(
    store: Store,
    told: list[Event],
    query: dict[str, object],
    expected: list[int],
    portion: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "_PORTION", portion)
    assert numbers(store, **query) == expected


def test_a_query_by_cause_finds_what_followed(store: Store, told: list[Event]) -> None:
    assert numbers(store, causation_id=told[2].event_id) == [4, 9]


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_fit_together(
    store: Store, told: list[Event], newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PORTION", 3)
    found: list[Event] = []
    while True:
        edge = found[-1].sequence_number if found else 0
        page = {"before": edge or None} if newest_first else {"after": edge}
        portion = list(store.events(EventQuery(limit=2, newest_first=newest_first, **page)))  # type: ignore[arg-type]
        if not portion:
            break
        found += portion
    assert found == (told[::-1] if newest_first else told)


@pytest.mark.parametrize("after", range(4))
def test_a_stream_from_a_version_on(
    store: Store, told: list[Event], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PORTION", 2)
    ada = [event for event in told if (event.stream_type, event.stream_id) == ("specialist", "ada")]
    assert list(store.stream("specialist", "ada", after)) == ada[after:]
    assert list(store.stream("specialist", "nobody", after)) == []


def test_an_unknown_id_is_no_event(store: Store, told: list[Event]) -> None:
    assert store.event(UUID(int=1)) is None


@pytest.mark.parametrize(
    ("time_ms", "expected"), [(NOON, 0), (NOON + 1_000, 1), (NOON + 3_500, 3), (NOON + 5_000, 6), (1 << 50, 9)]
)
def test_a_time_names_the_last_event_up_to_then(store: Store, told: list[Event], time_ms: int, expected: int) -> None:
    assert store.sequence_at(Moment(time_ms=time_ms)) == expected


def test_a_clock_that_was_set_back_hides_nothing(store: Store, clock: Clock) -> None:
    for now in (NOON, NOON + 10_000, NOON + 2_000, NOON + 3_000):
        clock.now = now
        store.append([note(str(now))], ADA)
    assert store.sequence_at(Moment(time_ms=NOON + 2_500)) == 3
    assert store.sequence_at(Moment(time_ms=NOON + 500)) == 1
    assert store.sequence_at(Moment(time_ms=NOON + 20_000)) == 4
    assert numbers(store, since_ms=NOON + 2_500) == [2, 4]


def test_a_sequence_number_is_itself_unless_the_log_ends_before(store: Store, told: list[Event]) -> None:
    assert store.sequence_at(Moment(sequence=0)) == 0
    assert store.sequence_at(Moment(sequence=9)) == 9
    with pytest.raises(NotFound, match="the log ends at 9; there is no event 10"):
        store.sequence_at(Moment(sequence=10))


def test_the_rows_of_the_past(store: Store, told: list[Event]) -> None:
    assert list(store.rows_at(0).scan("specialists")) == []
    assert store.rows_at(4).get("specialists", "ada")["status"] == "busy"  # type: ignore[index]
    assert store.rows_at(6).get("specialists", "ada")["status"] == "idle"  # type: ignore[index]
    now, then = store.rows(), store.rows_at(store.head())
    for table in ("specialists", "messages", "mailboxes"):
        assert list(then.scan(table)) == list(now.scan(table))
    assert store.projected(3).sequence == 3
    assert store.projected(9) == store.projected()


def test_a_cursor_is_where_its_consumer_says(store: Store) -> None:
    moved = {"cursor_id": "c1", "stream_type": "squawk", "stream_id": "inbox", "position": 4, "consumer_id": "mailer"}
    store.append([NewEvent("cursor_advanced", "squawk", "inbox", moved)], ADA)
    assert store.cursor("squawk", "inbox", "mailer") == 4
    assert store.cursor("squawk", "inbox", "other") == 0


def test_rows_are_for_reading(store: Store, told: list[Event]) -> None:
    with store.snapshot() as (snapshot, _):
        for rows in (store.rows(), snapshot):
            with pytest.raises(TypeError, match="for reading"):
                rows.put("specialists", "ada", {})
            with pytest.raises(TypeError, match="for reading"):
                rows.delete("specialists", "ada")
            assert rows.get("no_such_table", "ada") is None
            assert list(rows.scan("no_such_table")) == []


def test_a_snapshot_does_not_move(store: Store, told: list[Event]) -> None:
    with store.snapshot() as (rows, head), store.reading() as connection:
        store.append([heartbeat("ada", "active")], ADA)
        assert head == 9
        assert rows.get("specialists", "ada")["status"] == "idle"  # type: ignore[index]
        assert connection.execute("SELECT max(sequence_number) FROM events").fetchone() == (9,)
    assert store.rows().get("specialists", "ada")["status"] == "active"  # type: ignore[index]


def test_a_reader_does_not_miss_what_comes_while_it_reads(
    store: Store, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PORTION", 3)
    reading = store.events()
    first = next(reading)
    store.append([note("more")], ADA)
    assert [first.sequence_number, *(event.sequence_number for event in reading)] == list(range(1, 11))


def test_a_store_for_reading_sees_what_others_write(store: Store, path: Path) -> None:
    store.append([note("a")], ADA)
    with open_store(path, mode="read") as other:
        assert other.read_only
        assert not store.read_only
        assert other.head() == 1
        store.append([note("b")], ADA)
        assert [event.sequence_number for event in other.events()] == [1, 2]
        assert len(list(other.rows().scan("messages"))) == 2
        with pytest.raises(LogUnusable, match="opened for reading"):
            other.append([note("c")], ADA)
        with pytest.raises(LogUnusable, match="opened for reading"):
            other.lease("apply")


def test_a_closed_store_says_so(path: Path) -> None:
    store = open_store(path)
    store.append([note("a")], ADA)
    store.close()
    for use in (store.head, store.lease_holder, lambda: store.append([note("b")], ADA)):
        with pytest.raises(LogUnusable, match="closed"):
            use()


class Follower(threading.Thread):
    """Collects what a store's `follow` gives, until it is told to stop."""

    def __init__(self, events: Iterator[Event]) -> None:
        super().__init__(daemon=True)
        self.events = events
        self.seen: list[int] = []
        self.got = threading.Condition()
        self.start()

    def run(self) -> None:
        for event in self.events:
            with self.got:
                self.seen.append(event.sequence_number)
                self.got.notify_all()

    def wait(self, count: int) -> list[int]:
        with self.got:
            assert self.got.wait_for(lambda: len(self.seen) >= count, timeout=30), self.seen
            return list(self.seen)


def test_following_gives_what_is_there_and_then_what_comes(store: Store, path: Path, told: list[Event]) -> None:
    over = threading.Event()
    query = EventQuery(stream_type="squawk", after=2)
    follower = Follower(store.follow(query, poll_ms=20, stop=over.is_set))
    assert follower.wait(3) == [3, 8, 9]
    store.append([heartbeat("ada"), note("e")], ADA)
    assert follower.wait(4)[3:] == [11]
    with open_store(path) as other:
        other.append([note("f")], ADA)
    assert follower.wait(5)[4:] == [12]
    over.set()
    follower.join(30)
    assert not follower.is_alive()


def test_following_ends_at_its_limit_or_last_number(store: Store, told: list[Event]) -> None:
    assert [e.sequence_number for e in store.follow(EventQuery(limit=2))] == [1, 2]
    assert [e.sequence_number for e in store.follow(EventQuery(after=7, before=10))] == [8, 9]
    follower = Follower(store.follow(EventQuery(after=8, limit=3), poll_ms=20))
    follower.wait(1)
    store.append([note("x"), note("y"), note("z")], ADA)
    follower.join(30)
    assert follower.seen == [9, 10, 11]


def test_following_can_be_stopped_between_two_events(store: Store, told: list[Event]) -> None:
    seen: list[int] = []
    for event in store.follow(stop=lambda: len(seen) >= 2):
        seen.append(event.sequence_number)
    assert seen == [1, 2]
    assert list(store.follow(stop=lambda: True)) == []


def test_an_old_event_is_read_as_today_wherever_it_lies(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append([remembered("a"), note("b"), remembered("c")], ADA)
    monkeypatch.setitem(TYPES, "memory_stored", TYPES["memory_stored"]._replace(version=2))  # type: ignore[index]
    monkeypatch.setitem(UPCASTERS, ("memory_stored", 1), lambda data: {"name": data["key"]})  # type: ignore[index]
    with open_store(store.path, mode="read") as later:
        assert not [event for event in later.events() if event.schema_version != 1]
        assert [event.data for event in later.stream("system", "memory")] == [{"name": "a"}, {"name": "c"}]
        compact(store, ADA, until=2, trigger="manual")
        assert [event.data for event in later.stream("system", "memory")] == [{"name": "a"}, {"name": "c"}]

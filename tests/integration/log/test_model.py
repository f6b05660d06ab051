"""The store against a plain model of it: whatever is done in whatever order, both say the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.errors import Conflict, LeaseLost
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.moment import Moment
from reconciler.events.store import reader
from reconciler.ops.backup import back_up
from reconciler.ops.compact import compact
from reconciler.ops.restore import restore
from reconciler.ops.verify import verify
from reconciler.projections import rebuild
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows
from reconciler.projections.store import EventQuery, Store, open_store
from tests.support.events import NOON, Clock, heartbeat, note, registered, remembered

TABLES = ("specialists", "messages", "mailboxes")
NAMES = st.sampled_from(["ada", "bob", "eve"])
ACTORS = st.sampled_from([Cause("ada", "cli"), Cause("bob", "api", commit="c0ffee"), Cause("fleet", "watch")])
EVENTS = st.one_of(
    st.builds(registered, NAMES),
    st.builds(heartbeat, NAMES, st.sampled_from(["busy", "idle", "active"])),
    st.builds(note, st.text(max_size=8), NAMES, occurred_at=st.one_of(st.none(), st.integers(NOON - 99, NOON))),
    st.builds(remembered, st.text(min_size=1, max_size=3)),
)


class Model(RuleBasedStateMachine):
    """What a log is: a list of events, and rows that follow from it."""

    def __init__(self) -> None:
        super().__init__()
        self.portions = (reader._PORTION, rebuild._PORTION)
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "squawk.db"
        self.clock = Clock()
        self.stores = [open_store(self.path, clock=self.clock)]
        self.sent: list[NewEvent] = []
        self.log: list[Event] = []
        self.rows = MemoryRows()
        self.backups: list[tuple[Path, list[Event]]] = []

    def teardown(self) -> None:
        reader._PORTION, rebuild._PORTION = self.portions
        try:
            report = verify(self.path)
            assert report.sound, report.faults
            assert report.head == len(self.log)
        finally:
            for store in self.stores:
                store.close()
            self.folder.cleanup()

    @property
    def store(self) -> Store:
        return self.stores[-1]

    def versions(self, event: NewEvent) -> int:
        return sum((e.stream_type, e.stream_id) == (event.stream_type, event.stream_id) for e in self.log)

    def learn(self, events: list[Event]) -> None:
        for event in events:
            assert event.sequence_number == len(self.log) + 1
            self.log.append(event)
            fold(event, self.rows)

    @initialize(portion=st.sampled_from([2, 5, 1_000]))
    def choose_portions(self, portion: int) -> None:
        reader._PORTION = portion
        rebuild._PORTION = portion

    @rule(events=st.lists(EVENTS, min_size=1, max_size=6), cause=ACTORS, later=st.integers(-50, 500))
    def append(self, events: list[NewEvent], cause: Cause, later: int) -> None:
        self.clock.now += later
        before = {id(event): self.versions(event) for event in events}
        recorded = self.store.append(events, cause, expected_version=before[id(events[0])])
        for new, event in zip(events, recorded, strict=True):
            assert (event.event_type, event.stream_id) == (new.event_type, new.stream_id)
            assert event.metadata["actor"] == cause.actor
            assert event.recorded_at == self.clock.now
            assert event.version > before[id(new)]
        self.learn(recorded)
        self.sent += events

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), fresh=st.lists(EVENTS, max_size=2), cause=ACTORS)
    def append_again(self, data: st.DataObject, fresh: list[NewEvent], cause: Cause) -> None:
        known = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=3))
        answers = self.store.append([*known, *fresh], cause)
        by_id = {event.event_id: event for event in self.log}
        assert answers[: len(known)] == [by_id[event.event_id] for event in known]
        self.learn(answers[len(known) :])
        self.sent += fresh

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), event=EVENTS, cause=ACTORS)
    def append_what_is_refused(self, data: st.DataObject, event: NewEvent, cause: Cause) -> None:
        known = data.draw(st.sampled_from(self.sent))
        attempts: list[Callable[[], object]] = [
            lambda: self.store.append([event], cause, expected_version=self.versions(event) + 1),
            lambda: (
                self.store.append([event, replace(known, data=note("elsewhere", "nobody").data)], cause)
                if known.event_type == "squawk_sent"
                else self.store.append([event, replace(known, stream_id="nobody")], cause)
            ),
        ]
        for attempt in attempts:
            try:
                attempt()
            except Conflict:
                continue
            raise AssertionError("it was not refused")

    @rule(event=EVENTS, cause=ACTORS)
    def append_under_the_lease(self, event: NewEvent, cause: Cause) -> None:
        with self.store.lease("model", cause=cause) as lease:
            recorded = self.store.append([event], cause, lease=lease)
        self.learn_the_rest()
        assert recorded[0] in self.log[-2:]
        self.sent.append(event)
        try:
            self.store.append([event], cause, lease=lease)
        except LeaseLost:
            return
        raise AssertionError("a lease that was given back still held")

    @rule()
    def rebuild(self) -> None:
        assert self.store.rebuild() == len(self.log)

    def learn_the_rest(self) -> None:
        """What the log records about itself comes on top of what the test appended."""
        self.learn(list(self.store.events(EventQuery(after=len(self.log)))))

    @precondition(lambda self: self.log)
    @rule(data=st.data(), cause=ACTORS)
    def compact(self, data: st.DataObject, cause: Cause) -> None:
        compact(self.store, cause, until=data.draw(st.integers(0, len(self.log))), trigger="manual")
        self.learn_the_rest()

    @precondition(lambda self: self.log and len(self.backups) < 3)
    @rule(cause=ACTORS)
    def back_up(self, cause: Cause) -> None:
        self.clock.now += 1_000
        made = back_up(self.store, self.path.parent / "backups", cause, now_ms=self.clock.now)
        assert made.sequence == len(self.log)
        self.backups.append((made.path, self.log.copy()))
        self.learn_the_rest()

    @precondition(lambda self: self.backups)
    @rule(data=st.data(), cause=ACTORS)
    def restore(self, data: st.DataObject, cause: Cause) -> None:
        # After a restore the log may go another way than an older backup did.
        path, kept = self.backups[data.draw(st.integers(0, len(self.backups) - 1))]
        for store in self.stores:
            store.close()
        self.clock.now += 1_000
        assert restore(self.path, path, cause, now_ms=self.clock.now).sequence == len(kept)
        self.stores = [open_store(self.path, clock=self.clock)]
        assert list(self.store.events(EventQuery(before=len(kept) + 1))) == kept
        self.log, self.rows = [], MemoryRows()
        self.learn(kept)
        known = {event.event_id for event in kept}
        self.sent = [event for event in self.sent if event.event_id in known]
        self.learn_the_rest()

    @rule()
    def open_anew(self) -> None:
        self.store.close()
        self.stores[-1] = open_store(self.path, clock=self.clock)

    @precondition(lambda self: len(self.stores) < 4)
    @rule()
    def go_on_with_another_one(self) -> None:
        self.stores.append(open_store(self.path, clock=self.clock))

    @precondition(lambda self: len(self.stores) > 1)
    @rule(data=st.data())
    def go_back_to_an_earlier_one(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.stores) - 1))
        self.stores.append(self.stores.pop(place))

    @rule(data=st.data())
    def read_the_past(self, data: st.DataObject) -> None:
        sequence = data.draw(st.integers(0, len(self.log)))
        rows = MemoryRows()
        for event in self.log[:sequence]:
            fold(event, rows)
        then = self.store.rows_at(sequence)
        for table in TABLES:
            assert list(then.scan(table)) == list(rows.scan(table))

    @rule(data=st.data())
    def read_a_selection(self, data: st.DataObject) -> None:
        end = st.integers(0, len(self.log) + 1)
        query = EventQuery(
            stream_type=data.draw(st.sampled_from(["", "squawk", "specialist"])),
            stream_id=data.draw(st.sampled_from(["", "ada", "bob"])),
            types=data.draw(st.sampled_from([(), ("squawk_sent",), ("specialist_active", "memory_stored")])),
            after=data.draw(end),
            before=data.draw(st.one_of(st.none(), end)),
            since_ms=data.draw(st.one_of(st.none(), st.integers(NOON, NOON + 2_000))),
            newest_first=data.draw(st.booleans()),
            limit=data.draw(st.one_of(st.none(), st.integers(0, 9))),
        )
        expected = [event for event in self.log if selected(query, event)]
        if query.newest_first:
            expected.reverse()
        assert list(self.store.events(query)) == expected[: query.limit]

    @rule(data=st.data())
    def read_a_moment(self, data: st.DataObject) -> None:
        time_ms = data.draw(st.integers(NOON - 100, NOON + 3_000))
        earlier = [event.sequence_number for event in self.log if event.recorded_at <= time_ms]
        assert self.store.sequence_at(Moment(time_ms=time_ms)) == max(earlier, default=0)

    @rule(name=NAMES, data=st.data())
    def read_a_stream(self, name: str, data: st.DataObject) -> None:
        events = [event for event in self.log if (event.stream_type, event.stream_id) == ("squawk", name)]
        after = data.draw(st.integers(0, len(events) + 1))
        assert list(self.store.stream("squawk", name, after)) == events[after:]
        assert self.store.stream_version("squawk", name) == len(events)

    @invariant()
    def they_say_the_same(self) -> None:
        for store in self.stores:
            assert store.head() == len(self.log)
            with store.snapshot() as (rows, head):
                assert head == len(self.log)
                for table in TABLES:
                    assert list(rows.scan(table)) == list(self.rows.scan(table))


def selected(query: EventQuery, event: Event) -> bool:
    return (
        query.stream_type in ("", event.stream_type)
        and query.stream_id in ("", event.stream_id)
        and (not query.types or event.event_type in query.types)
        and event.sequence_number > query.after
        and (query.before is None or event.sequence_number < query.before)
        and (query.since_ms is None or event.recorded_at >= query.since_ms)
    )


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

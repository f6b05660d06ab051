"""The care of the log against a plain list of events: whatever is done in whatever order, nothing is lost or told otherwise."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.store.query import EventQuery
from reconciler.ops import moving
from reconciler.ops.backup import back_up, backups_of, default_folder
from reconciler.ops.bisect import bisect
from reconciler.ops.compact import compact
from reconciler.ops.rebuild import rebuild
from reconciler.ops.restore import restore
from reconciler.ops.snapshots import stream_rows
from reconciler.ops.statistics import statistics
from reconciler.ops.verify import verify
from reconciler.projections.definitions import VIEWS
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows, Rows
from reconciler.projections.store import Store, open_store

NOON = 1_795_521_600_000
SERVICES = st.sampled_from(["web", "db", "cache"])
PEOPLE = st.sampled_from([Cause("ada", "cli"), Cause("fleet", "watch"), Cause("bob", "api", commit="c0ffee")])


def _container(service: str) -> dict[str, Any]:
    return {"service": service, "replica": 1, "container_id": f"{service}-1"}


def _happening(kind: str, service: str, number: int) -> NewEvent:
    names = _container(service)
    image = {"name": f"shop-{service}", "digest": f"v1:{number}", "image": "x:1", "image_id": "sha256:1"}
    reason = {"code": "declared", "text": f"because {number}"}
    intent = {"action": "create", "resource": f"service/{service}", "replica": 1, "reason": reason, "apply_id": "a"}
    data: dict[str, dict[str, Any]] = {
        "service_defined": {
            "service": service,
            "digest": f"v1:{number}",
            "definition": {"name": service, "tags": [kind]},
        },
        "container_created": {**names, **image, "intent_id": "evt_1"},
        "container_started": names,
        "container_exited": {**names, "exit_code": number},
        "container_health_changed": {**names, "health": "unhealthy" if number % 2 else "healthy"},
        "container_removed": names,
        "action_intended": intent,
        "service_stop_requested": {"service": service},
        "service_start_requested": {"service": service},
        "service_removed": {"service": service},
    }
    return NewEvent(kind, "service", service, data[kind])


KINDS = st.sampled_from(
    [
        "service_defined",
        "container_created",
        "container_started",
        "container_exited",
        "container_health_changed",
        "container_removed",
        "action_intended",
        "service_stop_requested",
        "service_start_requested",
        "service_removed",
    ]
)
HAPPENINGS = st.lists(st.builds(_happening, KINDS, SERVICES, st.integers(0, 5)), min_size=1, max_size=8)


def tables(rows: Rows) -> dict[str, dict[str, Any]]:
    """Every row that there is."""
    return {name: found for name in VIEWS if (found := dict(rows.scan(name)))}


class LogMachine(RuleBasedStateMachine):
    """A log on disk, and beside it a list of what must be in it."""

    @initialize(segment=st.integers(5, 60), small=st.integers(0, 40))
    def begin(self, segment: int, small: int) -> None:
        self.kept = (moving.SEGMENT_EVENTS, moving._SMALL_SEGMENT)
        moving.SEGMENT_EVENTS, moving._SMALL_SEGMENT = segment, small
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "log" / "squawk.db"
        self.store: Store = open_store(self.path)
        self.told: list[Event] = []
        self.backups: dict[Path, int] = {}
        self.now = NOON

    def teardown(self) -> None:
        if hasattr(self, "store"):
            try:
                assert verify(self.path).sound
            finally:
                self.store.close()
                self.folder.cleanup()
                moving.SEGMENT_EVENTS, moving._SMALL_SEGMENT = self.kept

    def learn(self) -> None:
        """What was told stays as it was; what the care of the log recorded itself comes after it."""
        events = list(self.store.events())
        assert events[: len(self.told)] == self.told
        self.told = events

    @rule(happenings=HAPPENINGS, cause=PEOPLE)
    def append(self, happenings: list[NewEvent], cause: Cause) -> None:
        self.told += self.store.append(happenings, cause)

    @rule(share=st.floats(0, 1), cause=PEOPLE)
    def compact(self, share: float, cause: Cause) -> None:
        compact(self.store, cause, until=round(share * len(self.told)), trigger="manual")
        self.learn()

    @rule()
    def rebuild(self) -> None:
        assert rebuild(self.store) == len(self.told)
        self.learn()

    @rule(cause=PEOPLE, keep=st.integers(0, 3))
    def back_up(self, cause: Cause, keep: int) -> None:
        self.now += 60_000
        made = back_up(self.store, default_folder(self.path), cause, keep=keep, now_ms=self.now)
        assert made.sequence == len(self.told)
        self.backups[made.path] = made.sequence
        for path in made.pruned:
            del self.backups[path]
        self.learn()
        assert backups_of(self.path, default_folder(self.path)) == sorted(self.backups)

    @precondition(lambda self: self.backups)
    @rule(data=st.data(), cause=PEOPLE)
    def restore(self, data: st.DataObject, cause: Cause) -> None:
        path = data.draw(st.sampled_from(sorted(self.backups)))
        before = self.told
        self.store.close()
        # A backup of the empty log begins with nothing, and what comes after it with something else.
        done = restore(self.path, path, cause, now_ms=self.now, other_log=True)
        self.store = open_store(self.path)
        assert done.replaced is not None
        with open_store(done.replaced, mode="read") as replaced:
            assert list(replaced.events()) == before
        sequence = self.backups[path]
        after = list(self.store.events())
        assert [event.event_type for event in after[sequence:]] == ["backup_restored"]
        with open_store(path, mode="read") as backup:
            assert after[:sequence] == list(backup.events())
        self.told = after

    @rule()
    def open_anew(self) -> None:
        self.store.close()
        self.store = open_store(self.path)

    @rule(service=SERVICES)
    def read_a_stream_from_its_snapshot(self, service: str) -> None:
        rows = MemoryRows()
        for event in self.told:
            if event.stream_id == service:
                fold(event, rows)
        with self.store.reading() as connection:
            assert tables(stream_rows(self.store, connection, "service", service)) == tables(rows)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def look_into_the_past(self, data: st.DataObject) -> None:
        sequence = data.draw(st.integers(0, len(self.told)))
        rows = MemoryRows()
        for event in self.told[:sequence]:
            fold(event, rows)
        assert tables(self.store.rows_at(sequence)) == tables(rows)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def find_an_event(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.told))
        assert self.store.event(event.event_id) == event

    @rule(service=SERVICES, newest_first=st.booleans(), limit=st.none() | st.integers(1, 9))
    def select(self, service: str, newest_first: bool, limit: int | None) -> None:
        query = EventQuery(stream_type="service", stream_id=service, newest_first=newest_first, limit=limit)
        expected = [event for event in self.told if event.stream_id == service]
        assert list(self.store.events(query)) == (expected[::-1] if newest_first else expected)[:limit]

    @precondition(lambda self: any(event.stream_id == "web" for event in self.told))
    @rule()
    def bisect(self) -> None:
        first = next(event.sequence_number for event in self.told if event.stream_id == "web")
        episode = bisect(self.store, "web").episode
        assert episode is None or episode.first.sequence_number >= first

    @rule()
    def count(self) -> None:
        found = statistics(self.store, now_ms=NOON)
        assert found.events == sum(found.types.values()) == len(self.told)

    @invariant()
    def the_rows_follow_from_the_list(self) -> None:
        if not hasattr(self, "store"):
            return
        rows = MemoryRows()
        for event in self.told:
            fold(event, rows)
        assert tables(self.store.rows()) == tables(rows)
        assert self.store.head() == len(self.told)


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)

"""A whole fleet in memory: a log, an engine and the cycle between them, as fast as a property test needs it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from reconciler.apply.executor import apply
from reconciler.apply.model import ApplyOptions, ApplyResult
from reconciler.apply.observe import observations
from reconciler.apply.observe_processes import process_observations
from reconciler.apply.report import Silent
from reconciler.control.held import hold_back
from reconciler.control.look import folded, with_unlisted
from reconciler.errors import LeaseLost
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.registry import validate
from reconciler.events.sentences import sentence
from reconciler.events.store.query import EventQuery
from reconciler.plan.diff import diff
from reconciler.plan.model import AnyAction, Plan, PlanOptions
from reconciler.projections.fold import fold
from reconciler.projections.projected import Projected, project
from reconciler.projections.rows import MemoryRows
from reconciler.spec.desired import Desired, ServiceSpec, to_document
from reconciler.spec.roles import digest_of
from tests.support.crews import PretendedCrew, PretendedProcesses
from tests.support.simulated import IMAGE, SimulatedRuntime

PROJECT = "0123456789ab"
_EVERYTHING = PlanOptions()
_ALL_EVENTS = EventQuery()
_CAUSE = Cause("ada", "cli")


class MemoryLog:
    """As much of a store as an apply needs. `stale` makes every further append find its lease lost."""

    def __init__(self) -> None:
        self.recorded: list[Event] = []
        self.rows = MemoryRows()
        self.stale = False
        self._lock = threading.Lock()

    def append(
        self,
        events: Sequence[NewEvent],
        cause: Cause,
        *,
        expected_version: int | None = None,
        lease: Any = None,
    ) -> list[Event]:
        if self.stale:
            raise LeaseLost("somebody else writes now")
        with self._lock:
            valid = [(new, *validate(new.event_type, new.data)) for new in events]
            return [self._append(new, schema_version, data, cause) for new, schema_version, data in valid]

    def _append(self, new: NewEvent, schema_version: int, data: dict[str, Any], cause: Cause) -> Event:
        number = len(self.recorded) + 1
        event = Event(
            number,
            new.event_id,
            new.event_type,
            new.stream_type,
            new.stream_id,
            number,
            data,
            new.causation_id or cause.causation_id,
            cause.correlation_id,
            {"actor": cause.actor, "source": cause.source},
            new.occurred_at or 1_700_000_000_000 + number,
            1_700_000_000_000 + number,
            schema_version,
            b"",
        )
        self.recorded.append(event)
        fold(event, self.rows)
        return event

    def projected(self) -> Projected:
        return project(self.rows, sequence=len(self.recorded))

    def events(self, query: EventQuery = _ALL_EVENTS) -> Iterator[Event]:
        found = [
            event
            for event in (reversed(self.recorded) if query.newest_first else self.recorded)
            if (not query.types or event.event_type in query.types)
            and (not query.stream_id or event.stream_id == query.stream_id)
        ]
        return itertools.islice(iter(found), query.limit)

    def event(self, event_id: UUID) -> Event | None:
        return next((event for event in self.recorded if event.event_id == event_id), None)


class Told(Silent):
    """A reporter that remembers: `running create service/web/1`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.problems: list[str] = []

    def on_problems(self, problems: Sequence[str]) -> None:
        self.problems += problems

    def on_action(self, action: AnyAction, state: Any, detail: str = "", seconds: float = 0.0) -> None:
        self.lines.append(f"{state} {action.id}" + (f": {detail}" if detail else ""))

    def on_gate(self, service: str, gate: str, state: Any, detail: str = "", seconds: float = 0.0) -> None:
        if state != "wait":
            self.lines.append(f"{state} {service} {gate}" + (f": {detail}" if detail else ""))


def service(name: str, **fields: Any) -> ServiceSpec:
    """A service that runs without end, with whatever is said of it."""
    values: dict[str, Any] = {"image": IMAGE, "command": ("serve",)}
    return ServiceSpec(name=name, **{**values, **fields})


class Fleet:
    """A fleet with its log and its engine.

    Attributes:
        desired: what is wanted; change it with `want`.
        told: what the last apply reported.
    """

    def __init__(self, *services: ServiceSpec, project: Path = Path("/"), **more: Any) -> None:
        self.runtime = SimulatedRuntime()
        self.processes = PretendedProcesses()
        self.crew = PretendedCrew()
        self.log = MemoryLog()
        self.project = project
        self.environ: dict[str, str] = {}
        self.told = Told()
        self.desired = Desired(name="shop", project=PROJECT, **more)
        self.want(*services)

    def want(self, *services: ServiceSpec, **more: Any) -> None:
        """From now on these services are declared, and only these."""
        self.desired = replace(self.desired, services={one.name: one for one in services}, **more)

    def look(self, options: PlanOptions = _EVERYTHING) -> tuple[list[NewEvent], Desired, Plan]:
        """What is new in the world, and the plan."""
        recorded = self.log.projected()
        observed = with_unlisted(self.runtime.observe(PROJECT), recorded, self.runtime)
        events = observations(recorded, observed, now_ms=self.runtime.now * 1000)
        events += process_observations(recorded, self.processes.observe(PROJECT), now_ms=self.runtime.now * 1000)
        rows = folded(self.log.rows, events, len(self.log.recorded))
        projected = project(rows, sequence=len(self.log.recorded))
        desired, _ = hold_back(self.desired, projected)
        images = {
            one.image: self.runtime.images[one.image]
            for one in desired.services.values()
            if one.image in self.runtime.images
        }
        return (
            events,
            desired,
            diff(desired, projected, replace(options, images=images, now_ms=self.runtime.now * 1000)),
        )

    def plan(self, options: PlanOptions = _EVERYTHING) -> list[str]:
        """The ids of what would be done."""
        return [action.id for action in self.look(options)[2].actions]

    def apply(self, options: PlanOptions = _EVERYTHING, **how: Any) -> ApplyResult:
        """One cycle: look, record, carry out."""
        events, desired, plan = self.look(options)
        revision = self._revision(events)
        self.told = Told()
        return apply(
            plan,
            desired,
            store=self.log,  # type: ignore[arg-type]
            runtime=self.runtime,
            lease=None,  # type: ignore[arg-type]
            cause=_CAUSE,
            project=self.project,
            environ=self.environ,
            revision_event=revision,
            reporter=self.told,
            options=ApplyOptions(**how),
            processes=self.processes,
            crew=self.crew,
        )

    def _revision(self, events: list[NewEvent]) -> UUID | None:
        document = to_document(self.desired)
        digest = digest_of(document)
        head = self.log.projected().head
        if head.digest != digest:
            data = {"revision": head.latest + 1, "digest": digest, "document": document}
            events = [*events, NewEvent("revision_accepted", "fleet", "shop", data)]
        self.log.append(events, _CAUSE)
        accepted = list(self.log.events(EventQuery(types=("revision_accepted",), newest_first=True, limit=1)))
        return accepted[0].event_id

    def states(self) -> dict[str, str]:
        """Every container of the engine and its state."""
        return {one.name: one.state for one in sorted(self.runtime.containers.values(), key=lambda one: one.name)}

    def story(self, after: int = 0) -> list[str]:
        """The log in sentences, from after a sequence number."""
        return [sentence(event) for event in self.log.recorded[after:]]

    def types(self, after: int = 0) -> list[str]:
        """The log as event types."""
        return [event.event_type for event in self.log.recorded[after:]]

    def causes(self, event_type: str) -> list[str]:
        """The chain from the newest event of a type to its root, as event types."""
        event: Event | None = next(self.log.events(EventQuery(types=(event_type,), newest_first=True)))
        chain = []
        while event is not None:
            chain.append(event.event_type)
            event = self.log.event(event.causation_id) if event.causation_id else None
        return chain

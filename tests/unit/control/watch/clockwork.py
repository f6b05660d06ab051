"""A service in a log in memory, on a clock that tests set: what happens to it, and what the rules record about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from reconciler.control.watch import backoff
from reconciler.events.envelope import Event, NewEvent
from reconciler.plan.diff import diff
from reconciler.plan.model import PlanOptions
from reconciler.projections.fold import fold
from reconciler.projections.projected import Projected, ProjectedBackoff, project
from reconciler.projections.rows import MemoryRows
from reconciler.spec.desired import Desired, ServiceSpec, to_document
from reconciler.spec.roles import definition_digest

START_MS = 1_795_521_600_000
SECOND = 1_000
MINUTE = 60 * SECOND


class Clockwork:
    """One service with one replica.

    Attributes:
        now: the time, which only `passes` moves.
        told: types of what the rules recorded, in order.
    """

    def __init__(self, *, jitter: Callable[[], float] = lambda: 0.5, **service: Any) -> None:
        self.now = START_MS
        self.told: list[str] = []
        self.rows = MemoryRows()
        self._jitter = jitter
        self._sequence = 0
        self._spec = ServiceSpec(name="web", image="web:1", **service)
        self.desired = Desired(name="shop", project="p" * 12, services={"web": self._spec})
        digest = definition_digest(self._spec)
        self.happens("service_defined", digest=digest, definition=to_document(self._spec))
        made = {"name": "shop-web-1", "digest": digest, "image": "web:1", "image_id": "i1", "intent_id": "evt_1"}
        self.happens("container_created", **made)
        self.happens("container_started")

    def passes(self, milliseconds: int) -> None:
        """Time goes on."""
        self.now += milliseconds

    def happens(self, event_type: str, **data: Any) -> None:
        """Something is recorded now."""
        own = {} if event_type.startswith("service") else {"replica": 1, "container_id": "c1"}
        self._record(NewEvent(event_type, "service", "web", {"service": "web", **own, **data}))

    def crashes(self, exit_code: int = 1) -> None:
        """The container ends by itself."""
        self.happens("container_exited", exit_code=exit_code)

    def decides(self) -> list[NewEvent]:
        """The rules are asked, and what they say is recorded."""
        events = backoff.decide(self.desired, self.projected, now_ms=self.now, jitter=self._jitter)
        for event in events:
            self._record(event)
            self.told.append(event.event_type)
        return events

    def plan(self) -> list[str]:
        """What would be done now."""
        options = PlanOptions(now_ms=self.now, restart_unhealthy=True)
        return [action.id for action in diff(self.desired, self.projected, options).actions]

    @property
    def projected(self) -> Projected:
        """What the log says."""
        return project(self.rows, sequence=self._sequence)

    @property
    def backoff(self) -> ProjectedBackoff | None:
        """The back-off that the log has."""
        return self.projected.backoffs.get("web/1")

    def _record(self, new: NewEvent) -> None:
        self._sequence += 1
        event = Event(
            sequence_number=self._sequence,
            event_id=UUID(int=self._sequence),
            event_type=new.event_type,
            stream_type="service",
            stream_id="web",
            version=self._sequence,
            data=new.data,
            causation_id=None,
            correlation_id=UUID(int=0),
            metadata={},
            occurred_at=self.now,
            recorded_at=self.now,
            schema_version=1,
            hash=b"",
        )
        fold(event, self.rows)

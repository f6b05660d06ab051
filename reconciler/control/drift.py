"""Drift: what the world changed against the log, resource by resource and field by field. Read-only.

The log is what counts here, not the file: an edit that was not applied is no drift. What is ignored is found all the same
and told with its rule, so that an exception stays in sight until it has run out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.apply.observe import observations
from reconciler.control.crew_drift import process_drifts
from reconciler.control.differing import differing, unix_ms
from reconciler.control.look import (
    engine_of,
    folded,
    local_images,
    needs_engine,
    processes_seen,
    shared_gone,
    with_unlisted,
)
from reconciler.control.reading import now_ms, read_file
from reconciler.errors import NotFound, SpecInvalid
from reconciler.events.envelope import Event, NewEvent
from reconciler.events.sentences import sentence
from reconciler.plan.model import PlanOptions
from reconciler.plan.situation import Situation
from reconciler.projections.fleet import revision_key
from reconciler.projections.fold import as_if_recorded
from reconciler.projections.projected import ProjectedContainer, project
from reconciler.runtime.model import Observed
from reconciler.spec.desired import Desired, desired_from_document

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.store import Store


@dataclass(frozen=True, slots=True)
class Drift:
    """One field of one resource that is not as the log has it.

    Attributes:
        cause: what happened, in a sentence; it was not Fleet's doing.
        since: Unix ms when it happened, or was seen; 0 where that is not known.
        recorded: whether the log says so already.
        ignored: why it is left alone; empty when it is not.
    """

    resource: str
    field: str
    expected: Any
    actual: Any
    cause: str
    since: int = 0
    recorded: bool = False
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class Ignore:
    """A rule by which drift is left alone: from the file, or from an event.

    Attributes:
        until: Unix ms; None for ever.
        expired: it has run out and holds nothing back any more.
    """

    resource: str
    field: str
    why: str
    until: int | None
    source: str
    expired: bool


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Everything that drifted, ignored or not, and the rules by which some of it is ignored."""

    fleet: str
    drifts: tuple[Drift, ...]
    ignores: tuple[Ignore, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def found(self) -> bool:
        """Something drifted that nobody said to leave alone."""
        return any(not one.ignored for one in self.drifts)


def drift(session: Session) -> DriftReport:
    """Compare the world with the log.

    Raises:
        NotFound: nothing was ever applied, so that nothing can have drifted.
        RuntimeUnreachable: the world cannot be read.
    """
    store = session.store
    row = store.rows().get("revisions", revision_key(store.projected().head.revision)) if store is not None else None
    if store is None or row is None:
        raise NotFound("nothing has been applied yet, so nothing can have drifted", hint="fleet apply")
    now = now_ms()
    base, sequence = store.rows(), store.head()
    recorded = project(base, sequence=sequence)
    desired, warnings = _with_rules_of_file(session, store, desired_from_document(row["document"]))
    runtime = engine_of(session, desired, recorded)
    listed = runtime.observe(session.project) if needs_engine(desired, recorded) else Observed(())
    observed = with_unlisted(listed, recorded, runtime)
    seen = observations(recorded, observed, now_ms=now)
    seen += processes_seen(session, desired, recorded, now)
    seen += shared_gone(desired, recorded, runtime, now)
    projected = project(folded(base, seen, sequence), sequence=sequence)
    options = PlanOptions(now_ms=now, images=local_images(runtime, desired))
    causes = _Causes(store, seen)
    situation = Situation(desired, projected, options)
    drifts = [*_containers(situation, causes), *_crew(situation, store, seen), *_shared(seen)]
    drifts.sort(key=lambda one: (one.resource, one.field))
    return DriftReport(desired.name, tuple(drifts), ignores(desired, store, now), warnings)


def _with_rules_of_file(session: Session, store: Store, desired: Desired) -> tuple[Desired, tuple[str, ...]]:
    """The desired state of the log with the exceptions that the file makes now."""
    try:
        settings = read_file(session, store.rows(), store.projected().head).desired.reconcile
    except SpecInvalid as error:
        return desired, (f"the file is wrong, so the exceptions of the last good revision count: {error.problems[0]}",)
    return replace(desired, reconcile=replace(desired.reconcile, ignore_drift=settings.ignore_drift)), ()


class _Causes:
    """What is behind a container's last change, from the log or from the look just taken."""

    def __init__(self, store: Store, seen: Sequence[NewEvent]) -> None:
        self._store = store
        self._seen = {one.event_id.hex: one for one in seen}

    def of(self, container: ProjectedContainer, field: str) -> tuple[str, int, bool]:
        """The sentence, when it was, and whether it is recorded."""
        for new in self._seen.values():
            if new.data.get("container_id") == container.container_id and _about(new.event_type, new.data, field):
                return _told(new), new.occurred_at or 0, False
        event = self._recorded(container, field)
        if event is None:
            return "it was changed outside of fleet", container.changed_at, True
        return sentence(event), event.occurred_at, True

    def _recorded(self, container: ProjectedContainer, field: str) -> Event | None:
        from reconciler.projections.store import EventQuery

        query = EventQuery(stream_type="service", stream_id=container.service, newest_first=True)
        for event in self._store.events(query):
            if event.data.get("container_id") == container.container_id and _about(event.event_type, event.data, field):
                return event
        return None


_STATE_EVENTS = frozenset(
    {"container_exited", "container_vanished", "container_paused", "container_started", "container_found"}
)


def _about(event_type: str, data: Mapping[str, Any], field: str) -> bool:
    """Whether an event from outside is what changed this field."""
    if field == "state":
        return event_type in _STATE_EVENTS and (event_type != "container_started" or bool(data.get("external")))
    return event_type == "container_drifted" and data.get("field") == field


def _told(new: NewEvent) -> str:
    return sentence(as_if_recorded(new, 0))


def _containers(situation: Situation, causes: _Causes) -> Iterator[Drift]:
    for name in sorted(situation.containers):
        for container in situation.containers[name]:
            for which, expected, actual, cause in differing(situation, container):
                told, since, recorded = causes.of(container, which) if not cause else (cause, 0, False)
                yield Drift(
                    f"service/{name}/{container.replica}",
                    which,
                    expected,
                    actual,
                    told,
                    since,
                    recorded,
                    situation.ignored(name, container.replica, which),
                )


def _crew(situation: Situation, store: Store, seen: Sequence[NewEvent]) -> Iterator[Drift]:
    for one in process_drifts(situation, store, {new.event_id.hex: new for new in seen}):
        yield Drift(one.resource, "state", "running", one.actual, one.cause, one.since, one.recorded, one.ignored)


def _shared(seen: Sequence[NewEvent]) -> Iterator[Drift]:
    for new in seen:
        kind, _, what = new.event_type.partition("_")
        if kind in ("network", "volume") and what == "vanished":
            yield Drift(f"{kind}/{new.data[kind]}", "state", "present", "missing", _told(new), new.occurred_at or 0)


def ignores(desired: Desired, store: Store, now: int) -> tuple[Ignore, ...]:
    """Every rule by which drift is left alone, those that have run out included."""
    found = [_of_file(one.resource, one.field, one.why, one.until, now) for one in desired.reconcile.ignore_drift]
    for _, row in store.rows().scan("drift_ignores"):
        until = row["until"]
        expired = until is not None and until <= now
        by = f"event by {row['actor']}" if row.get("actor") else "event"
        found.append(Ignore(row["resource"], row["field"], row.get("why") or "", until, by, expired))
    return tuple(found)


def _of_file(resource: str, which: str, why: str, until: str, now: int) -> Ignore:
    ends = unix_ms(until)
    return Ignore(resource, which, why, ends, "file", ends is not None and ends <= now)

"""A look: the file, the log and the world, and the difference between them. It has no side effect at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec.structs import replace

from reconciler.apply.observe import observations, shared_observations
from reconciler.control.differing import newly_hidden
from reconciler.control.freeze import Frozen, frozen_by
from reconciler.control.held import hold_back
from reconciler.control.reading import Reading, now_ms, read_file
from reconciler.errors import NotFound, RuntimeUnreachable, ToolMissing
from reconciler.events.envelope import NewEvent
from reconciler.plan.diff import diff
from reconciler.plan.model import (
    CreateContainer,
    Plan,
    PlanOptions,
    ReplaceContainer,
    StartContainer,
)
from reconciler.projections.fold import as_if_recorded, fold
from reconciler.projections.projected import Projected, ProjectedContainer, RevisionHead, project
from reconciler.projections.rows import MemoryRows, Rows
from reconciler.runtime.absent import absent
from reconciler.runtime.model import ContainerRuntime, Observed, ObservedContainer

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.spec.desired import Desired

T = TypeVar("T")
ReadFile = Callable[["Session", Rows | None, RevisionHead], Reading]

_ANYTHING = PlanOptions()
_ASKERS = 4
# The exit code of a process that was killed.
_KILLED = 137


@dataclass(frozen=True, slots=True)
class Look:
    """What one look showed.

    Attributes:
        desired: what is wanted now; a definition that was taken back is replaced by the last good one.
        projected: what the log says, with what was just seen folded in.
        observations: what was just seen and is not in the log.
        requests: what a person asks for in the same breath, folded in as well.
        reading: the file, and whether it is news.
        frozen: the freeze window that holds now; an edited file is not taken up while there is one.
        recorded: what the log says without what was just seen.
        images: what the references in the file point to on this machine.
    """

    desired: Desired
    projected: Projected
    plan: Plan
    observed: Observed
    observations: tuple[NewEvent, ...]
    requests: tuple[NewEvent, ...]
    reading: Reading
    frozen: Frozen | None = None
    recorded: Projected = field(default_factory=Projected)
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Nothing to do and nothing to record."""
        return self.plan.empty and not self.observations and not self.requests and not self.reading.changed


def look(
    session: Session,
    options: PlanOptions = _ANYTHING,
    *,
    requests: Sequence[NewEvent] = (),
    read: ReadFile = read_file,
) -> Look:
    """Read the file, the log and the world, and compute the difference. Read-only: not a byte, not a container changes.

    Args:
        options: what narrows the plan; `images` and `now_ms` are filled in here.
        requests: events that a person asks for and that are not recorded yet.
        read: how the file is read, for who has something to put in the place of one that is wrong.

    Raises:
        SpecInvalid: the file is wrong.
        RuntimeUnreachable: the world cannot be read; what is unknown is never taken for absent.
        LogUnusable: the log cannot be read.
    """
    seeing = _Later(lambda: session.runtime.observe(session.project))
    store = session.store
    base = store.rows() if store is not None else None
    sequence = store.head() if store is not None else 0
    recorded = project(base, sequence=sequence) if base is not None else Projected()
    decided = after_revert(base, recorded.head, requests, sequence)
    reading = read(session, *decided)
    now = options.now_ms or now_ms()
    listed = _listed(seeing, needed=needs_engine(reading.desired, recorded))
    runtime = engine_of(session, reading.desired, recorded)
    images = local_images(runtime, reading.desired)
    observed = with_unlisted(listed, recorded, runtime)
    options = replace(options, images=images, now_ms=now)

    events = observations(recorded, observed, now_ms=now)
    events += processes_seen(session, reading.desired, recorded, now)
    told = [*events, *requests]
    rows = folded(base, told, sequence)
    projected = project(rows, sequence=sequence) if told else recorded
    desired, notices = hold_back(reading.desired, projected)
    notices = (*reading.notices, *notices)
    plan = diff(desired, projected, options)
    if _makes_containers(plan):
        gone = shared_gone(desired, projected, runtime, now)
        if gone:
            events += gone
            projected = project(folded(rows, gone, sequence + len(told)), sequence=sequence)
            plan = diff(desired, projected, options)
    events += newly_hidden(desired, projected, options)
    if notices:
        plan = replace(plan, warnings=(*plan.warnings, *notices))
    return Look(
        desired=desired,
        projected=projected,
        plan=plan,
        observed=observed,
        observations=tuple(events),
        requests=tuple(requests),
        reading=reading,
        frozen=frozen_by(reading, base, recorded.head, now),
        recorded=recorded,
        images=images,
    )


def needs_engine(desired: Desired, recorded: Projected) -> bool:
    """Whether anything of this fleet is, or is to be, in a container engine."""
    return bool(desired.services or recorded.services or recorded.containers or recorded.networks or recorded.volumes)


def engine_of(session: Session, desired: Desired, recorded: Projected) -> ContainerRuntime:
    """The container engine; one that refuses everything where there is none and the fleet needs none.

    Raises:
        ToolMissing, RuntimeUnreachable: there is none, and the fleet needs one.
    """
    try:
        return session.runtime
    except (ToolMissing, RuntimeUnreachable) as error:
        if needs_engine(desired, recorded):
            raise
        return absent(error)


def _listed(seeing: _Later[Observed], *, needed: bool) -> Observed:
    try:
        return seeing.result()
    except (ToolMissing, RuntimeUnreachable):
        if needed:
            raise
        return Observed(())


def processes_seen(session: Session, desired: Desired | None, recorded: Projected, now: int) -> list[NewEvent]:
    """What became of specialists' processes, as events; a fleet without specialists costs no look.

    Raises:
        RuntimeUnreachable: the processes cannot be read; what is unknown is never taken for absent.
    """
    if not recorded.pools and not (desired is not None and desired.specialists):
        return []
    from reconciler.apply.observe_processes import process_observations

    return process_observations(recorded, session.processes.observe(session.project), now_ms=now)


def after_revert(
    base: Rows | None, head: RevisionHead, requests: Sequence[NewEvent], sequence: int
) -> tuple[Rows | None, RevisionHead]:
    """The rows and the head that the file is read against: a revision that is about to be taken back counts as such."""
    reverting = [one for one in requests if one.event_type == "revision_reverted"]
    if not reverting:
        return base, head
    rows = folded(base, reverting, sequence)
    return rows, project(rows, sequence=sequence).head


def folded(base: Rows | None, events: Iterable[NewEvent], sequence: int) -> MemoryRows:
    """The rows as they would be after these events; `base` is left as it is.

    Args:
        sequence: the log's head, after which the events are numbered.
    """
    rows = MemoryRows(base)
    for number, new in enumerate(events, start=sequence + 1):
        fold(as_if_recorded(new, number), rows)
    return rows


def local_images(runtime: ContainerRuntime, desired: Desired) -> dict[str, str]:
    """What the references in the file point to on this machine; those that are not here are left out."""
    references = sorted({service.image for service in desired.services.values() if service.image})
    shares = [references[first::_ASKERS] for first in range(min(_ASKERS, len(references)))]
    answers = [_Later(partial(_image_ids, runtime, share)) for share in shares[1:]]
    found = _image_ids(runtime, shares[0]) if shares else {}
    for answer in answers:
        found.update(answer.result())
    return found


def _image_ids(runtime: ContainerRuntime, references: Sequence[str]) -> dict[str, str]:
    asked = ((reference, runtime.image_id(reference)) for reference in references)
    return {reference: image_id for reference, image_id in asked if image_id}


def with_unlisted(observed: Observed, projected: Projected, runtime: ContainerRuntime) -> Observed:
    """The look completed by containers that the log knows and the list does not show, each asked for by its id.

    Adopted containers carry no labels, and an engine may leave out one that is just changing its state: only what is
    not there when asked for is gone.
    """
    seen = {container.container_id: container for container in observed.containers}
    told = dict(seen)
    for known in projected.all_containers():
        listed = seen.get(known.container_id)
        if (listed is None and known.state != "missing") or _killed(known, listed):
            try:
                told[known.container_id] = runtime.inspect(known.container_id).container
            except NotFound:
                continue
    return Observed(tuple(told.values())) if told != seen else observed


def _killed(known: ProjectedContainer, listed: ObservedContainer | None) -> bool:
    """Whether this one was killed since the log was written; that it ran out of memory, the list does not tell."""
    return listed is not None and (known.state, listed.state, listed.exit_code) == ("running", "exited", _KILLED)


def _makes_containers(plan: Plan) -> bool:
    return any(isinstance(action, CreateContainer | ReplaceContainer | StartContainer) for action in plan.actions)


def shared_gone(desired: Desired, projected: Projected, runtime: ContainerRuntime, now: int) -> list[NewEvent]:
    """Networks and volumes that the log says were made and that are gone, as events.

    One that was there before Fleet carries no label and is asked for by its name.
    """
    if not projected.networks and not projected.volumes:
        return []
    networks = set(runtime.networks(desired.project)) if projected.networks else set()
    volumes = set(runtime.volumes(desired.project)) if projected.volumes else set()
    networks |= {name for name in projected.networks.values() if name not in networks and runtime.network_exists(name)}
    volumes |= {name for name in projected.volumes.values() if name not in volumes and runtime.volume_exists(name)}
    return shared_observations(projected, fleet=desired.name, networks=networks, volumes=volumes, now_ms=now)


class _Later(Generic[T]):
    """An answer that is fetched by another thread meanwhile."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer.append(self._ask())
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answer[0]

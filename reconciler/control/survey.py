"""The survey: the file, the log and the world as far as each can be read, for people who want to know.

Unlike the cycle, a survey goes on when one of the three cannot be read: it says so and calls that side unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from reconciler.control.held import hold_back
from reconciler.control.reading import read_file
from reconciler.errors import FleetError, LogUnusable, NotFound, SpecInvalid
from reconciler.ops.work_view import MissionView, latest_runs
from reconciler.projections.fleet import revision_key
from reconciler.projections.projected import Projected, project
from reconciler.runtime.model import Observed
from reconciler.runtime.process.model import ObservedProcesses
from reconciler.spec.desired import desired_from_document

if TYPE_CHECKING:
    from reconciler.control.remote.session import RemoteSession
    from reconciler.control.session import Session
    from reconciler.events.moment import Moment
    from reconciler.projections.rows import Row
    from reconciler.projections.store import Store
    from reconciler.spec.desired import Desired


@dataclass(frozen=True, slots=True)
class Survey:
    """What could be read.

    Attributes:
        desired: None when the file cannot be read or is wrong.
        observed: None when the runtime cannot be read.
        revision: the row of the revision that holds; None before the first.
        warnings: what could not be read, a sentence each.
        unusable: there is a log, and it cannot be read: what it says is unknown, not nothing.
        processes: None when the processes of this machine cannot be read.
        missions: the last run of each, those that were put away left out.
        past: this is how it was at `projected.sequence`; nobody looked at the world then, so nothing is observed.
    """

    desired: Desired | None
    projected: Projected
    observed: Observed | None
    revision: Row | None = None
    warnings: tuple[str, ...] = field(default=())
    unusable: bool = False
    past: bool = False
    missions: tuple[MissionView, ...] = ()
    processes: ObservedProcesses | None = None


def survey(session: Session) -> Survey:
    """Read all three; read-only.

    Raises:
        NotFound: when there is neither a fleet file nor a log.
        LogUnusable: when there is no fleet file and the log cannot be read.
    """
    if session.remote:
        from reconciler.control.remote.survey import remote_survey

        return remote_survey(cast("RemoteSession", session))
    warnings: list[str] = []
    store, unusable = _store(session, warnings)
    if store is None and not session.file.exists():
        if unusable is not None:
            raise unusable
        raise NotFound(f"there is no {session.file.name} here and nothing has been applied", hint="fleet init")
    projected = store.projected() if store is not None else Projected()
    revision = _revision(store, projected) if store is not None else None
    desired = _desired(session, store, projected, warnings)
    observed = _observed(session, projected, desired, warnings)
    processes = _processes(session, projected, desired, warnings)
    return Survey(
        desired,
        projected,
        observed,
        revision,
        tuple(warnings),
        unusable=unusable is not None,
        processes=processes,
        missions=latest_runs(store.rows()) if store is not None else (),
    )


def survey_at(session: Session, moment: Moment) -> Survey:
    """How it was: the revision that held and what the log said then.

    Raises:
        NotFound: when nothing had been recorded.
    """
    store = session.store
    if store is None:
        raise NotFound("nothing has been applied yet", hint="fleet apply")
    sequence = min(store.sequence_at(moment), store.head())
    rows = store.rows_at(sequence)
    projected = project(rows, sequence=sequence)
    revision = rows.get("revisions", revision_key(projected.head.revision))
    desired = desired_from_document(revision["document"]) if revision is not None else None
    return Survey(desired, projected, None, revision, past=True, missions=latest_runs(rows))


def _store(session: Session, warnings: list[str]) -> tuple[Store | None, LogUnusable | None]:
    try:
        return session.store, None
    except LogUnusable as error:
        warnings.append(f"the log cannot be read, so what was applied is unknown: {error} ({error.hint})")
        return None, error


def _revision(store: Store, projected: Projected) -> Row | None:
    return store.rows().get("revisions", revision_key(projected.head.revision))


def _desired(session: Session, store: Store | None, projected: Projected, warnings: list[str]) -> Desired | None:
    try:
        reading = read_file(session, store.rows() if store is not None else None, projected.head)
    except SpecInvalid as error:
        first, *others = error.problems
        more = f" (and {len(others)} more: fleet validate)" if others else ""
        warnings.append(f"the file is wrong, so what is desired is unknown: {first}{more}")
        return None
    except FleetError as error:
        warnings.append(f"the file cannot be read: {error}")
        return None
    desired, notices = hold_back(reading.desired, projected)
    warnings.extend(f"{notice.resource}: {notice.text}" for notice in (*reading.notices, *notices))
    return desired


def _processes(
    session: Session, projected: Projected, desired: Desired | None, warnings: list[str]
) -> ObservedProcesses | None:
    """Looked at where there are specialists only."""
    if not projected.pools and not (desired is not None and desired.specialists):
        return ObservedProcesses()
    try:
        return session.processes.observe(session.project)
    except FleetError as error:
        warnings.append(f"the processes cannot be read, so whether specialists run is unknown: {error}")
        return None


def _observed(session: Session, projected: Projected, desired: Desired | None, warnings: list[str]) -> Observed | None:
    try:
        observed = session.runtime.observe(session.project)
        seen = {container.container_id for container in observed.containers}
        if any(container.container_id not in seen for container in projected.all_containers()):
            from reconciler.control.look import with_unlisted

            observed = with_unlisted(observed, projected, session.runtime)
    except FleetError as error:
        if desired is not None and not desired.services and not projected.containers:
            # A fleet without services needs no Podman.
            return Observed(())
        warnings.append(f"Podman cannot be read, so what runs is unknown: {error}")
        return None
    return observed

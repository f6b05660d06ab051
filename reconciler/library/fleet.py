"""`Fleet`: one project for a program. Everything is opened when it is first used, and closed with the block.

What the command line does is what these methods do: the same look, the same plan, the same cycle, the same log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.control.project import Project, project_at
from reconciler.control.session import Session, open_session
from reconciler.errors import ConfirmationMissing, NotFound
from reconciler.library.progress import Progress, Steps, nobody

if TYPE_CHECKING:
    from types import TracebackType

    from reconciler.apply.model import ApplyResult
    from reconciler.control.cycle import Confirm
    from reconciler.control.drift import DriftReport
    from reconciler.control.survey import Survey
    from reconciler.events.envelope import Event, Source
    from reconciler.events.moment import Moment
    from reconciler.library.watching import Watching
    from reconciler.ops.history import Entry
    from reconciler.ops.status import ReplicaStatus
    from reconciler.ops.why import Story
    from reconciler.plan.model import Plan, PlanOptions
    from reconciler.projections.projected import Projected
    from reconciler.projections.store import EventQuery, Store
    from reconciler.runtime.model import ContainerRuntime
    from reconciler.spec.load import Loaded


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an apply.

    Attributes:
        plan: what was carried out; empty when there was nothing to do.
        result: None when no action was needed.
    """

    plan: Plan
    result: ApplyResult | None = None

    @property
    def succeeded(self) -> bool:
        """Everything was done, or nothing was to do."""
        return self.result is None or self.result.succeeded


class Fleet:
    """One project. A context manager; for one thread, as each thread may have its own.

    Args:
        project: a fleet file, a folder in or below which there is one, or a `Project` with everything that can be said.
        runtime: instead of the Podman that the environment names.
        environ: instead of this process's own environment.
        source: the door that the log names.
    """

    def __init__(
        self,
        project: Project | Path | str = ".",
        *,
        runtime: ContainerRuntime | None = None,
        environ: Mapping[str, str] | None = None,
        source: Source = "api",
    ) -> None:
        self.project = project if isinstance(project, Project) else project_at(Path(project))
        self._runtime = runtime
        self._environ = environ
        self._source = source
        self._session = self._open(source)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the log, if it was opened."""
        self._session.close()

    def load(self) -> Loaded:
        """Read the file: what it wants, with places and warnings. Nothing is touched.

        Raises:
            SpecInvalid: with every problem of every file.
        """
        from reconciler.spec.load import load

        session = self._session
        return load(session.file, project=session.directory, options=session.load_options())

    def plan(
        self,
        *,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        tags: Iterable[str] = (),
        skip_tags: Iterable[str] = (),
        at: str = "",
    ) -> Plan:
        """What an apply would do, and why. Nothing is touched.

        Args:
            targets: only these resources and what they need.
            at: against the fleet as it was then: a sequence number, a time, or `2 hours ago`.

        Raises:
            SpecInvalid: the file is wrong.
            RuntimeUnreachable: the world cannot be read.
        """
        options = _options(targets, exclude, tags, skip_tags)
        if at:
            from reconciler.control.past import plan_at

            return plan_at(self._session, _moment(at), options)
        from reconciler.control.look import look

        return look(self._session, options).plan

    def apply(
        self,
        *,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        tags: Iterable[str] = (),
        skip_tags: Iterable[str] = (),
        confirmed_by: str = "",
        max_destroy: int | None = None,
        wait: bool = True,
        timeout_s: float = 0.0,
        wait_lease_s: float = 0.0,
        progress: Progress = nobody,
    ) -> Applied:
        """Make the fleet what the file says; with nothing to do, nothing is recorded.

        Args:
            confirmed_by: who says yes to a plan that destroys containers, whatever it destroys.
            max_destroy: up to so many need no yes; `reconcile.max_destroy` of the file when left out.
            wait: until every service that was touched is ready.
            timeout_s, wait_lease_s: for the whole, and for another writer to end; 0 is without bound, and not at all.
            progress: is told each step.

        Raises:
            ConfirmationMissing: the plan destroys more than is allowed, and nobody said yes.
            LeaseHeld: another writer is at work.
            SpecInvalid: the file is wrong.
        """
        from reconciler.apply.model import ApplyOptions
        from reconciler.control.cycle import converge

        session = self._session
        session.renew_cause()
        options = _options(targets, exclude, tags, skip_tags)
        how = ApplyOptions(wait=wait, timeout_ms=round(timeout_s * 1000), targets=options.targets)
        done = converge(
            session,
            options=options,
            how=how,
            reporter=Steps(progress),
            confirm=_confirm(confirmed_by, max_destroy),
            wait_lease_ms=round(wait_lease_s * 1000),
        )
        return Applied(done.look.plan, done.result)

    def watch(
        self, *, interval_s: float = 0.0, detect_only: bool = False, polling: bool = False, progress: Progress = nobody
    ) -> Watching:
        """Keep the fleet what the file says, in a thread of its own, for as long as a `with` block lasts.

        Args:
            interval_s: between looks, instead of the file's `reconcile.interval`.
            detect_only: record and tell what others change, and do not put it right.
            polling: take no notices from the file system.
        """
        from reconciler.control.watch.loop import WatchOptions
        from reconciler.library.watching import Watching

        options = WatchOptions(round(interval_s * 1000), detect_only=detect_only, polling=polling)
        return Watching(self._open("watch"), progress, options)

    def survey(self, *, at: str = "") -> Survey:
        """The file, the log and the world, as far as each can be read; or as they were."""
        from reconciler.control.survey import survey, survey_at

        return survey_at(self._session, _moment(at)) if at else survey(self._session)

    def status(self, *, at: str = "") -> tuple[ReplicaStatus, ...]:
        """Every replica three times: as it is wanted, as the log has it, as it is."""
        from reconciler.control.reading import now_ms
        from reconciler.ops.status import replica_statuses

        found = self.survey(at=at)
        return replica_statuses(found.desired, found.projected, found.observed, now_ms=0 if at else now_ms())

    def read(self, *, at: str = "") -> Projected:
        """What the log says, as typed values: now, or as it was.

        Raises:
            NotFound: nothing has been recorded yet.
        """
        store = self._store()
        return store.projected(store.sequence_at(_moment(at)) if at else None)

    def events(self, query: EventQuery | None = None) -> Iterator[Event]:
        """The events that a query selects; all, oldest first, for none.

        Raises:
            NotFound: nothing has been recorded yet.
        """
        store = self._store()
        return store.events(query) if query is not None else store.events()

    def history(self) -> tuple[Entry, ...]:
        """Revisions of the file and applies, newest first."""
        from reconciler.ops.history import history

        store = self._session.store
        return history(store.rows(), writing=store.lease_holder() is not None) if store is not None else ()

    def why(self, resource: str) -> tuple[Story, ...]:
        """Why a resource is as it is, replica by replica.

        Raises:
            NotFound: the log knows nothing of it.
        """
        from reconciler.ops.why import why

        return why(self._store(), resource)

    def drift(self) -> DriftReport:
        """What the world changed against the log.

        Raises:
            NotFound: nothing has been applied yet.
            RuntimeUnreachable: the world cannot be read.
        """
        from reconciler.control.drift import drift

        return drift(self._session)

    def _open(self, source: Source) -> Session:
        return open_session(self.project, source=source, runtime=self._runtime, environ=self._environ)

    def _store(self) -> Store:
        store = self._session.store
        if store is None:
            raise NotFound("nothing has been applied yet", hint="fleet apply")
        return store


def _options(targets: Iterable[str], exclude: Iterable[str], tags: Iterable[str], skip: Iterable[str]) -> PlanOptions:
    from reconciler.plan.model import PlanOptions

    return PlanOptions(targets=tuple(targets), exclude=tuple(exclude), tags=tuple(tags), skip_tags=tuple(skip))


def _moment(text: str) -> Moment:
    from reconciler.control.reading import now_ms
    from reconciler.events.moment import parse_moment

    return parse_moment(text, now_ms=now_ms())


def _confirm(confirmed_by: str, max_destroy: int | None) -> Confirm:
    from reconciler.control.cycle import Confirmation, within_policy
    from reconciler.control.look import Look

    def confirm(seen: Look) -> Confirmation:
        if confirmed_by:
            return Confirmation(confirmed_by, "flag")
        if max_destroy is None:
            return within_policy(seen)
        if seen.plan.destroys > max_destroy:
            raise ConfirmationMissing(
                f"the plan destroys {seen.plan.destroys} containers, and {max_destroy} are allowed",
                hint="say who agrees: confirmed_by",
            )
        return Confirmation("max_destroy", "policy")

    return confirm

"""Specialists as they should be, as the log has them and as they run, replica by replica. Pure: values in, values out.

Beside the process stands what the specialist itself reports: whether it works, on what, and when it was last heard of.
Specialists that the file does not declare, and that registered themselves, are listed with that alone. What could not be
read is unknown and disagrees with nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.ids import replica_id
from reconciler.ops.status import ABSENT, UNKNOWN, suspension_text, suspensions
from reconciler.plan.naming import specialist_address
from reconciler.projections.pools import ProjectedPool, ProjectedProcess, ProjectedWorker
from reconciler.projections.projected import Projected
from reconciler.projections.rows import Rows
from reconciler.runtime.model import LABEL_DIGEST
from reconciler.runtime.process.model import ObservedProcess, ObservedProcesses
from reconciler.spec.desired import Desired
from reconciler.spec.roles import specialist_digest


@dataclass(frozen=True, slots=True)
class ProcessSide:
    """One of the three views of a replica's process.

    Attributes:
        state: running, paused, exited; stopped (desired only); absent; unknown.
        since: Unix ms of its last change, where known.
    """

    state: str
    digest: str = ""
    pid: int = 0
    process_id: str = ""
    exit_code: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a specialist says of itself; `status` is empty when it never has. Times are Unix ms."""

    specialist_id: str = ""
    status: str = ""
    current_sortie: str = ""
    draining: bool = False
    last_seen: int | None = None


@dataclass(frozen=True, slots=True)
class CrewStatus:
    """One replica, three times, with what it reports; `pool` is empty for one that the file never declared."""

    pool: str
    replica: int
    desired: ProcessSide
    projected: ProcessSide
    observed: ProcessSide
    report: Report = Report()
    log: str = ""
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`specialist/builder/1`; its own id for one without a pool."""
        if self.pool:
            return specialist_address(self.pool, self.replica)
        return f"specialist/{self.report.specialist_id}"

    @property
    def agrees(self) -> bool:
        """The sides that are known say the same."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything that a status is computed from."""

    desired: Desired | None
    projected: Projected
    observed: ObservedProcesses | None
    seen: Mapping[str, ObservedProcess] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    now_ms: int = 0


def crew_statuses(
    desired: Desired | None,
    projected: Projected,
    observed: ObservedProcesses | None,
    rows: Rows | None,
    *,
    now_ms: int = 0,
) -> tuple[CrewStatus, ...]:
    """Every replica that any of the three knows, by specialist and number; after them those that only report themselves.

    Args:
        desired: None when the file cannot be read.
        observed: None when the processes cannot be read.
        rows: where those that only report themselves are looked up; None leaves them out.
        now_ms: what has run out by then is not told any more.
    """
    specs = desired.specialists if desired is not None else {}
    seen = {one.process_id: one for one in observed.processes} if observed is not None else {}
    digests = {name: specialist_digest(spec) for name, spec in specs.items()}
    known = _Known(desired, projected, observed, seen, digests, now_ms)
    found = []
    for name in sorted(specs.keys() | projected.pools.keys()):
        pool = projected.pools.get(name)
        workers = pool.workers if pool is not None else {}
        for replica, process, second in _replicas(name, known):
            report = Report() if second or replica not in workers else _report(workers[replica])
            found.append(_status(name, replica, process, second, known, report))
    here = {replica_id(one.pool, one.replica) for one in found}
    return (*found, *(_undeclared(rows, here) if rows is not None else ()))


def _report(worker: ProjectedWorker) -> Report:
    current = worker.current_sortie or ""
    return Report(worker.specialist_id, worker.status, current, worker.draining, worker.last_seen)


def _undeclared(rows: Rows, here: Container[str]) -> Iterator[CrewStatus]:
    """Those that registered themselves and that the file does not declare, unless they have ended."""
    away = ProcessSide(UNKNOWN)
    for key, row in rows.scan("specialists"):
        if key not in here and row["status"] != "completed":
            report = Report(key, row["status"], row["current_sortie"] or "", bool(row["draining"]), row["last_seen"])
            yield CrewStatus("", 0, away, away, away, report)


def _replicas(name: str, known: _Known) -> Iterator[tuple[int, ProjectedProcess | None, bool]]:
    """Number, process, and whether it is a second one of its replica."""
    spec = known.desired.specialists.get(name) if known.desired is not None else None
    pool = known.projected.pools.get(name)
    wanted = spec.replicas if spec is not None else 0
    places: dict[int, list[ProjectedProcess]] = {number: [] for number in range(1, wanted + 1)}
    for process in pool.processes if pool is not None else ():
        if process.alive or process.replica <= wanted or known.desired is None:
            places.setdefault(process.replica, []).append(process)
    for number, processes in sorted(places.items()):
        alive = [one for one in processes if one.alive] or processes[-1:]
        yield number, alive[0] if alive else None, False
        for extra in alive[1:]:
            yield number, extra, True


def _status(
    name: str, replica: int, process: ProjectedProcess | None, second: bool, known: _Known, report: Report
) -> CrewStatus:
    pool = known.projected.pools.get(name)
    status = CrewStatus(
        name,
        replica,
        _desired_side(name, replica, second, pool, known),
        _projected_side(process),
        _observed_side(process, known),
        report,
        process.log if process is not None else "",
    )
    differences = tuple(_differences(status, process, second, pool, known))
    return replace(status, differences=differences, notes=tuple(_notes(status, pool, known)))


def _desired_side(name: str, replica: int, second: bool, pool: ProjectedPool | None, known: _Known) -> ProcessSide:
    if known.desired is None:
        return ProcessSide(UNKNOWN)
    spec = known.desired.specialists.get(name)
    if spec is None or replica > spec.replicas or second:
        return ProcessSide(ABSENT)
    down = pool is not None and pool.is_down(replica)
    return ProcessSide("stopped" if down else "running", known.digests[name])


def _projected_side(process: ProjectedProcess | None) -> ProcessSide:
    if process is None:
        return ProcessSide(ABSENT)
    return ProcessSide(
        process.state, process.digest, process.pid, process.process_id, process.exit_code, process.changed_at
    )


def _observed_side(process: ProjectedProcess | None, known: _Known) -> ProcessSide:
    if known.observed is None:
        return ProcessSide(UNKNOWN)
    seen = known.seen.get(process.process_id) if process is not None else None
    if seen is None:
        hidden = process is not None and process.pid in known.observed.unknown
        return ProcessSide(UNKNOWN if hidden else ABSENT)
    return ProcessSide(
        seen.state, seen.labels.get(LABEL_DIGEST, ""), seen.pid, seen.process_id, since=seen.started_ms or None
    )


def _differences(
    status: CrewStatus, process: ProjectedProcess | None, second: bool, pool: ProjectedPool | None, known: _Known
) -> Iterator[str]:
    wanted, projected, observed = status.desired, status.projected, status.observed
    if wanted.state == ABSENT and projected.state not in (ABSENT, "exited"):
        yield "a second process of this replica" if second else "no longer in the file"
    elif wanted.state == "running":
        yield from _unlike(process, wanted, pool, known.desired, status.pool)
    elif wanted.state == "stopped" and projected.state not in (ABSENT, "exited"):
        drains = pool is not None and pool.drains(status.replica)
        yield "finishes what it works on" if drains else "asked to stop, and still there"
    runs = projected.state in ("running", "paused")
    if observed.state == ABSENT and runs:
        yield "ended since the log was last written"
    elif observed.state in ("running", "paused") and observed.state != projected.state:
        yield f"{observed.state} since the log was last written"
    if status.report.status == "inactive" and wanted.state == "running" and runs:
        yield "not heard of any more"


def _unlike(
    process: ProjectedProcess | None,
    wanted: ProcessSide,
    pool: ProjectedPool | None,
    desired: Desired | None,
    name: str,
) -> Iterator[str]:
    if process is None:
        yield "not applied yet"
        return
    if process.digest != wanted.digest:
        yield "the file was edited since this process was started"
    elif pool is not None and desired is not None and pool.document and pool.definition != desired.specialists[name]:
        yield "settings in the file were edited"
    if process.state == "exited":
        code = f" with exit code {process.exit_code}" if process.exit_code is not None else ""
        yield f"ended{code}, and Fleet did not do it" if process.external else "stopped, not running"
    elif process.state == "paused":
        yield "paused, and Fleet did not do it"


def _notes(status: CrewStatus, pool: ProjectedPool | None, known: _Known) -> Iterator[str]:
    projected = known.projected
    whole, address = specialist_address(status.pool), status.address
    for suspension in suspensions(projected, known.now_ms):
        if suspension.resource in ("", whole, address):
            yield f"{'the fleet is ' if not suspension.resource else ''}{suspension_text(suspension)}"
    backoff = projected.backoffs.get(address)
    if backoff is not None and backoff.abandoned:
        yield f"given up after {backoff.failures} failures"
    elif backoff is not None:
        yield f"waits {backoff.delay_ms / 1000:g}s after {backoff.failures} failures"
    for intent in projected.intents.values():
        if intent.resource == whole and intent.replica in (None, status.replica):
            yield f"begun and not ended: {intent.action.replace('_', ' ')}"

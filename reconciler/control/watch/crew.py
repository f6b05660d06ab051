"""Back-off of specialists' processes: the curve of services, for what keeps ending by itself. Pure.

A failure is a process that ended without Fleet's doing after the failure that was counted last, so a watcher that was
away counts each one once.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reconciler.control.watch.backoff import Jitter, delay_ms
from reconciler.events.envelope import NewEvent
from reconciler.plan.naming import specialist_address
from reconciler.plan.reasons import counted
from reconciler.projections.pools import ProjectedPool, ProjectedProcess
from reconciler.projections.projected import Projected, ProjectedBackoff, put_back
from reconciler.spec.desired import Desired, SpecialistSpec


def decide(desired: Desired, projected: Projected, *, now_ms: int, jitter: Jitter) -> list[NewEvent]:
    """What is to be recorded about back-offs of specialists: failures that were not counted yet, and those forgotten.

    Args:
        projected: the log with what was just seen folded in.
        jitter: gives a number between 0 and 1 for each delay.
    """
    events = []
    for name, spec in sorted(desired.specialists.items()):
        pool = projected.pools.get(name)
        if pool is None or spec.restart.policy == "no":
            continue
        for process in _newest(pool):
            backoff = projected.backoffs.get(specialist_address(name, process.replica))
            if pool.is_down(process.replica):
                continue
            if process.alive:
                if backoff is not None and now_ms - process.started_at >= spec.restart.backoff.reset_after_ms:
                    events.append(_event(process, "specialist_backoff_reset", {}))
            elif _failed(spec, process) and not _counted(backoff, process, now_ms):
                events.append(_after_failure(spec, process, _failures(spec, backoff, process), jitter()))
    return events


def next_due_ms(projected: Projected, *, now_ms: int) -> int | None:
    """When the time of the first one is over that finishes what it works on before it goes; None when none does."""
    alive = (one for pool in projected.pools.values() for one in pool.processes if one.alive)
    ends = (one.drains_until for one in alive if one.drains_until is not None)
    return min((until for until in ends if until > now_ms), default=None)


def _newest(pool: ProjectedPool) -> list[ProjectedProcess]:
    """One process a replica: one that runs, else the one that ended last."""
    newest: dict[int, ProjectedProcess] = {}
    for process in sorted(pool.processes, key=lambda one: (one.alive, one.changed_at)):
        newest[process.replica] = process
    return [newest[replica] for replica in sorted(newest)]


def _failed(spec: SpecialistSpec, process: ProjectedProcess) -> bool:
    """What Fleet stopped itself is no failure, nor is a clean end where only failures are restarted."""
    return process.external and not (spec.restart.policy == "on-failure" and process.exit_code == 0)


def _counted(backoff: ProjectedBackoff | None, process: ProjectedProcess, now_ms: int) -> bool:
    """Whether this failure is the one that the back-off began with."""
    if backoff is None:
        return False
    if put_back(now_ms, backoff.began):
        return backoff.abandoned or process.changed_at == backoff.began
    return backoff.abandoned or process.changed_at <= backoff.began


def _failures(spec: SpecialistSpec, backoff: ProjectedBackoff | None, process: ProjectedProcess) -> int:
    """In a row, this one included; a long enough run before it ends the row."""
    ran = process.changed_at - process.started_at
    return 1 if backoff is None or ran >= spec.restart.backoff.reset_after_ms else backoff.failures + 1


def _after_failure(spec: SpecialistSpec, process: ProjectedProcess, failures: int, jitter: float) -> NewEvent:
    most = spec.restart.max_attempts
    if most and failures > most:
        code = "" if process.exit_code is None else f" with exit code {process.exit_code}"
        why = f"it ended{code}; {counted(most, 'restart')} did not help"
        return _event(process, "specialist_restart_abandoned", {"failures": failures, "why": why})
    delay = delay_ms(failures, spec.restart.backoff, jitter)
    data = {"failures": failures, "delay_ms": delay, "until": process.changed_at + delay}
    return _event(process, "specialist_backoff_started", data)


def _event(process: ProjectedProcess, event_type: str, data: dict[str, Any]) -> NewEvent:
    cause = UUID(process.cause_event) if process.cause_event else None
    named = {"pool": process.pool, "replica": process.replica, **data}
    return NewEvent(event_type, "specialist", process.pool, named, causation_id=cause)

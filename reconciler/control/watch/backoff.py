"""Back-off: how long a replica that keeps failing is left alone, and when its failures are forgotten. Pure.

The curve is Kubernetes': the first failure is put right at once, the second after `initial`, then doubling up to `max`;
after `reset_after` of running everything is forgotten. The state is the log's: a failure is a container that ended by
itself or became unhealthy after the failure that was counted last, so a watcher that was away counts each one once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from reconciler.events.envelope import NewEvent
from reconciler.ids import UUID
from reconciler.plan.reasons import counted
from reconciler.projections.projected import Projected, ProjectedBackoff, ProjectedContainer, put_back
from reconciler.spec.desired import Backoff, Desired, ServiceSpec

_MOST_DOUBLINGS = 30
# A tenth more or less, so that replicas which fail together do not come back together.
_JITTER = 0.1

Jitter = Callable[[], float]


def delay_ms(failures: int, curve: Backoff, jitter: float = 0.5) -> int:
    """How long to wait after this many failures in a row.

    Args:
        jitter: between 0 and 1; 0.5 is the curve itself.
    """
    if failures <= 1:
        return 0
    doubled = curve.initial_ms << min(failures - 2, _MOST_DOUBLINGS)
    return int(min(doubled, curve.max_ms) * (1 + _JITTER * (2 * jitter - 1)))


def decide(desired: Desired, projected: Projected, *, now_ms: int, jitter: Jitter) -> list[NewEvent]:
    """What is to be recorded about back-offs: failures that were not counted yet, and those that are forgotten.

    Args:
        projected: the log with what was just seen folded in.
        jitter: gives a number between 0 and 1 for each delay.
    """
    events = []
    for name in sorted(desired.services):
        spec = desired.services[name]
        for container in _supervised(spec, projected):
            backoff = projected.backoffs.get(container.key)
            if backoff is not None and _steady(spec, container, now_ms):
                events.append(_reset(container))
            elif _failed(spec, container) and not _counted(backoff, container, now_ms):
                events.append(after_failure(spec, container, backoff, _failures(spec, backoff, container), jitter()))
    return events


def next_due_ms(projected: Projected, *, now_ms: int) -> int | None:
    """When the first back-off that is under way ends; None when there is none."""
    under_way = (one for one in projected.backoffs.values() if not one.abandoned and one.holds(now_ms))
    return min((one.until for one in under_way if one.until is not None), default=None)


def after_failure(
    spec: ServiceSpec, container: ProjectedContainer, backoff: ProjectedBackoff | None, failures: int, jitter: float
) -> NewEvent:
    """The event for one more failure: a delay, or the end of trying."""
    data: dict[str, Any] = {"service": container.service, "replica": container.replica, "failures": failures}
    most = spec.restart.max_attempts
    if most and failures > most:
        return _event(
            container,
            "restart_abandoned",
            {**data, "why": f"{_what(container)}; {counted(most, 'restart')} did not help"},
        )
    delay = delay_ms(failures, spec.restart.backoff, jitter)
    return _event(container, "backoff_started", {**data, "delay_ms": delay, "until": container.changed_at + delay})


def _supervised(spec: ServiceSpec, projected: Projected) -> Iterable[ProjectedContainer]:
    """The replicas' own containers, where it is Fleet who restarts them."""
    known = projected.services.get(spec.name)
    if known is None or known.wanted == "down" or spec.restart.policy == "no":
        return ()
    if spec.restart.supervisor != "fleet":
        return ()
    return (one for one in projected.containers.get(spec.name, ()) if not one.second)


def _failed(spec: ServiceSpec, container: ProjectedContainer) -> bool:
    if container.state == "running":
        return container.health == "unhealthy"
    if container.state != "exited":
        return False
    if spec.kind == "job":
        return container.completed_digest is None and container.exit_code not in (0, None)
    # What Fleet stopped itself is no failure, nor is a clean end where only failures are restarted.
    return container.external and not (spec.restart.policy == "on-failure" and container.exit_code == 0)


def _counted(backoff: ProjectedBackoff | None, container: ProjectedContainer, now_ms: int) -> bool:
    """Whether this failure is the one that the back-off began with."""
    if backoff is None:
        return False
    if put_back(now_ms, backoff.began):
        # A later failure has an earlier time, so only the very one that was counted is known.
        return backoff.abandoned or container.changed_at == backoff.began
    return backoff.abandoned or container.changed_at <= backoff.began


def _failures(spec: ServiceSpec, backoff: ProjectedBackoff | None, container: ProjectedContainer) -> int:
    """In a row, this one included; a long enough run before it ends the row."""
    ran = container.changed_at - container.started_at if container.started_at is not None else 0
    if backoff is None or ran >= spec.restart.backoff.reset_after_ms:
        return 1
    return backoff.failures + 1


def _steady(spec: ServiceSpec, container: ProjectedContainer, now_ms: int) -> bool:
    """Whether it has run without a failure for long enough."""
    if container.state != "running" or container.health == "unhealthy" or container.started_at is None:
        return False
    return now_ms - container.started_at >= spec.restart.backoff.reset_after_ms


def _reset(container: ProjectedContainer) -> NewEvent:
    return _event(container, "backoff_reset", {"service": container.service, "replica": container.replica})


def _what(container: ProjectedContainer) -> str:
    if container.state == "running":
        return "it is unhealthy"
    return "it ended" if container.exit_code is None else f"it ended with exit code {container.exit_code}"


def _event(container: ProjectedContainer, event_type: str, data: dict[str, Any]) -> NewEvent:
    cause = UUID(container.cause_event) if container.cause_event else None
    return NewEvent(event_type, "service", container.service, data, causation_id=cause)

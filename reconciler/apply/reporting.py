"""Waiting for specialists that were started: until each has reported itself, or its process has ended again."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.apply.means import Means
from reconciler.apply.readiness import passed_ms
from reconciler.errors import ActionFailed

READY_MS = 60_000
_LOOK_AGAIN_MS = 100

Replica = tuple[str, int]


def not_at_work(means: Means, within_ms: int, stop: Callable[[], bool] = lambda: False) -> dict[str, str]:
    """The replicas started in this apply that did not come to work, by address, with words about each.

    Args:
        within_ms: how long to wait at most.
        stop: ends the waiting; those that are waited for then count as at work.
    """
    return _lost(means, list(means.at_work()), within_ms, stop)


def must_report(means: Means, pool: str, replica: int) -> None:
    """Wait until one that was just started has reported itself.

    Raises:
        ActionFailed: it does not.
    """
    for why in _lost(means, [(pool, replica)], READY_MS, lambda: False).values():
        raise ActionFailed(why)


def _lost(means: Means, replicas: list[Replica], within_ms: int, stop: Callable[[], bool]) -> dict[str, str]:
    lost: dict[str, str] = {}
    until = passed_ms() + within_ms
    while replicas and not stop():
        found = _verdicts(means, replicas)
        if passed_ms() >= until:
            late = "it has not reported itself"
            found = {one: why if why is not None else late for one, why in found.items()}
        for (pool, replica), why in found.items():
            if why:
                lost[f"specialist/{pool}/{replica}"] = f"{why}; see: fleet specialists logs {pool}/{replica}"
        replicas = [one for one, why in found.items() if why is None]
        if replicas:
            means.halt.sleep(_LOOK_AGAIN_MS)
    return lost


def _verdicts(means: Means, replicas: list[Replica]) -> dict[Replica, str | None]:
    """Words about each that will not come to work; empty for one that has, None for one that still may."""
    there = means.processes.observe(means.desired.project)
    alive = {one.process_id for one in there.processes}
    started, found = means.at_work(), dict[Replica, str | None]()
    for pool, replica in replicas:
        process, began = started[pool, replica]
        if means.crew.reported_since(pool, replica, began):
            found[pool, replica] = ""
        elif process.process_id in alive or process.pid in there.unknown:
            found[pool, replica] = None
        else:
            code = there.exit_codes.get(process.process_id)
            found[pool, replica] = "its process ended" + (f" with exit code {code}" if code is not None else "")
    return found

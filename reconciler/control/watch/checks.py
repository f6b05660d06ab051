"""Health checks on their own schedule. Nothing runs them for us where there is no systemd, and nothing else may.

Each container's check is run at its own interval, in threads. The engine keeps the verdict and the next look finds it, so
nothing is recorded here; a verdict that is news rings the bell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from reconciler.apply.readiness import checked
from reconciler.control.watch.wake import Bell
from reconciler.errors import FleetError
from reconciler.projections.projected import Projected, ProjectedContainer
from reconciler.runtime.model import ContainerRuntime
from reconciler.spec.desired import Desired, HealthCheck

_THREADS = 4
_FIRST_CHECK_MS = 1_000
_LONGEST_WAIT = 3_600.0
_VERDICTS = frozenset({"healthy", "unhealthy"})


@dataclass(slots=True)
class _Check:
    """One container's check. `longest_ms` is the longest that it is ever waited for."""

    interval_ms: int
    longest_ms: int
    due_ms: int
    health: str
    running: bool = False


class Schedule:
    """When which container's check is due. Times are passed in; used by one thread at a time."""

    def __init__(self) -> None:
        self._checks: dict[str, _Check] = {}

    def set(self, desired: Desired, projected: Projected, now_ms: int) -> None:
        """What is to be checked from now on: every container that runs and whose service has a check."""
        wanted: dict[str, _Check] = {}
        for name, spec in desired.services.items():
            check = checked(spec)
            if check is None:
                continue
            for container in projected.containers.get(name, ()):
                if container.state != "running":
                    continue
                first = _first_due_ms(container, check, now_ms)
                longest = check.start_period_ms + check.interval_ms + _FIRST_CHECK_MS
                new = _Check(check.interval_ms, longest, first, container.health)
                found = self._checks.get(container.container_id) or new
                if container.health not in _VERDICTS and found.health in _VERDICTS:
                    found.due_ms = first
                found.interval_ms, found.longest_ms, found.health = check.interval_ms, longest, container.health
                wanted[container.container_id] = found
        self._checks = wanted

    def take_due(self, now_ms: int) -> list[str]:
        """Containers whose check is due; each is under way until `done`. Further off than ever: the clock was put back."""
        due = [
            name
            for name, check in self._checks.items()
            if not check.running and not now_ms < check.due_ms <= now_ms + check.longest_ms
        ]
        for name in due:
            self._checks[name].running = True
        return due

    def done(self, container_id: str, now_ms: int, health: str) -> bool:
        """A check has ended; whether its verdict is news. An empty one says nothing."""
        check = self._checks.get(container_id)
        if check is None:
            return False
        check.running, check.due_ms = False, now_ms + check.interval_ms
        return health in _VERDICTS and health != check.health

    def next_due_ms(self) -> int | None:
        """When the next check is due; None when there is none."""
        return min((check.due_ms for check in self._checks.values() if not check.running), default=None)


def _first_due_ms(container: ProjectedContainer, check: HealthCheck, now_ms: int) -> int:
    """When a container is checked first.

    One whose health is known has a turn somewhere in the interval, so that a whole fleet is not asked at one moment. One
    that was just started gets its time first: an engine of version 4 goes on counting the failures of before a restart.
    """
    if container.health in _VERDICTS:
        turn = sum(container.container_id.encode()) * 7919 % 1000
        return now_ms + turn * check.interval_ms // 1000
    started = min(container.started_at or now_ms, now_ms)
    ready = started + check.start_period_ms + check.interval_ms
    return max(ready, now_ms + min(_FIRST_CHECK_MS, check.interval_ms))


class HealthChecks:
    """Runs what is due. Begin with `start`, end with `stop`; `set` may be called at any time."""

    def __init__(self, bell: Bell, runtime: Callable[[], ContainerRuntime], clock: Callable[[], int]) -> None:
        self._bell = bell
        self._runtime = runtime
        self._clock = clock
        self._schedule = Schedule()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="fleet-health", daemon=True)
        self._threads = ThreadPoolExecutor(_THREADS, "fleet-check")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def set(self, desired: Desired, projected: Projected) -> None:
        """What is to be checked from now on."""
        with self._changed:
            self._schedule.set(desired, projected, self._clock())
            self._changed.notify_all()

    def stop(self) -> None:
        """Begin no more checks, and wait for those under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._threads.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                self._begin(self._schedule.take_due(self._clock()))
                due = self._schedule.next_due_ms()
                seconds = (due - self._clock()) / 1000 if due is not None else _LONGEST_WAIT
                self._changed.wait(max(0.0, seconds))

    def _begin(self, containers: Iterable[str]) -> None:
        for container in containers:
            self._threads.submit(self._check, container)

    def _check(self, container: str) -> None:
        try:
            health: str = self._runtime().run_healthcheck(container)
        except FleetError:
            # Not running, gone, or the engine does not answer: nothing is known, and the look says what is.
            health = ""
        with self._changed:
            news = self._schedule.done(container, self._clock(), health)
            self._changed.notify_all()
        if news:
            self._bell.ring("health")

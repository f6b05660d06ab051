"""Readiness: what a service must show before those that wait for it go on.

Nothing but Fleet may run a container's health check, so Fleet does, quickly at first. A check that fails is given the
time that its own schedule allows (`start_period`, then `retries` times `interval`) before the service counts as
unhealthy. A container that ends while it is waited for is not waited for any longer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.apply.means import Halt, Means, Running
from reconciler.errors import ActionFailed, NotFound
from reconciler.events.envelope import NewEvent
from reconciler.runtime.model import Health
from reconciler.spec.desired import Gate, HealthCheck, ServiceSpec
from reconciler.units import format_duration

_FIRST_PAUSE_MS = 100
_LONGEST_PAUSE_MS = 2_000
# Without a health check, a container that still runs after this time is taken to work.
STEADY_MS = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wait` means: ask again. `detail` is for people."""

    state: Literal["open", "failed", "wait"]
    detail: str = ""


_OPEN = Verdict("open")


def now_ms() -> int:
    """The clock, in Unix ms, for what is recorded."""
    return time.time_ns() // 1_000_000


def passed_ms() -> int:
    """Milliseconds that have passed since some moment: unlike the clock, nobody can set it."""
    return time.monotonic_ns() // 1_000_000


def checked(spec: ServiceSpec) -> HealthCheck | None:
    """The health check that is in force, None when there is none."""
    check = spec.healthcheck
    return check if check is not None and check.test[:1] != ("NONE",) else None


def own_gate(spec: ServiceSpec) -> Gate:
    """What it means for this service to be ready."""
    if spec.kind == "job":
        return "completed"
    return "healthy" if checked(spec) is not None else "started"


class Wait:
    """One wait for a service. Its steps are taken one at a time, from any thread.

    Args:
        replica: only this one; 0 for all that there are.
        steady_ms: how long a container without a health check must have run.
    """

    def __init__(self, means: Means, service: str, gate: Gate, *, replica: int = 0, steady_ms: int = 0) -> None:
        self.service = service
        self.gate = gate
        self._means = means
        self._replica = replica
        self._steady_ms = steady_ms
        self._ready: set[str] = set()
        self._since = passed_ms()
        self._steps = 0

    @property
    def pause_ms(self) -> int:
        """How long to wait before the next step: short at first, never longer than the check's own interval."""
        check = checked(self._means.service(self.service))
        longest = min(_LONGEST_PAUSE_MS, check.interval_ms) if check is not None else _LONGEST_PAUSE_MS
        doubled = _FIRST_PAUSE_MS << min(max(self._steps - 1, 0), 10)
        return max(1, min(longest, doubled))

    def step(self) -> Verdict:
        """Look once.

        Raises:
            RuntimeUnreachable: nobody knows.
        """
        self._steps += 1
        replicas = self._means.replicas(self.service)
        if self._replica:
            replicas = {number: one for number, one in replicas.items() if number == self._replica}
        if not replicas:
            return Verdict("failed", f"service/{self.service} does not run")
        waiting = Verdict("open")
        for replica, running in replicas.items():
            if running.container_id in self._ready:
                continue
            verdict = self._look(replica, running)
            if verdict.state == "failed":
                return verdict
            if verdict.state == "open":
                self._ready.add(running.container_id)
            else:
                waiting = verdict
        return waiting

    def _look(self, replica: int, running: Running) -> Verdict:
        match self.gate:
            case "started":
                return self._started(replica, running)
            case "healthy":
                return self._healthy(replica, running)
            case "completed":
                return self._completed(replica, running)

    def _started(self, replica: int, running: Running) -> Verdict:
        if not self._steady_ms:
            return _OPEN
        over = self._over(replica, running)
        if over is not None:
            return over
        return _OPEN if passed_ms() - self._start(running) >= self._steady_ms else Verdict("wait", "running")

    def _healthy(self, replica: int, running: Running) -> Verdict:
        check = checked(self._means.made_from(self.service, running))
        if check is None:
            return self._started(replica, running)
        try:
            health: Health = self._means.runtime.run_healthcheck(running.container_id)
            said: str = health or "starting"
        except NotFound:
            return Verdict("failed", f"container {running.name} is gone")
        except ActionFailed as error:
            health, said = "starting", self._means.mask(error.what)
        if health == "healthy":
            self._tell(replica, running, "healthy")
            return Verdict("open", "healthy")
        over = self._over(replica, running)
        if over is not None:
            return over
        patience = check.start_period_ms + check.retries * check.interval_ms + check.timeout_ms
        if passed_ms() - self._start(running) <= patience:
            return Verdict("wait", said)
        self._tell(replica, running, "unhealthy")
        return Verdict(
            "failed",
            f"container {running.name} did not become healthy in {format_duration(patience)}; "
            f"see: fleet services logs {self.service}",
        )

    def _completed(self, replica: int, running: Running) -> Verdict:
        if self._means.made_from(self.service, running).kind != "job":
            return Verdict("failed", f"container {running.name} is no job and will not be completed")
        known = self._means.recorded(running.container_id)
        if known is not None and known.completed_digest == running.digest and not running.started_ms:
            return _OPEN
        try:
            container = self._means.runtime.inspect(running.container_id).container
        except NotFound:
            return Verdict("failed", f"container {running.name} is gone")
        if container.state not in ("exited", "created"):
            return Verdict("wait", "running")
        code = container.exit_code or 0
        if container.state == "created":
            return Verdict("failed", f"the job {self.service} was not started")
        if known is None or known.state != "exited" or running.started_ms:
            end = {"exit_code": code, "digest": running.digest}
            self._record(replica, running, "job_completed", end, once="ended")
        if code:
            return Verdict(
                "failed", f"the job {self.service} ended with exit code {code}; see: fleet services logs {self.service}"
            )
        return Verdict("open", "completed")

    def _over(self, replica: int, running: Running) -> Verdict | None:
        """A failure, when the container does not run any more."""
        try:
            container = self._means.runtime.inspect(running.container_id).container
        except NotFound:
            return Verdict("failed", f"container {running.name} is gone")
        if container.state != "exited":
            return None
        code = container.exit_code or 0
        end = {"exit_code": code, "oom_killed": container.oom_killed}
        self._record(replica, running, "container_exited", end, once="ended")
        return Verdict(
            "failed",
            f"container {running.name} ended with exit code {code}"
            + (" for want of memory" if container.oom_killed else "")
            + f"; see: fleet services logs {self.service}",
        )

    def _start(self, running: Running) -> int:
        return running.started_ms or self._since

    def _tell(self, replica: int, running: Running, health: Literal["healthy", "unhealthy"]) -> None:
        known = self._means.recorded(running.container_id)
        before = known.health if known is not None and not running.started_ms else ""
        if before != health:
            change = {"health": health, **({"previous": before} if before else {})}
            self._record(replica, running, "container_health_changed", change, once=health)

    def _record(self, replica: int, running: Running, event_type: str, more: Mapping[str, Any], *, once: str) -> None:
        if not self._means.first_to_tell(running.container_id, once):
            return
        data = {"service": self.service, "replica": replica, "container_id": running.container_id, **more}
        cause = running.last_event.event_id if running.last_event is not None else None
        self._means.journal.record(NewEvent(event_type, "service", self.service, data, causation_id=cause))


def wait_until_ready(wait: Wait, halt: Halt) -> Verdict:
    """Take steps until the wait is over.

    Raises:
        FleetError: why everything has to end, when it has to before that.
    """
    while True:
        verdict = wait.step()
        if verdict.state != "wait":
            return verdict
        halt.sleep(wait.pause_ms)

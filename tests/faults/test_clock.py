"""The clock jumps, or the machine sleeps: applies, back-offs, checks and the order of events do not suffer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.events.moment import Moment
from reconciler.ops.verify import verify
from reconciler.projections.store import open_store
from reconciler.spec.desired import Backoff, HealthCheck, Restart, ServiceSpec, Update
from tests.support.events import ADA, note
from tests.support.simulated import SimulatedRuntime
from tests.unit.apply.memory import Fleet, service
from tests.unit.control.watch.clockwork import MINUTE, SECOND, Clockwork

HOUR = 3_600_000
SLOW = HealthCheck(test=("CMD", "true"), interval_ms=20, timeout_ms=1_000, retries=30)
JUMPS = pytest.mark.parametrize("jump_ms", [HOUR, -HOUR], ids=["forwards", "backwards"])


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Sets the machine's clock, not the time that passes."""
    real, ahead = time.time_ns, [0]

    def set_clock(milliseconds: int) -> None:
        ahead[0] = milliseconds * 1_000_000

    monkeypatch.setattr(time, "time_ns", lambda: real() + ahead[0])
    monkeypatch.setattr(time, "time", lambda: (real() + ahead[0]) / 1e9)
    yield set_clock


class _Jumping(SimulatedRuntime):
    """An engine beside which the clock is set as soon as two checks were run; a container is healthy at its third."""

    def __init__(self, jump: Callable[[], None]) -> None:
        super().__init__()
        self.checked: Counter[str] = Counter()
        self._jump = jump

    def run_healthcheck(self, container: str) -> Any:
        self.checked[container] += 1
        if self.checked.total() == 2:
            self._jump()
        self.checks[self._there(container).name] = self.checked[container] > 2
        return super().run_healthcheck(container)


def _fleet(jump: Callable[[], None], *services: ServiceSpec) -> Fleet:
    fleet = Fleet()
    fleet.runtime = _Jumping(jump)
    fleet.want(*services)
    return fleet


@JUMPS
@pytest.mark.timeout(60)
def test_who_waits_for_health_waits_as_long_as_before(jump: Callable[[int], None], jump_ms: int) -> None:
    both = [service("db", healthcheck=SLOW), service("cache", healthcheck=SLOW)]
    fleet = _fleet(lambda: jump(jump_ms), *both, service("web", depends_on={"db": "healthy", "cache": "healthy"}))
    result = fleet.apply(timeout_ms=30_000, parallel=1)
    assert result.succeeded, result.failures
    assert fleet.states()["shop-web-1"] == "running"


@JUMPS
@pytest.mark.timeout(60)
def test_a_definition_on_trial_is_not_taken_back_by_a_clock(jump: Callable[[int], None], jump_ms: int) -> None:
    on_trial = Update(order="start-first", auto_revert=True)
    fleet = _fleet(lambda: jump(jump_ms), service("web", healthcheck=SLOW, update=on_trial))
    fleet.apply()
    jump(0)
    fleet.runtime.checked.clear()  # type: ignore[attr-defined]
    fleet.want(service("web", healthcheck=SLOW, update=on_trial, command=("serve", "2")))
    result = fleet.apply()
    assert (result.succeeded, result.reverted) == (True, ()), result.failures

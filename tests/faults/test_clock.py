"""The clock jumps, or the machine sleeps: applies, back-offs, checks and the order of events do not suffer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.model import ApplyResult, Failure
from reconciler.apply.observe import observations
from reconciler.control.watch import backoff
from reconciler.control.watch.checks import Schedule
from reconciler.control.watch.retry import Retry
from reconciler.errors import LeaseLost
from reconciler.events.moment import Moment
from reconciler.ops.verify import verify
from reconciler.plan.diff import diff
from reconciler.plan.model import PlanOptions
from reconciler.projections.store import open_store
from reconciler.runtime.model import Observed, ObservedContainer
from reconciler.spec.desired import Backoff, HealthCheck, Restart, ServiceSpec, Update
from tests.support.events import ADA, note
from tests.support.simulated import SimulatedRuntime
from tests.unit.apply.memory import Fleet, service
from tests.unit.control.watch.clockwork import MINUTE, SECOND, Clockwork

HOUR = 3_600_000
SLOW = HealthCheck(test=("CMD", "true"), interval_ms=20, timeout_ms=1_000, retries=30)
JUMPS = pytest.mark.parametrize("jump_ms", [HOUR, -HOUR], ids=["forwards", "backwards"])


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the machine's clock, not the time that passes."""
    real, ahead = time.time_ns, [0]

    def set_clock(milliseconds: int) -> None:
        ahead[0] = milliseconds * 1_000_000

    monkeypatch.setattr(time, "time_ns", lambda: real() + ahead[0])
    monkeypatch.setattr(time, "time", lambda: (real() + ahead[0]) / 1e9)
    return set_clock


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


def _crash(clockwork: Clockwork) -> None:
    clockwork.crashes()
    clockwork.decides()


def _restart(clockwork: Clockwork) -> None:
    assert clockwork.plan() != []
    clockwork.happens("container_started")


def test_a_clock_that_is_put_back_leaves_no_replica_alone_for_an_hour() -> None:
    clockwork = Clockwork(restart=Restart(backoff=Backoff(initial_ms=10 * SECOND, max_ms=5 * MINUTE)))
    _crash(clockwork)
    _restart(clockwork)
    clockwork.passes(SECOND)
    _crash(clockwork)
    assert clockwork.plan() == []
    clockwork.passes(-HOUR)
    assert backoff.next_due_ms(clockwork.projected, now_ms=clockwork.now) is None
    _restart(clockwork)
    clockwork.passes(SECOND)
    _crash(clockwork)
    assert clockwork.backoff is not None
    assert (clockwork.backoff.failures, clockwork.backoff.until) == (3, clockwork.now + 20 * SECOND)
    assert clockwork.plan() == []
    clockwork.passes(20 * SECOND)
    _restart(clockwork)


def test_a_failure_is_counted_once_however_the_clock_is_set() -> None:
    clockwork = Clockwork()
    _crash(clockwork)
    for jump_ms in (-HOUR, 2 * HOUR, -SECOND):
        clockwork.passes(jump_ms)
        clockwork.decides()
    assert clockwork.told == ["backoff_started"]


def test_what_the_engine_says_of_time_is_believed_when_the_clock_was_put_back() -> None:
    """A second or so earlier is how the engine rounds; an hour earlier is another clock."""
    web = Clockwork()
    was = web.now
    for exited_ms, recorded_ms in ((was - SECOND, was), (was - HOUR, was - HOUR), (was + SECOND, was + SECOND)):
        ended = ObservedContainer("c1", "shop-web-1", "exited", {}, "i", "i1", 1, exited_at=exited_ms // 1000)
        seen = observations(web.projected, Observed((ended,)), now_ms=was - HOUR)
        (event,) = [one for one in seen if one.event_type == "container_exited"]
        assert event.occurred_at == recorded_ms


def test_checks_go_on_when_the_clock_was_put_back() -> None:
    web = Clockwork(healthcheck=HealthCheck(test=("CMD", "true"), interval_ms=5 * SECOND))
    checks = Schedule()
    web.passes(-HOUR)
    checks.set(web.desired, web.projected, web.now)
    web.passes(5 * SECOND)
    assert checks.take_due(web.now) == ["c1"]
    checks.done("c1", web.now, "healthy")
    assert checks.take_due(web.now) == []
    web.passes(-HOUR)
    assert checks.take_due(web.now) == ["c1"]


def test_what_failed_is_tried_again_when_the_clock_was_put_back() -> None:
    web, retry = Clockwork(), Retry()
    web.crashes()
    plan = diff(web.desired, web.projected, PlanOptions(now_ms=web.now))
    failures = tuple(Failure(action.id, "service/web", "no") for action in plan.actions)
    retry.done(ApplyResult("a", "failed", 0, 1, 0, 0.0, failures), web.now)
    assert retry.must_wait(plan, web.now + SECOND)
    assert not retry.must_wait(plan, web.now - HOUR)


def test_events_keep_their_order_and_the_log_its_shape(jump: Callable[[int], None], tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with open_store(path) as store:
        for number, ahead in enumerate((0, HOUR, -HOUR, 2 * HOUR, 0)):
            jump(ahead)
            with store.lease("apply", ttl_ms=30_000) as lease:
                store.append([note(str(number))], ADA, lease=lease)
        found = [event.data["content"]["text"] for event in store.stream("squawk", "inbox")]
        assert found == ["0", "1", "2", "3", "4"]
        assert store.sequence_at(Moment(time_ms=time.time_ns() // 1_000_000 + 1_000)) == store.head()
    assert verify(path).sound


def test_a_lease_whose_term_the_clock_skipped_is_free_and_its_holder_writes_no_more(
    jump: Callable[[int], None], tmp_path: Path
) -> None:
    with open_store(tmp_path / "fleet.db") as store, open_store(tmp_path / "fleet.db") as other:
        asleep = store.lease("apply", ttl_ms=3_000_000)
        jump(HOUR)
        with other.lease("watch") as lease:
            with pytest.raises(LeaseLost):
                store.append([note("a")], ADA, lease=asleep)
            jump(-HOUR)
            other.append([note("b")], ADA, lease=lease)
        asleep.release()

"""The back-off of replicas that keep failing, on a clock of the test's own."""

from __future__ import annotations

import pytest

from reconciler.control.watch.backoff import delay_ms, next_due_ms
from reconciler.spec.desired import Backoff, HealthCheck, Restart
from tests.unit.control.watch.clockwork import MINUTE, SECOND, Clockwork

START = ["start service/web/1"]


def test_the_curve_is_kubernetes() -> None:
    seconds = [delay_ms(failures, Backoff()) // 1000 for failures in range(1, 10)]
    assert seconds == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    assert delay_ms(10_000, Backoff()) == 300_000


def test_jitter_is_a_tenth_either_way() -> None:
    assert delay_ms(2, Backoff(), 0.0) == 9_000
    assert delay_ms(2, Backoff(), 1.0) == 11_000


def test_a_crash_loop_waits_longer_each_time() -> None:
    web = Clockwork()
    waits = []
    for _ in range(8):
        web.passes(SECOND)
        web.crashes()
        web.decides()
        until = next_due_ms(web.projected, now_ms=web.now)
        waits.append((until - web.now) // 1000 if until else 0)
        if until:
            assert web.plan() == []
            web.now = until - 1
            assert web.plan() == []
            web.passes(1)
        assert web.plan() == START
        web.happens("container_started")
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert web.told == ["backoff_started"] * 8


def test_one_failure_is_counted_once_however_often_one_looks() -> None:
    web = Clockwork()
    web.crashes()
    web.decides()
    web.passes(SECOND)
    assert web.decides() == []
    web.passes(20 * MINUTE)
    assert web.decides() == []
    assert web.plan() == START


def test_ten_minutes_of_running_forget_all_failures() -> None:
    web = Clockwork()
    for _ in range(3):
        web.passes(SECOND)
        web.crashes()
        web.decides()
        web.happens("container_started")
    web.passes(10 * MINUTE - 1)
    assert web.decides() == []
    web.passes(1)
    web.decides()
    assert web.told[-1] == "backoff_reset"
    assert web.backoff is None
    assert web.decides() == []


def test_a_long_run_that_nobody_saw_ends_the_row_too() -> None:
    web = Clockwork()
    for _ in range(3):
        web.passes(SECOND)
        web.crashes()
        web.decides()
        web.happens("container_started")
    web.passes(11 * MINUTE)
    web.crashes()
    web.decides()
    assert web.backoff is not None
    assert web.backoff.failures == 1
    assert web.plan() == START


def test_a_watcher_that_was_away_counts_from_the_failure_itself() -> None:
    web = Clockwork()
    for _ in range(2):
        web.happens("container_started")
        web.passes(SECOND)
        web.crashes()
        web.passes(MINUTE)
        web.decides()
    assert web.backoff is not None
    assert web.backoff.failures == 2
    assert web.plan() == START


def test_after_the_last_attempt_it_is_given_up_visibly() -> None:
    web = Clockwork(restart=Restart(max_attempts=2))
    for _ in range(3):
        web.passes(SECOND)
        web.crashes(7)
        events = web.decides()
        web.passes(MINUTE)
        if web.plan():
            web.happens("container_started")
    assert web.told == ["backoff_started", "backoff_started", "restart_abandoned"]
    assert events[-1].data["why"] == "it ended with exit code 7; 2 restarts did not help"
    web.passes(60 * MINUTE)
    assert web.decides() == []
    assert web.plan() == []
    web.happens("service_start_requested")
    assert web.plan() == START


def test_unhealthy_counts_as_a_failure_and_is_restarted() -> None:
    web = Clockwork(healthcheck=HealthCheck(test=("CMD", "true")))
    for _ in range(2):
        web.happens("container_health_changed", health="unhealthy")
        web.decides()
        delay = web.backoff.delay_ms if web.backoff else 0
        web.passes(delay)
        assert web.plan() == ["restart service/web/1"]
        web.happens("container_started")
        web.passes(SECOND)
    assert web.backoff is not None
    assert (web.backoff.failures, web.backoff.delay_ms) == (2, 10_000)


def test_a_job_that_fails_backs_off_and_one_that_succeeds_does_not() -> None:
    job = Clockwork(kind="job")
    digest = job.projected.services["web"].digest
    job.happens("job_completed", exit_code=1, digest=digest)
    job.decides()
    job.happens("container_started")
    job.passes(SECOND)
    job.happens("job_completed", exit_code=0, digest=digest)
    assert job.decides() == []
    assert job.told == ["backoff_started"]


@pytest.mark.parametrize(
    "restart",
    [Restart(policy="no"), Restart(supervisor="engine")],
)
def test_what_fleet_does_not_restart_has_no_backoff(restart: Restart) -> None:
    web = Clockwork(restart=restart)
    web.crashes()
    assert web.decides() == []


def test_a_clean_end_is_no_failure_where_only_failures_are_restarted() -> None:
    web = Clockwork(restart=Restart(policy="on-failure"))
    web.crashes(0)
    assert web.decides() == []
    web.happens("container_started")
    web.passes(SECOND)
    web.crashes(1)
    web.decides()
    assert web.told == ["backoff_started"]


def test_what_is_wanted_down_is_not_watched_over() -> None:
    web = Clockwork()
    web.happens("service_stop_requested")
    web.crashes()
    assert web.decides() == []


def test_what_fleet_stopped_or_somebody_removed_is_no_crash() -> None:
    web = Clockwork()
    web.happens("container_stopped", exit_code=143)
    assert web.decides() == []
    web.happens("container_vanished")
    assert web.decides() == []

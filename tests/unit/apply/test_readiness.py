"""Waiting for a service: what each look at it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.journal import Journal
from reconciler.apply.means import Means, Running
from reconciler.apply.readiness import Wait, checked, own_gate, passed_ms
from reconciler.errors import ActionFailed, NotFound, RuntimeUnreachable
from reconciler.events.envelope import Cause
from reconciler.spec.desired import Gate, HealthCheck, SecretUse
from tests.unit.apply.memory import Fleet, service

CHECK = HealthCheck(test=("CMD", "true"), interval_ms=60_000, timeout_ms=1_000, retries=3)
BRIEF = HealthCheck(test=("CMD", "false"), interval_ms=1, timeout_ms=0, retries=1)


def means_of(fleet: Fleet) -> Means:
    return Means(
        desired=fleet.desired,
        projected=fleet.log.projected(),
        runtime=fleet.runtime,
        journal=Journal(fleet.log, Cause("ada", "cli"), None),
        project=Path("/"),
        environ={},
    )


def waiting(fleet: Fleet, gate: Gate, **more: Any) -> Wait:
    return Wait(means_of(fleet), "web", gate, **more)


def running(**fields: Any) -> Fleet:
    """A fleet whose service/web runs."""
    fleet = Fleet(service("web", **fields))
    fleet.apply(wait=False)
    return fleet


def test_what_it_means_to_be_ready() -> None:
    assert own_gate(service("a")) == "started"
    assert own_gate(service("a", healthcheck=CHECK)) == "healthy"
    assert own_gate(service("a", healthcheck=CHECK, kind="job")) == "completed"
    assert checked(service("a", healthcheck=HealthCheck(test=("NONE",)))) is None


def test_one_that_does_not_run() -> None:
    fleet = Fleet(service("web"))
    verdict = waiting(fleet, "started").step()
    assert (verdict.state, verdict.detail) == ("failed", "service/web does not run")


def test_one_that_was_started_is_open_at_once() -> None:
    assert waiting(running(), "started").step().state == "open"


def test_one_that_must_run_steadily() -> None:
    fleet = running()
    assert waiting(fleet, "started", steady_ms=60_000).step().state == "wait"
    wait = waiting(fleet, "started", steady_ms=1)
    began = passed_ms()
    while passed_ms() <= began + 2:
        pass
    assert wait.step().state == "open"
    fleet.runtime.vanish("shop-web-1")
    assert waiting(fleet, "started", steady_ms=1).step().detail == "container shop-web-1 is gone"


class TestHealthy:
    def test_without_a_check_it_need_only_run(self) -> None:
        assert waiting(running(), "healthy").step().state == "open"

    def test_a_check_that_passes(self) -> None:
        fleet = running(healthcheck=CHECK)
        wait = waiting(fleet, "healthy")
        assert wait.step().state == "open"
        assert wait.step().state == "open"
        assert len([call for call in fleet.runtime.calls if call.startswith("run_healthcheck")]) == 1
        assert fleet.types()[-1] == "container_health_changed"

    def test_a_check_that_does_not_pass_yet(self) -> None:
        fleet = running(healthcheck=CHECK)
        fleet.runtime.checks["shop-web-1"] = False
        wait = waiting(fleet, "healthy")
        verdict = wait.step()
        assert (verdict.state, verdict.detail) == ("wait", "starting")
        pauses = []
        for _ in range(8):
            pauses.append(wait.pause_ms)
            wait.step()
        assert pauses == [100, 200, 400, 800, 1600, 2000, 2000, 2000]

    def test_a_pause_is_never_longer_than_the_checks_own_interval(self) -> None:
        assert waiting(running(healthcheck=BRIEF), "healthy").pause_ms == 1

    def test_a_check_that_cannot_be_run_right_now(self) -> None:
        fleet = running(healthcheck=CHECK)
        fleet.runtime.fail("run_healthcheck", error=ActionFailed("it did not end in 11 s"))
        verdict = waiting(fleet, "healthy").step()
        assert (verdict.state, verdict.detail) == ("wait", "it did not end in 11 s")

    def test_a_container_that_is_gone(self) -> None:
        fleet = running(healthcheck=CHECK)
        wait = waiting(fleet, "healthy")
        fleet.runtime.vanish("shop-web-1")
        assert wait.step().detail == "container shop-web-1 is gone"

    def test_a_container_that_is_killed_for_want_of_memory(self) -> None:
        fleet = running(healthcheck=CHECK)
        wait = waiting(fleet, "healthy")
        fleet.runtime.end("shop-web-1", 137, oom_killed=True)
        verdict = wait.step()
        assert verdict.state == "failed"
        assert "ended with exit code 137 for want of memory" in verdict.detail
        wait.step()
        assert fleet.types().count("container_exited") == 1

    def test_a_service_is_healthy_when_all_its_replicas_are(self) -> None:
        fleet = running(healthcheck=CHECK, replicas=2)
        fleet.runtime.checks["shop-web-2"] = False
        assert waiting(fleet, "healthy").step().state == "wait"
        assert waiting(fleet, "healthy", replica=1).step().state == "open"
        assert waiting(fleet, "healthy", replica=3).step().state == "failed"

    def test_unhealthy_after_the_time_of_its_own_schedule(self) -> None:
        fleet = running(healthcheck=BRIEF)
        wait = waiting(fleet, "healthy")
        began = passed_ms()
        while passed_ms() <= began + 3:
            pass
        assert wait.step().state == "failed"
        assert fleet.log.recorded[-1].data["health"] == "unhealthy"

    def test_nobody_knows(self) -> None:
        fleet = running(healthcheck=CHECK)
        wait = waiting(fleet, "healthy")
        fleet.runtime.unreachable = True
        with pytest.raises(RuntimeUnreachable):
            wait.step()


class TestCompleted:
    def test_a_job_that_is_under_way(self) -> None:
        fleet = running(kind="job", command=("sleep", "100000"))
        assert waiting(fleet, "completed").step().state in ("wait", "open")
        (container,) = fleet.runtime.containers.values()
        container.state = "running"
        wait = waiting(fleet, "completed")
        assert wait.step().state == "wait"
        fleet.runtime.vanish("shop-web-1")
        assert wait.step().detail == "container shop-web-1 is gone"

    def test_a_job_that_was_made_and_not_started(self) -> None:
        fleet = running(kind="job", command=("true",))
        (container,) = fleet.runtime.containers.values()
        container.state = "created"
        means = means_of(fleet)
        means.now_running("web", 1, Running(container.container_id, "v1:a", "shop-web-1", 1))
        assert Wait(means, "web", "completed").step().detail == "the job web was not started"

    def test_a_job_whose_end_the_log_knows_is_not_told_again(self) -> None:
        fleet = Fleet(service("web", kind="job", command=("true",)))
        fleet.apply()
        told = fleet.types().count("job_completed")
        wait = waiting(fleet, "completed")
        assert (wait.step().state, wait.step().state) == ("open", "open")
        assert fleet.types().count("job_completed") == told == 1


class TestMeans:
    def test_a_secret_that_is_not_declared(self) -> None:
        with pytest.raises(NotFound, match="the secret p is not declared"):
            means_of(Fleet(service("web", environment={"P": SecretUse("p")}))).secret("p")

    def test_a_container_that_is_gone_stands_for_nothing(self) -> None:
        means = means_of(running())
        (one,) = means.replicas("web").values()
        means.no_longer("another")
        assert means.replicas("web")
        means.no_longer(one.container_id)
        assert means.replicas("web") == {}

    def test_a_service_with_another_name(self) -> None:
        means = means_of(running(replicas=2))
        means.moved("web", "site")
        assert sorted(means.replicas("site")) == [1, 2]
        assert means.replicas("web") == {}

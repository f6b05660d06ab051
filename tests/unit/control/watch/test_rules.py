"""The small rules of the loop: what is watched, when a check is due, when what failed is tried again, and the bell."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from reconciler.apply.model import ApplyResult, Failure
from reconciler.control.watch.checks import Schedule
from reconciler.control.watch.notify import Supervisor
from reconciler.control.watch.retry import Retry
from reconciler.control.watch.wake import Bell
from reconciler.control.watch.watched import Watched, watched
from reconciler.plan.diff import diff
from reconciler.plan.model import Plan, PlanOptions
from reconciler.spec.desired import HealthCheck
from tests.unit.control.watch.clockwork import MINUTE, SECOND, Clockwork

CHECK = HealthCheck(test=("CMD", "true"), interval_ms=10 * SECOND)


def test_the_first_check_gives_a_container_its_time() -> None:
    web = Clockwork(healthcheck=HealthCheck(test=("CMD", "true"), interval_ms=10 * SECOND, start_period_ms=MINUTE))
    schedule = Schedule()
    schedule.set(web.desired, web.projected, web.now)
    assert schedule.next_due_ms() == web.now + 70 * SECOND


def test_a_check_is_due_again_one_interval_after_it_ended() -> None:
    web = Clockwork(healthcheck=CHECK)
    schedule = Schedule()
    schedule.set(web.desired, web.projected, web.now)
    web.passes(10 * SECOND)
    assert schedule.take_due(web.now) == ["c1"]
    assert schedule.take_due(web.now) == []
    assert schedule.next_due_ms() is None
    web.passes(SECOND)
    assert schedule.done("c1", web.now, "healthy")
    assert schedule.next_due_ms() == web.now + 10 * SECOND


def test_only_a_verdict_that_differs_is_news() -> None:
    web = Clockwork(healthcheck=CHECK)
    web.happens("container_health_changed", health="healthy")
    schedule = Schedule()
    schedule.set(web.desired, web.projected, web.now)
    assert not schedule.done("c1", web.now, "healthy")
    assert not schedule.done("c1", web.now, "")
    assert not schedule.done("c1", web.now, "starting")
    assert schedule.done("c1", web.now, "unhealthy")
    assert not schedule.done("gone", web.now, "unhealthy")


def test_a_container_that_was_started_again_gets_its_time_again() -> None:
    web = Clockwork(healthcheck=CHECK)
    web.happens("container_health_changed", health="unhealthy")
    schedule = Schedule()
    schedule.set(web.desired, web.projected, web.now)
    web.passes(SECOND)
    web.happens("container_started")
    schedule.set(web.desired, web.projected, web.now)
    assert schedule.next_due_ms() == web.now + 10 * SECOND


def test_known_checks_are_spread_over_the_interval_and_what_does_not_run_is_not_checked() -> None:
    web = Clockwork(healthcheck=CHECK)
    web.happens("container_health_changed", health="healthy")
    schedule = Schedule()
    schedule.set(web.desired, web.projected, web.now)
    due = schedule.next_due_ms()
    assert due is not None
    assert web.now <= due < web.now + 10 * SECOND
    web.crashes()
    schedule.set(web.desired, web.projected, web.now)
    assert schedule.next_due_ms() is None
    bare = Clockwork()
    schedule.set(bare.desired, bare.projected, bare.now)
    assert schedule.next_due_ms() is None


def _plan() -> Plan:
    web = Clockwork()
    web.crashes()
    return diff(web.desired, web.projected, PlanOptions(now_ms=web.now))


def _result(*failed: str) -> ApplyResult:
    failures = tuple(Failure(one, "service/web", "no") for one in failed)
    return ApplyResult("a", "failed" if failed else "succeeded", 0, len(failed), 0, 0.1, failures)


def test_what_failed_is_tried_again_later_each_time() -> None:
    retry, plan, now = Retry(), _plan(), 1_000
    assert not retry.must_wait(plan, now)
    waits = []
    for _ in range(3):
        retry.done(_result("start service/web/1"), now)
        assert retry.must_wait(plan, now)
        waits.append((retry.due_ms - now) // 1000)
        now = retry.due_ms
        assert not retry.must_wait(plan, now)
    assert waits == [10, 20, 40]
    retry.done(_result(), now)
    assert not retry.must_wait(plan, now)
    assert retry.due_ms == 0


def test_another_plan_does_not_wait_for_what_failed() -> None:
    retry = Retry()
    retry.done(_result("create service/other/1"), 1_000)
    assert not retry.must_wait(_plan(), 1_001)


def test_what_is_read_is_watched(tmp_path: Path) -> None:
    inputs = {
        "files": {"fleet.yaml": "d"},
        "env_files": {"web.env": "d"},
        "contents": {"conf/web.conf": "d"},
        "globs": {"parts/*.yaml": "d"},
        "contexts": {"image:Containerfile": {}},
        "secrets": {"token": {"file": "token.txt"}, "other": {"file": ""}},
    }
    found = watched(inputs, file=tmp_path / "fleet.yaml", project=tmp_path, more=["broken.yaml", ""])
    names = {str(path.relative_to(tmp_path)) for path in found.files}
    assert names == {"fleet.yaml", "web.env", "conf/web.conf", "token.txt", "broken.yaml"}
    assert found.contexts == {tmp_path / "image"}
    (tmp_path / "parts").mkdir()
    assert tmp_path / "parts" in found.folders()


def test_the_mark_changes_with_each_kind_of_change(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    found = Watched(frozenset({file}), (str(tmp_path / "*.yml"),))
    marks = [found.mark()]
    file.write_text("a")
    marks.append(found.mark())
    beside = tmp_path / "beside"
    beside.write_text("b")
    os.utime(beside, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    beside.replace(file)
    marks.append(found.mark())
    (tmp_path / "more.yml").write_text("")
    marks.append(found.mark())
    assert len(set(marks)) == 4
    assert found.mark() == marks[-1]


def test_folders_of_links_and_of_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "fleet.yaml").write_text("")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "now").symlink_to(tmp_path / "v1")
    file = tmp_path / "here" / "now" / "fleet.yaml"
    assert {tmp_path / "here", tmp_path / "v1"} <= Watched(frozenset({file})).folders()
    missing = tmp_path / "not" / "there" / "fleet.yaml"
    assert tmp_path in Watched(frozenset({missing})).folders()


def test_rings_are_collected_and_heard_once() -> None:
    bell = Bell()
    bell.ring("file")
    bell.ring("engine")
    assert bell.wait(0) == {"file", "engine"}
    assert bell.wait(0) == frozenset()
    threading.Timer(0.01, bell.ring, args=("health",)).start()
    assert bell.wait(30) == {"health"}


def test_the_supervisor_hears_ready_alive_and_stopping(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(30)
        supervisor = Supervisor({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"})
        supervisor.ready("watching")
        assert server.recv(100) == b"READY=1\nSTATUS=watching"
        supervisor.watch_over(lambda: True)
        assert server.recv(100) == b"WATCHDOG=1"
        supervisor.stopping()
        heard = b""
        while heard != b"STOPPING=1":
            heard = server.recv(100)


def test_without_a_supervisor_nothing_is_sent(tmp_path: Path) -> None:
    assert not Supervisor({}).tell("READY=1")
    assert not Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")


def test_a_supervisor_in_the_abstract_namespace() -> None:
    name = f"fleet-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(f"\0{name}")
        assert Supervisor({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1")
        assert server.recv(100) == b"READY=1"

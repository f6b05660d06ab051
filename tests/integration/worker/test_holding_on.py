"""Leases of workers that lose touch: what no longer holds is not worked on, and nobody's word comes late."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.control.worker import minder, pulse
from reconciler.control.worker.alone import Alone
from reconciler.control.worker.loop import Worker
from reconciler.control.worker.office import LocalOffice
from reconciler.control.worker.process import Launch, Stopper, run
from reconciler.control.worker.pulse import Minder, Pulse
from reconciler.errors import LeaseHeld, LogUnusable, ToolMissing
from tests.integration.worker.conftest import Fleet, sortie

Begin = Callable[[Worker], threading.Thread]


def gone(process: subprocess.Popen[bytes]) -> bool:
    return process.wait(timeout=60) == -9


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], start_new_session=True)


def test_the_minder_kills_what_outlives_its_time_or_its_worker() -> None:
    short, long, ended = sleeper(), sleeper(), sleeper()
    watched = Minder()
    watched.allow(short.pid, 600)
    watched.allow(short.pid, 0.05)
    watched.allow(long.pid, 600)
    watched.allow(ended.pid, 600)
    watched.forget(ended.pid)
    assert gone(short)
    assert long.poll() is None
    watched.close()
    assert gone(long)
    assert ended.poll() is None
    ended.kill()
    ended.wait()


def test_a_worker_goes_on_without_its_minder() -> None:
    watched = Minder()
    watched._process.kill()
    watched._process.wait()
    watched.allow(99_999_999, 1)
    watched.close()


def test_the_minder_reads_lines_in_any_pieces() -> None:
    one, other = sleeper(), sleeper()
    source, sink = os.pipe()
    with os.fdopen(sink, "wb", buffering=0) as writer:
        thread = threading.Thread(target=minder.mind, args=(source,))
        thread.start()
        writer.write(f"+{one.pid} 6".encode())
        writer.write(f"00\n+{other.pid} 0.01\n-99999999\n".encode())
        assert gone(other)
    thread.join(timeout=60)
    assert gone(one)
    os.close(source)
    minder.kill(one.pid)


def test_a_lease_that_nobody_renews_ends_the_work(
    fleet: Fleet, in_background: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fleet.start(a=sortie(run="touch begun; sleep 600", retries=5, retry_delay_ms=1))

    def refused(*_: object) -> None:
        raise LogUnusable("the disk is away")

    worker, told = fleet.worker(heartbeat_interval_ms=50, heartbeat_timeout_ms=600)
    monkeypatch.setattr(LocalOffice, "renew", refused)
    in_background(worker)
    told.wait_for("lost")
    assert "the disk is away" in [facts.get("error") for _, what, facts in told.lines if what == "trouble"]
    failed = [event.data for event in fleet.events("sortie_attempt_failed") if event.data["sortie_id"] == ids["a"]]
    assert failed == []


def test_a_late_word_is_refused_and_leaves_nothing_but_that(
    fleet: Fleet, in_background: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pulse that stands still: the lease runs out while the command goes on to its end.
    monkeypatch.setattr(pulse, "LOOK_S", 600.0)
    monkeypatch.setattr(pulse, "_SAFETY", 100.0)
    ids = fleet.start(a=sortie(run="sleep 0.3; echo done"))
    worker, told = fleet.worker(heartbeat_interval_ms=600_000, heartbeat_timeout_ms=100)
    monkeypatch.setattr(Pulse, "_run", lambda self: None)
    in_background(worker)
    told.wait_for("lost")
    (late,) = fleet.events("sortie_result_refused")
    assert late.data["what"] == "result"
    assert fleet.events("sortie_completed") == []
    assert fleet.events("budget_used") == []
    assert fleet.sortie(ids["a"])["result"] is None


def test_one_process_works_as_a_specialist_at_a_time(tmp_path: Path) -> None:
    with Alone(tmp_path, "spec_a_1"):
        with pytest.raises(LeaseHeld, match=f"works already, in process {os.getpid()}"), Alone(tmp_path, "spec_a_1"):
            pass
        with Alone(tmp_path, "spec_a_2"):
            pass
    with Alone(tmp_path, "spec_a_1"):
        pass


def has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def launch(*argv: str, stdin: bytes = b"", timeout_s: float = 0.0) -> Launch:
    return Launch(argv=argv, environment=dict(os.environ), folder=Path("/"), stdin=stdin, timeout_s=timeout_s)


def test_a_command_reads_what_it_is_told_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    # Some systems cannot tell that a process has ended without being asked.
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, "waitid")
    said: list[bytes] = []
    data = b"x" * 3_000_000
    with Stopper() as stopper:
        done = run(launch("cat", stdin=data), stopper, on_output=said.append)
    assert b"".join(said) == data
    assert (done.exit_code, done.why) == (0, "")


def test_a_command_that_does_not_listen_is_no_trouble() -> None:
    with Stopper() as stopper:
        done = run(launch("true", stdin=b"x" * 3_000_000), stopper, on_output=lambda data: None)
    assert done.exit_code == 0
    stopper.stop("shutdown")


def test_a_command_may_be_stopped_before_it_says_anything() -> None:
    with Stopper() as stopper:
        stopper.stop("shutdown")
        stopper.stop("lost")
        done = run(launch("sleep", "600"), stopper, on_output=lambda data: None)
    assert (done.exit_code, done.why) == (-15, "shutdown")


def test_a_defect_of_ours_leaves_no_process_behind() -> None:
    groups: list[int] = []

    def broken(data: bytes) -> None:
        raise RuntimeError("defect")

    with Stopper() as stopper, pytest.raises(RuntimeError, match="defect"):
        run(launch("sh", "-c", "echo x; sleep 600"), stopper, on_output=broken, on_started=groups.append)
    # Those of the group that are not our children are gone when somebody has asked for them.
    while has_members(groups[0]):
        time.sleep(0.01)
    with Stopper() as stopper, pytest.raises(ToolMissing):
        run(launch("/nonexistent"), stopper, on_output=broken)


def test_waiting_ends_with_news_or_with_its_time(fleet: Fleet) -> None:
    office = fleet.office()
    office.register()
    assert office.claim(60_000) is None
    office.heartbeat()
    begun = time.monotonic()
    office.wait(0.1, lambda: False)
    assert time.monotonic() - begun >= 0.1
    fleet.start(a=sortie(run="true"))
    office.wait(600, lambda: False)
    office.wait(600, lambda: True)
    assert office.anything_open()


def test_the_minder_runs_as_a_script_of_its_own() -> None:
    process = sleeper()
    subprocess.run([sys.executable, "-I", "-S", minder.__file__], input=f"+{process.pid} 600\n".encode(), check=True)
    assert gone(process)

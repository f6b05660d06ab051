"""Processes of this machine: found by their marks, ended with all they started, and nobody else's ever touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from reconciler.errors import ActionFailed, RuntimeUnreachable
from reconciler.runtime.process import local
from reconciler.runtime.process.local import LocalProcesses
from reconciler.runtime.process.model import OWN_ID, ObservedProcess, ObservedProcesses, ProcessOrder

PATIENCE = 20.0
Start = Callable[..., ObservedProcess]


def until(what: Callable[[], Any]) -> Any:
    """What this comes to, as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return found


@pytest.fixture
def runtime() -> LocalProcesses:
    return LocalProcesses()


@pytest.fixture
def start(runtime: LocalProcesses, unique_name: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a shell command as a replica of this test's own project; what is left is ended afterwards."""
    started: list[ObservedProcess] = []

    def run(command: str, *, intent: str = "evt_1", **environment: str) -> ObservedProcess:
        order = ProcessOrder(
            command=("sh", "-c", command),
            environment={"PATH": os.environ["PATH"], **environment},
            working_dir=tmp_path,
            labels={
                "fleet.project": unique_name,
                "fleet.intent": f"{intent}{unique_name}",
                "fleet.resource": "specialist/builder",
                "fleet.replica": "1",
            },
            log=tmp_path / "logs" / "builder-1.log",
        )
        started.append(runtime.start(order))
        return started[-1]

    yield run
    for one in started:
        runtime.stop(one.pid, one.process_id, 0)


def seen(runtime: LocalProcesses, project: str) -> ObservedProcesses:
    return runtime.observe(project)


def test_it_is_found_by_its_marks_and_what_it_starts_is_not_taken_for_it(
    runtime: LocalProcesses, start: Start, unique_name: str, tmp_path: Path
) -> None:
    process = start("sleep 60 & echo ready; wait", A="b")
    log = tmp_path / "logs" / "builder-1.log"
    until(lambda: log.exists() and log.read_bytes() == b"ready\n")
    (found,) = seen(runtime, unique_name).processes
    assert (found.pid, found.process_id, found.state) == (process.pid, process.process_id, "running")
    assert found.labels["fleet.resource"] == "specialist/builder"
    assert abs(found.started_ms - process.started_ms) < 60_000
    environment = psutil.Process(process.pid).environ()
    assert (environment["A"], environment[OWN_ID]) == ("b", str(process.pid))
    assert os.getsid(process.pid) == process.pid
    assert seen(runtime, "another").processes == ()
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_marks_of_whoever_starts_it_are_not_passed_on(start: Start) -> None:
    process = start("sleep 60", FLEET_PROCESS="1", FLEET_INTENT="evt_outer", FLEET_DIGEST="v1:outer")
    until(lambda: psutil.Process(process.pid).environ().get(OWN_ID) == str(process.pid))
    environment = psutil.Process(process.pid).environ()
    assert environment["FLEET_INTENT"] == process.process_id
    assert "FLEET_DIGEST" not in environment


def test_stopping_asks_first_and_tells_how_it_ended(
    runtime: LocalProcesses, start: Start, unique_name: str, tmp_path: Path
) -> None:
    process = start("trap 'exit 3' TERM; echo ready; while true; do sleep 0.05; done")
    until(lambda: (tmp_path / "logs" / "builder-1.log").read_bytes() == b"ready\n")
    assert runtime.runs(process.pid, process.process_id)
    assert runtime.stop(process.pid, process.process_id, 10_000) == 3
    assert not runtime.runs(process.pid, process.process_id)
    left = seen(runtime, unique_name)
    assert left.processes == ()
    assert left.exit_codes[process.process_id] == 3
    assert runtime.stop(process.pid, process.process_id, 10_000) == 3


def test_one_that_does_not_listen_is_killed_with_all_that_it_started(
    runtime: LocalProcesses, start: Start, tmp_path: Path
) -> None:
    process = start("trap '' TERM; sleep 60 & echo $!; while true; do sleep 0.05; done")
    log = tmp_path / "logs" / "builder-1.log"
    child = int(until(log.read_bytes))
    assert runtime.stop(process.pid, process.process_id, 100) == 128 + signal.SIGKILL
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_what_a_dead_one_left_behind_is_ended_too(runtime: LocalProcesses, start: Start, tmp_path: Path) -> None:
    process = start("sleep 60 & echo $!; wait")
    child = int(until((tmp_path / "logs" / "builder-1.log").read_bytes))
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not runtime.runs(process.pid, process.process_id))
    assert psutil.pid_exists(child)
    assert runtime.stop(process.pid, process.process_id, 0) == 128 + signal.SIGKILL
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_process_id_that_is_somebody_elses_by_now_is_left_alone(runtime: LocalProcesses, unique_name: str) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        assert runtime.stop(stranger.pid, f"evt_1{unique_name}", 0) is None
        runtime.resume(ObservedProcess(f"evt_1{unique_name}", stranger.pid, {}))
        assert stranger.poll() is None
        assert not runtime.runs(stranger.pid, f"evt_1{unique_name}")
        stranger.kill()


def test_one_that_stands_still_is_paused_and_goes_on(runtime: LocalProcesses, start: Start, unique_name: str) -> None:
    process = start("while true; do sleep 0.05; done")
    os.kill(process.pid, signal.SIGSTOP)
    until(lambda: [one.state for one in seen(runtime, unique_name).processes] == ["paused"])
    runtime.resume(process)
    until(lambda: [one.state for one in seen(runtime, unique_name).processes] == ["running"])
    os.kill(process.pid, signal.SIGSTOP)
    assert runtime.stop(process.pid, process.process_id, 10_000) == 128 + signal.SIGTERM


def test_it_outlives_whoever_started_it_and_is_found_again(
    runtime: LocalProcesses, unique_name: str, tmp_path: Path
) -> None:
    program = f"""
import os, sys
from pathlib import Path
from reconciler.runtime.process.local import LocalProcesses
from reconciler.runtime.process.model import ProcessOrder
labels = {{"fleet.project": "{unique_name}", "fleet.intent": "evt_{unique_name}"}}
order = ProcessOrder(("sleep", "60"), dict(os.environ), Path("{tmp_path}"), labels, Path("{tmp_path}/log"))
print(LocalProcesses().start(order).pid)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    (found,) = seen(runtime, unique_name).processes
    assert found.pid == int(done.stdout)
    assert runtime.stop(found.pid, found.process_id, 10_000) is None
    assert seen(runtime, unique_name).processes == ()


def test_a_program_that_is_not_there_ends_with_what_a_shell_says(
    runtime: LocalProcesses, start: Start, unique_name: str, tmp_path: Path
) -> None:
    process = start("exec no-such-program")
    codes = until(lambda: seen(runtime, unique_name).exit_codes.get(process.process_id))
    assert codes == 127
    assert b"no-such-program" in (tmp_path / "logs" / "builder-1.log").read_bytes()


def test_a_folder_or_a_log_that_cannot_be_had_is_told(runtime: LocalProcesses, tmp_path: Path) -> None:
    labels = {"fleet.project": "p", "fleet.intent": "evt_x"}
    gone = ProcessOrder(("true",), {}, tmp_path / "gone", labels, tmp_path / "log")
    with pytest.raises(ActionFailed, match="true cannot be started in .*gone"):
        runtime.start(gone)
    (tmp_path / "file").write_text("")
    no_log = ProcessOrder(("true",), {}, tmp_path, labels, tmp_path / "file" / "log")
    with pytest.raises(ActionFailed, match="cannot be written"):
        runtime.start(no_log)


def test_what_cannot_be_read_is_unknown_and_never_gone(
    runtime: LocalProcesses, start: Start, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start("sleep 60")
    until(lambda: seen(runtime, unique_name).processes)

    def denied(self: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied(self.pid)

    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "environ", denied)
        found = seen(runtime, unique_name)
        assert found.processes == ()
        assert process.pid in found.unknown
        assert runtime.runs(process.pid, process.process_id)
        patch.setattr(psutil.Process, "environ", lambda self: {})
        assert process.pid in seen(runtime, unique_name).unknown
        patch.setattr(psutil, "pids", _refuse)
        with pytest.raises(RuntimeUnreachable, match="cannot be listed"):
            seen(runtime, unique_name)


def _refuse() -> list[int]:
    raise PermissionError("not yours")


def test_one_of_another_user_is_not_ended_but_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(ActionFailed, match="belongs to another user"):
        local._signal(1, signal.SIGTERM)


def test_one_that_hangs_in_the_kernel_is_told(
    runtime: LocalProcesses, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start("sleep 60")
    with monkeypatch.context() as patch:
        patch.setattr(local, "_signal", lambda pid, number: None)
        patch.setattr(local, "_KILLED_S", 0.0)
        with pytest.raises(ActionFailed, match="not even when killed"):
            runtime.stop(process.pid, process.process_id, 0)

"""Processes on this machine.

They are started in sessions of their own and survive whoever started them; after that they are found by their marks,
never by a file with a number in it. Nothing is done to a process whose marks were not read a moment before, and a
process of which nothing can be read is unknown, which is never the same as gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

from reconciler.errors import ActionFailed, RuntimeUnreachable
from reconciler.runtime.model import LABEL_INTENT, LABEL_PROJECT
from reconciler.runtime.process.logfile import open_log
from reconciler.runtime.process.model import (
    OWN_ID,
    VARIABLES,
    ObservedProcess,
    ObservedProcesses,
    ProcessOrder,
    ProcessState,
    environment_of,
    labels_of,
)

# The shell notes its own process id, which stays the same when the program takes its place.
_LAUNCH = f'export {OWN_ID}=$$; exec "$@"'
_LOOK_AGAIN_S = 0.02
# A log that was written since then knows how the others ended.
_REMEMBERED = 1_000
# After a SIGKILL the system needs a moment; one that stays longer hangs in the kernel.
_KILLED_S = 5.0


class _Children:
    """Those that this process started: only their parent learns how they ended, and has to ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        self._ended: dict[str, int] = {}

    def add(self, process_id: str, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running[child.pid] = (process_id, child)

    def has(self, process_id: str) -> bool:
        """Whether it is one of them and was not seen to end."""
        with self._lock:
            return any(process_id == known for known, _ in self._running.values())

    def reap(self) -> dict[str, int]:
        """Exit codes of all that have ended so far; as a shell gives them for those that a signal ended."""
        with self._lock:
            for pid, (process_id, child) in list(self._running.items()):
                code = child.poll()
                if code is not None:
                    self._ended[process_id] = code if code >= 0 else 128 - code
                    del self._running[pid]
            for process_id in list(self._ended)[:-_REMEMBERED]:
                del self._ended[process_id]
            return dict(self._ended)


_CHILDREN = _Children()


class LocalProcesses:
    """The runtime of processes of this machine and this user."""

    def observe(self, project: str) -> ObservedProcesses:
        """Every process that was started for this project and runs.

        Raises:
            RuntimeUnreachable: the system's processes cannot be listed.
        """
        ended = _CHILDREN.reap()
        found: list[ObservedProcess] = []
        unknown: set[int] = set()
        for pid in _pids():
            seen = _look(pid)
            if seen is None:
                unknown.add(pid)
            elif seen and seen[0].labels.get(LABEL_PROJECT) == project:
                found.append(seen[0])
        found.sort(key=lambda one: (one.started_ms, one.pid))
        return ObservedProcesses(tuple(found), frozenset(unknown), ended)

    def runs(self, pid: int, process_id: str) -> bool:
        """Whether it runs, or may."""
        return process_id not in _CHILDREN.reap() and _maybe(pid, process_id)

    def start(self, order: ProcessOrder) -> ObservedProcess:
        """Start it in a session of its own.

        Raises:
            ActionFailed: the folder, the log file or the shell is not to be had.
        """
        marks = environment_of(order.labels)
        own = {name: value for name, value in order.environment.items() if name not in _MARKS}
        try:
            log = open_log(order.log)
        except OSError as error:
            raise ActionFailed(f"the log {order.log} cannot be written: {error.strerror}") from None
        try:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _LAUNCH, "fleet", *order.command],
                cwd=order.working_dir,
                env={**own, **marks},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ActionFailed(
                f"{order.command[0]} cannot be started in {order.working_dir}: {error.strerror}"
            ) from None
        finally:
            os.close(log)
        process_id = order.labels[LABEL_INTENT]
        _CHILDREN.add(process_id, child)
        return ObservedProcess(process_id, child.pid, order.labels, "running", time.time_ns() // 1_000_000)

    def resume(self, process: ObservedProcess) -> None:
        """Let a paused one go on."""
        if _is(process.pid, process.process_id):
            os.kill(process.pid, signal.SIGCONT)

    def stop(self, pid: int, process_id: str, grace_ms: int) -> int | None:
        """Ask it to end; after the grace period end it, with everything in its session."""
        if _is(pid, process_id):
            _signal(pid, signal.SIGTERM)
            # A paused process acts on nothing but this.
            _signal(pid, signal.SIGCONT)
            if not _wait_for_end(pid, process_id, grace_ms / 1000) and _is(pid, process_id):
                _signal(pid, signal.SIGKILL)
        for left in _session_of(pid, process_id):
            _signal(left, signal.SIGKILL)
        if not _wait_for_end(pid, process_id, _KILLED_S):
            raise ActionFailed(f"process {pid} does not end, not even when killed", hint=f"ps -o pid,stat,wchan {pid}")
        return _CHILDREN.reap().get(process_id)


_MARKS = frozenset({*VARIABLES.values(), OWN_ID})


def _pids() -> list[int]:
    import psutil

    try:
        return psutil.pids()
    except (psutil.Error, OSError) as error:
        raise RuntimeUnreachable(f"the processes of this machine cannot be listed: {error}") from None


def _look(pid: int) -> tuple[ObservedProcess, ...] | None:
    """The process, if it was started for some project; empty if not, None if that cannot be known."""
    import psutil

    try:
        if os.getsid(pid) != pid:
            # All that are started here lead a session of their own; most of a machine's processes do not.
            return ()
        process = psutil.Process(pid)
        environment = process.environ()
        status = process.status()
        if not environment and status != psutil.STATUS_ZOMBIE:
            # In the instant in which a program takes the place of another there is none.
            return None
        labels = labels_of(environment)
        if LABEL_INTENT not in labels or environment.get(OWN_ID, str(pid)) != str(pid):
            return ()
        if status == psutil.STATUS_ZOMBIE:
            return ()
        state: ProcessState = "paused" if status == psutil.STATUS_STOPPED else "running"
        return (ObservedProcess(labels[LABEL_INTENT], pid, labels, state, int(process.create_time() * 1000)),)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return ()
    except (psutil.Error, OSError):
        return None


def _is(pid: int, process_id: str) -> bool:
    """Whether this process id is still that process, as far as can be known right now."""
    return any(seen.process_id == process_id for seen in _look(pid) or ())


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise ActionFailed(f"process {pid} belongs to another user and cannot be ended") from None


def _wait_for_end(pid: int, process_id: str, seconds: float) -> bool:
    """Whether it was gone within that time; of a child only its exit code says so."""
    end = time.monotonic() + seconds
    while True:
        if process_id in _CHILDREN.reap() or not (_CHILDREN.has(process_id) or _maybe(pid, process_id)):
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(min(_LOOK_AGAIN_S, max(0.0, end - time.monotonic())))


def _maybe(pid: int, process_id: str) -> bool:
    seen = _look(pid)
    return seen is None or (bool(seen) and seen[0].process_id == process_id)


def _session_of(pid: int, process_id: str) -> Iterator[int]:
    """What the process started and left in its session. The system gives a session's number to nobody else meanwhile."""
    import psutil

    for other in _pids():
        try:
            if os.getsid(other) == pid and labels_of(psutil.Process(other).environ()).get(LABEL_INTENT) == process_id:
                yield other
        except (psutil.Error, OSError):
            continue

"""Running one command: in a process group of its own, its output read as it comes, ended when it has to be.

What a command leaves running behind it ends with it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from reconciler.errors import ToolMissing

Why = Literal["", "timeout", "lost", "budget", "shutdown", "interrupted"]

GRACE_S = 3.0
_PIECE = 65_536
_LOOK_S = 0.05


class Stopper:
    """The way to end a command from another thread or from a signal's handler."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self.why: Why = ""

    def __enter__(self) -> Stopper:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reader)
        os.close(self._writer)
        self._writer = -1

    def stop(self, why: Why) -> None:
        """Let it end; the first reason stays."""
        self.why = self.why or why
        if self._writer >= 0:
            with contextlib.suppress(OSError):
                os.write(self._writer, b"!")

    def fileno(self) -> int:
        """Readable once there is a reason to end."""
        return self._reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command with everything that the system needs to know about it."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    stdin: bytes = b""
    timeout_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How it ended: exit code (negative: a signal), and why it was ended if it was."""

    exit_code: int
    why: Why
    seconds: float


def run(
    launch: Launch,
    stopper: Stopper,
    *,
    on_output: Callable[[bytes], None],
    on_errors: Callable[[bytes], None] = lambda data: None,
    on_started: Callable[[int], None] = lambda group: None,
    grace_s: float | None = None,
) -> Finished:
    """Run a command to its end.

    Args:
        stopper: ends it early.
        on_output: told of every piece of its standard output; may stop it through the stopper.
        on_errors: told of every piece of its standard error.
        on_started: told of its process group.
        grace_s: between the polite and the impolite way of ending it; `GRACE_S` when left out.

    Raises:
        ToolMissing: the program is not there or cannot be run.
    """
    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            list(launch.argv),
            cwd=launch.folder,
            env=dict(launch.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        raise ToolMissing(f"{launch.argv[0]} cannot be run: {error}", hint="install it where the worker runs") from None
    on_started(process.pid)
    running = _Running(process, launch, stopper, on_output, on_errors, begun)
    try:
        running.follow(GRACE_S if grace_s is None else grace_s)
    finally:
        running.close()
    return Finished(process.returncode, stopper.why, time.monotonic() - begun)


class _Running:
    """One process with its pipes."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        launch: Launch,
        stopper: Stopper,
        on_output: Callable[[bytes], None],
        on_errors: Callable[[bytes], None],
        begun: float,
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin: IO[bytes] = process.stdin
        self._pipes: dict[int, Callable[[bytes], None]] = {
            process.stdout.fileno(): on_output,
            process.stderr.fileno(): on_errors,
        }
        self._pipes_open = dict.fromkeys(self._pipes)
        self._files = (process.stdin, process.stdout, process.stderr)
        self._stopper = stopper
        self._left = memoryview(launch.stdin)
        self._deadline = begun + launch.timeout_s if launch.timeout_s else 0.0
        self._asked_at = 0.0
        self._ended = _Ending(process)
        self._selector = selectors.DefaultSelector()

    def follow(self, grace_s: float) -> None:
        """Until the process has ended and its output is read."""
        for pipe in self._pipes:
            os.set_blocking(pipe, False)
            self._selector.register(pipe, selectors.EVENT_READ, "pipe")
        os.set_blocking(self._stdin.fileno(), False)
        self._selector.register(self._stdin, selectors.EVENT_WRITE, "stdin")
        self._selector.register(self._stopper, selectors.EVENT_READ, "stop")
        if self._ended.descriptor >= 0:
            self._selector.register(self._ended.descriptor, selectors.EVENT_READ, "ended")
        while not self._ended.seen:
            self._turn(self._selector.select(self._wait(grace_s)))
            self._end_when_due(grace_s)
        self._read_rest()

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        for key, _ in ready:
            if key.data == "pipe":
                self._read(key.fd)
            elif key.data == "stdin":
                self._write()
            elif key.data == "stop":
                self._selector.unregister(self._stopper)
        # Looked at last, so that what was written before the end is read before it.
        self._ended.look()

    def _wait(self, grace_s: float) -> float | None:
        """How long nothing may happen."""
        now = time.monotonic()
        due = [_LOOK_S] if self._ended.descriptor < 0 else []
        if self._asked_at:
            due.append(self._asked_at + grace_s - now)
        elif self._deadline:
            due.append(self._deadline - now)
        return max(min(due), 0.0) if due else None

    def _end_when_due(self, grace_s: float) -> None:
        now = time.monotonic()
        if self._deadline and now >= self._deadline:
            self._stopper.stop("timeout")
        if not self._stopper.why:
            return
        if not self._asked_at:
            self._asked_at = now
            # Somebody else may have begun the same sortie: there is no time to be polite.
            self._signal(signal.SIGKILL if self._stopper.why == "lost" else signal.SIGTERM)
        elif now >= self._asked_at + grace_s:
            self._signal(signal.SIGKILL)
            self._asked_at = now

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self, pipe: int) -> bool:
        """One piece; whether there was any."""
        try:
            data = os.read(pipe, _PIECE)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(pipe)
            del self._pipes_open[pipe]
            return False
        self._pipes[pipe](data)
        return True

    def _write(self) -> None:
        try:
            written = os.write(self._stdin.fileno(), self._left[:_PIECE]) if self._left else 0
        except BlockingIOError:
            return
        except OSError:
            # It does not want to hear more.
            written = len(self._left)
        self._left = self._left[written:]
        if not self._left:
            self._selector.unregister(self._stdin)
            self._stdin.close()

    def _read_rest(self) -> None:
        """What it wrote last. It is not waited for yet, so that its number still names its group and nobody else's."""
        for pipe in list(self._pipes_open):
            while pipe in self._pipes_open and self._read(pipe):
                pass
        self._signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Let go of everything; a process that still runs is killed."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._selector.close()
        self._ended.close()
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()


class _Ending:
    """Finds out that a process has ended without waiting for it, where the system can tell."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.seen = False
        try:
            self.descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            self.descriptor = -1

    def look(self) -> None:
        """Look now."""
        if hasattr(os, "waitid"):
            self.seen = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        else:
            self.seen = self._process.poll() is not None

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.descriptor >= 0:
            os.close(self.descriptor)

"""The pulse: a thread that says that the worker lives, renews its lease, and notices when the lease is lost.

It also lets the minder know how long the command may live, so that the command ends with the lease even where the worker
cannot see to it any more.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.control.desk.briefing import Brief
from reconciler.control.worker import minder
from reconciler.control.worker.office import Office
from reconciler.control.worker.process import Stopper
from reconciler.errors import FleetError
from reconciler.work.refusals import WorkRefused

LOOK_S = 0.5
AGAIN_S = 1.0
_SAFETY = 0.9
_FOR_EVER_S = 10_000_000.0


class Minder:
    """The worker's end of the minder."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(minder.__file__))],
            stdin=subprocess.PIPE,
            start_new_session=True,
            close_fds=True,
        )

    def allow(self, group: int, seconds: float) -> None:
        """Let a process group live for so long from now on."""
        self._say(f"+{group} {max(seconds, 0):.3f}\n")

    def forget(self, group: int) -> None:
        """A group has ended."""
        self._say(f"-{group}\n")

    def close(self) -> None:
        """End the minder."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        # Without its minder a worker still works; only its own sudden end would leave a command behind.
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


class Held:
    """What the worker works on now, as far as the pulse is concerned."""

    def __init__(self, given: Brief, stopper: Stopper, lease_s: float) -> None:
        self.given = given
        self.stopper = stopper
        self.group = 0
        self.until = time.monotonic() + lease_s * _SAFETY if given.lease_expires_at else _FOR_EVER_S

    def is_over(self) -> bool:
        """Whether the time is over for which the minder lets the command live."""
        return time.monotonic() >= self.until


class Pulse:
    """A context manager; beats from its beginning to its end.

    Args:
        interval_s: between heartbeats.
        lease_s: how long a hold lasts without being renewed.
        on_drain: told when the desk asks to take nothing more.
        metrics: measured for each heartbeat.
    """

    def __init__(
        self,
        office: Office,
        minder: Minder,
        *,
        interval_s: float,
        lease_s: float,
        on_drain: Callable[[], None],
        on_trouble: Callable[[str], None],
        metrics: Callable[[], Mapping[str, float]],
    ) -> None:
        self._office = office
        self._minder = minder
        self._interval = min(interval_s, lease_s / 3)
        self._lease = lease_s
        self._on_drain = on_drain
        self._on_trouble = on_trouble
        self._metrics = metrics
        self._lock = threading.Lock()
        self._held: Held | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def hold(self, given: Brief, stopper: Stopper) -> Held:
        """Keep the hold on what was claimed, until it is let go."""
        held = Held(given, stopper, self._lease)
        with self._lock:
            self._held = held
        return held

    def started(self, held: Held, group: int) -> None:
        """The command runs in this process group."""
        held.group = group
        self._minder.allow(group, held.until - time.monotonic())

    def ended(self, held: Held) -> None:
        """The command has ended."""
        if held.group:
            self._minder.forget(held.group)
            held.group = 0

    def let_go(self) -> None:
        """Nothing is held any more."""
        with self._lock:
            self._held = None

    def _run(self) -> None:
        beat_at = time.monotonic() + self._interval
        while not self._over.wait(min(LOOK_S, self._interval / 2)):
            now = time.monotonic()
            with self._lock:
                held = self._held
            try:
                if now >= beat_at:
                    self._beat(held)
                    beat_at = now + self._interval
                elif held is not None and not self._office.holds(held.given):
                    held.stopper.stop("lost")
            except WorkRefused as refused:
                self._refused(held, refused)
                beat_at = now + self._interval
            except FleetError as error:
                self._on_trouble(str(error))
                beat_at = now + min(AGAIN_S, self._interval)
            if held is not None and held.is_over():
                held.stopper.stop("lost")

    def _beat(self, held: Held | None) -> None:
        given = held.given if held is not None else None
        if held is not None and given is not None and given.lease_expires_at:
            asked_at = time.monotonic()
            self._office.renew(given.job.sortie_id, given.attempt, round(self._lease * 1000))
            held.until = asked_at + self._lease * _SAFETY
            if held.group:
                self._minder.allow(held.group, held.until - asked_at)
        if self._office.heartbeat(given, self._metrics()):
            self._on_drain()

    def _refused(self, held: Held | None, refused: WorkRefused) -> None:
        if held is not None and held.given.lease_expires_at:
            held.stopper.stop("lost")
        self._on_trouble(str(refused))

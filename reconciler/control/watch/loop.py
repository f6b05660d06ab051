"""The loop: turn after turn, each hurried by a bell or begun by the interval, until it is stopped.

It is level-triggered: whatever rang, a turn looks at the file, the log and the world as they are, in one list call, and
does what there is to do. A turn that is begun by the file waits until the file has been still for the debounce, so that
every way of saving comes to one reconcile of what was saved last.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.control.checkpoints.occasions import at_end, at_start
from reconciler.control.crew import log_folder
from reconciler.control.dispatching import Dispatching
from reconciler.control.freeze import unless_frozen
from reconciler.control.notify.notifier import Notifier
from reconciler.control.reading import now_ms
from reconciler.control.tending import Tending
from reconciler.control.watch.checks import HealthChecks
from reconciler.control.watch.files import FileWatcher
from reconciler.control.watch.hints import EngineHints
from reconciler.control.watch.processes import ProcessHints
from reconciler.control.watch.steady import SteadyReading
from reconciler.control.watch.turn import Turns
from reconciler.control.watch.wake import Bell
from reconciler.control.watch.watched import watched
from reconciler.spec.desired import Desired, ReconcileSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.control.session import Session
    from reconciler.control.watch.teller import Teller
    from reconciler.control.watch.watched import Mark

# A file that is saved without end is read nevertheless.
_LONGEST_DEBOUNCE_S = 5.0
_GATHER_ENGINE_S = 0.05


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch.

    Attributes:
        interval_ms: between looks, instead of the file's `reconcile.interval`; 0 for that.
        detect_only: changes from outside are recorded and told, and not put right.
        polling: take no notices from the file system.
        auto_resume: missions that were interrupted are taken up at the start, not only told of.
    """

    interval_ms: int = 0
    detect_only: bool = False
    polling: bool = False
    auto_resume: bool = False


class Loop:
    """Watches one project. `run` returns after `stop`, which may be called from anywhere.

    Attributes:
        turns: the state that a turn leaves.
        turning: a turn is being taken right now.
        turned_at: when the last turn was over, on the monotonic clock.
    """

    def __init__(
        self,
        session: Session,
        teller: Teller,
        options: WatchOptions = WatchOptions(),
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._session = session
        self._teller = teller
        self._options = options
        self._clock = clock
        self._bell = Bell()
        self._stopping = threading.Event()
        steady = SteadyReading(unless_frozen(clock))
        self.turns = Turns(session, teller, clock, random.random, detect_only=options.detect_only, steady=steady)
        self._files = FileWatcher(self._bell, polling=options.polling, tell=lambda text: teller.tell("warning", text))
        self._hints = EngineHints(self._bell, lambda: session.runtime, session.project)
        self._checks = HealthChecks(self._bell, lambda: session.runtime, clock)
        self._processes = ProcessHints(self._bell, lambda: session.processes, log_folder(session))
        self._notifier = Notifier(session, self._desired)
        self._dispatching = Dispatching(session, self._desired, teller, lambda: self._bell.ring("work"))
        self._tending = Tending(session, self._desired, teller, clock)
        self.turning = False
        self.turned_at = time.monotonic()

    def run(self, *, ready: Callable[[], None] = lambda: None) -> None:
        """Watch until `stop`.

        Args:
            ready: called when the first turn is over.

        Raises:
            LogUnusable: nothing can be recorded, so nothing may be done.
        """
        try:
            self._watch_files()
            self._look_back()
            self._hints.start()
            self._checks.start()
            self._processes.start()
            self._notifier.start()
            self._tending.start()
            self._dispatching.start()
            self._turn()
            ready()
            while not self._stopping.is_set():
                self._wait()
                if not self._stopping.is_set():
                    self._turn()
        finally:
            self._dispatching.stop()
            self._tending.stop()
            self._notifier.stop()
            self._hints.stop()
            self._processes.stop()
            self._checks.stop()
            self._files.stop()
            at_end(self._session)

    def stop(self) -> None:
        """End it: what is under way is finished, nothing more is begun. Safe in a signal handler's thread."""
        self._stopping.set()
        self.turns.interrupt.set()
        # From another thread, since a handler may have stopped the one that holds the bell's lock.
        threading.Thread(target=self._bell.ring, args=("stop",), daemon=True).start()

    def pause(self) -> bool:
        """Carry nothing out until asked again; whether it is paused now."""
        self.turns.paused = not self.turns.paused
        self._bell.ring("asked")
        return self.turns.paused

    def apply_now(self) -> None:
        """Somebody wants the next turn now, and agrees to what it destroys."""
        self.turns.say_yes()
        self._bell.ring("asked")

    @property
    def interval_s(self) -> float:
        """The longest time between two turns."""
        return (self._options.interval_ms or self._settings.interval_ms) / 1000

    @property
    def _settings(self) -> ReconcileSettings:
        seen = self.turns.seen
        return seen.desired.reconcile if seen is not None else ReconcileSettings()

    def _desired(self) -> Desired | None:
        """The fleet as the last turn saw it."""
        return self.turns.seen.desired if self.turns.seen is not None else None

    def _look_back(self) -> None:
        """What was interrupted before this start: told of, or taken up, before silence makes anything of it."""

        def tell(text: str) -> None:
            self._teller.tell("warning", text)

        at_start(self._session, self._clock(), tell, auto_resume=self._options.auto_resume)

    def _turn(self) -> None:
        self.turning = True
        self.turns.take()
        self._watch_files()
        if self.turns.seen is not None:
            self._checks.set(self.turns.seen.desired, self.turns.seen.projected)
        # What the turn itself has started is looked at, too.
        store = self._session.store
        self._processes.set(store.rows() if store is not None else None)
        self.turning = False
        self.turned_at = time.monotonic()

    def _watch_files(self) -> None:
        """Watch what the last reading depended on, and what is wrong now."""
        seen, rejected = self.turns.seen, self.turns.steady.rejected
        inputs = seen.reading.inputs if seen is not None else {}
        wrong = [one.file for one in rejected.problems] if rejected is not None else []
        session = self._session
        self._files.watch(watched(inputs, file=session.file, project=session.directory, more=wrong))

    def _wait(self) -> None:
        """Until something rings, the interval is over, or something is due; then until the file is still."""
        until = self._clock() + int(self.interval_s * 1000)
        if self.turns.soon_ms is not None:
            until = min(until, self.turns.soon_ms)
        rings = self._bell.wait((until - self._clock()) / 1000)
        if "file" in rings:
            self._until_still()
        elif "engine" in rings:
            # One thing that happens makes several events.
            self._stopping.wait(_GATHER_ENGINE_S)
            if "file" in self._bell.wait(0):
                self._until_still()

    def _until_still(self) -> None:
        """Wait until the files have not changed for the debounce."""
        pause = self._settings.debounce_ms / 1000
        end = time.monotonic() + max(_LONGEST_DEBOUNCE_S, pause)
        mark: Mark | None = None
        while not self._stopping.is_set() and time.monotonic() < end:
            now = self._files.mark()
            if now == mark:
                return
            mark = now
            self._stopping.wait(pause)
            self._bell.wait(0)

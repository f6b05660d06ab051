"""Watching from a program: the loop in a thread of its own, for as long as a block lasts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from reconciler.errors import TimedOut
from reconciler.library.progress import Progress, Steps

if TYPE_CHECKING:
    from types import TracebackType

    from reconciler.control.session import Session
    from reconciler.control.watch.loop import WatchOptions


class Watching:
    """Keeps a fleet what its file says. A context manager: it begins with the block and ends with it.

    What ends the loop early (the log cannot be written any more) is raised where the block ends.
    """

    def __init__(self, session: Session, progress: Progress, options: WatchOptions) -> None:
        from reconciler.control.watch.loop import Loop

        self._session = session
        self._loop = Loop(session, Steps(progress), options)
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fleet-watching", daemon=True)

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._failed is not None and error is None:
            raise self._failed

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Until the first turn is over.

        Raises:
            TimedOut: it takes longer than that.
            FleetError: the loop has ended before.
        """
        if not self._ready.wait(timeout_s):
            raise TimedOut(f"the first look has not come to an end within {timeout_s:g} s")
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    def apply_now(self) -> None:
        """Take the next turn now, and agree to what it destroys."""
        self._loop.apply_now()

    def pause(self) -> bool:
        """Carry nothing out until asked again; whether it is paused now."""
        return self._loop.pause()

    def stop(self) -> None:
        """End it: what is under way is finished, nothing more is begun. Returns when it has ended."""
        self._loop.stop()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._session:
                self._loop.run(ready=self._ready.set)
        except BaseException as error:
            self._failed = error
        finally:
            self._ready.set()

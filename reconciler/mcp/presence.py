"""Presence: a specialist that joined is heard of while its server runs, and leaves when that ends."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from reconciler.errors import FleetError

if TYPE_CHECKING:
    from reconciler.mcp.seat import Seat

EVERY_S = 20.0


class Presence:
    """Signs of life in a thread. A context manager; leaving takes a final checkpoint and gives back what is held.

    Args:
        every_s: seconds between signs; the specialist's time-out has to be longer.
    """

    def __init__(self, seat: Seat, *, every_s: float = EVERY_S) -> None:
        self._seat = seat
        self._every_s = every_s
        self._over = threading.Event()
        self._left = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="fleet-presence", daemon=True)

    def __enter__(self) -> Presence:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()

    def leave(self) -> None:
        """Leave, once; safe from any thread."""
        with self._left:
            if self._over.is_set():
                return
            self._over.set()
            if self._thread.ident is not None and self._thread is not threading.current_thread():
                self._thread.join()
            try:
                self._seat.leave("the agent has left")
            except FleetError:
                # Somebody has ended it already, or nothing can be recorded: then the sweep takes back what it held.
                return

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                self._seat.live()
            except FleetError:
                # The next tool that is used says what is wrong, in words that the agent sees.
                continue

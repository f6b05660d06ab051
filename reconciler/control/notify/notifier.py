"""Who tells: a command at its end, for a moment, and the loop's own thread for as long as it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.control.reading import now_ms
from reconciler.errors import FleetError

if TYPE_CHECKING:
    from reconciler.control.notify.outbox import Outbox
    from reconciler.control.session import Session
    from reconciler.projections.store import Store
    from reconciler.spec.desired import Desired, Notification

AFTER_A_COMMAND_S = 5.0
_POLL_S = 1.0
_JOIN_S = 1.0


def tell_now(session: Session, desired: Desired, *, seconds: float = AFTER_A_COMMAND_S) -> bool:
    """Tell the sinks what they have not been told yet; whether all of it was.

    What is left is told by the next command or by the loop. No error of a sink or of the log reaches the caller, whose own
    work is done.

    Args:
        seconds: no try is begun after this long.
    """
    if not desired.notifications:
        return True
    until = time.monotonic() + seconds
    try:
        outbox = _outbox(session, session.writable(desired.database), desired)
        while True:
            due = outbox.tell(stop=lambda: time.monotonic() > until)
            left = until - time.monotonic()
            if due is None or due - now_ms() > left * 1000:
                return due is None
            time.sleep(max(0, (due - now_ms()) / 1000))
    except FleetError:
        return False


def _outbox(session: Session, store: Store, desired: Desired) -> Outbox:
    from reconciler.control.notify.outbox import Outbox

    return Outbox(store, desired, session.cause, project=session.directory, environ=session.environ, clock=now_ms)


class Notifier:
    """A thread that tells the sinks beside the loop, on a store of its own, so that neither waits for the other."""

    def __init__(self, session: Session, desired: Callable[[], Desired | None]) -> None:
        """Remember what to tell about.

        Args:
            desired: the fleet as the loop last saw it; None before that.
        """
        self._session = session
        self._desired = desired
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-notify", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further try; one that is under way is not waited for longer than a moment, and is made again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            desired = self._desired()
            if desired is not None and desired.notifications and self._session.database.exists():
                self._tell_while(desired)
            self._stopping.wait(_POLL_S)

    def _tell_while(self, desired: Desired) -> None:
        """Tell for as long as the file declares the same sinks."""
        from reconciler.projections.store import open_store

        try:
            with open_store(self._session.database, settings=desired.database) as store:
                outbox = _outbox(self._session, store, desired)
                while not self._stopping.is_set() and self._sinks() == desired.notifications:
                    outbox.tell(stop=self._stopping.is_set)
                    self._stopping.wait(_POLL_S)
        except FleetError:
            # The loop says what is wrong with the log; here it is tried again.
            return

    def _sinks(self) -> tuple[Notification, ...]:
        desired = self._desired()
        return desired.notifications if desired is not None else ()

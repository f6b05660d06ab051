"""Ctrl-C while something is being done: once to end in good order, twice to leave at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_EXIT_CODE = 130
_SAID = b"\nfleet: finishing what is under way; once more to leave at once\n"


@contextmanager
def interruptible(interrupt: threading.Event, *, begun: Callable[[], bool]) -> Iterator[None]:
    """Within the block the first signal sets `interrupt` and the second ends the process on the spot.

    What that leaves half done is settled by the next run, as after any crash.

    Args:
        begun: whether anything is under way; before that a signal ends the command as usual.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupt.is_set():
            os._exit(_EXIT_CODE)
        interrupt.set()
        if not begun():
            raise KeyboardInterrupt
        os.write(2, _SAID)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

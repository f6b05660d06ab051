"""What the commands that tend the log share: opening one that is there, and showing how far they are."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from reconciler.errors import NotFound

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.store import Store

_EVERY_SECONDS = 0.1


def existing_log(session: Session) -> Store:
    """The log for writing; one that is not there is not made.

    Raises:
        NotFound: nothing was ever recorded.
    """
    if not session.database.exists():
        raise NotFound("nothing has been applied here yet", where=str(session.database), hint="fleet apply")
    return session.writable()


def now_ms() -> int:
    """The clock, in Unix ms."""
    return time.time_ns() // 1_000_000


class Counter:
    """A line on the terminal that says how far something is; nothing where nobody looks."""

    def __init__(self, doing: str, *, quiet: bool) -> None:
        self._doing = doing
        self._shown = not quiet and sys.stderr.isatty()
        self._next = 0.0

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int, of: int = 0) -> None:
        """Say how far it is, at most ten times a second."""
        if not self._shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_SECONDS
        total = f" of {of:,} ({100 * done // of} %)" if of else ""
        print(f"\r\x1b[K{self._doing} {done:,}{total}", end="", file=sys.stderr, flush=True)

    def say(self, doing: str) -> None:
        """Say something else."""
        self._doing = doing
        if self._shown:
            print(f"\r\x1b[K{doing}", end="", file=sys.stderr, flush=True)


def size(count: int) -> str:
    """Bytes as people read them: `512 B`, `1.4 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"

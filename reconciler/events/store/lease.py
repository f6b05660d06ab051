"""The writer's lease: one writer at a time, and a fencing token that refuses the one who lost it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """Who holds the lease. Times are Unix ms."""

    token: int
    holder: str
    purpose: str
    acquired_at: int
    renewed_at: int
    expires_at: int


class Lease:
    """Our hold on the log; released at the end of the `with` block."""

    def __init__(self, info: LeaseInfo, renew: Callable[[int], None], release: Callable[[int], None]) -> None:
        self.info = info
        self._renew, self._release = renew, release

    @property
    def token(self) -> int:
        """Greater than that of every lease before."""
        return self.info.token

    def renew(self) -> None:
        """Hold it for another term.

        Raises:
            LeaseLost: somebody else has it now.
        """
        self._renew(self.token)

    def release(self) -> None:
        """Give it back."""
        self._release(self.token)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

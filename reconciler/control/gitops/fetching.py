"""Fetching, in a thread of its own: a repository that does not answer keeps nobody from looking after what runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.control.gitops.verification import Policy, Unacceptable, accept
from reconciler.errors import FleetError

if TYPE_CHECKING:
    from reconciler.control.gitops.repository import Repository
    from reconciler.control.gitops.status import Board
    from reconciler.control.watch.teller import Teller

# However often somebody asks to hurry.
_SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """The branch's newest commit, and why it must not be taken up; empty when it may."""

    commit: str
    why: str = ""
    hint: str = ""


class Fetcher:
    """Fetches on an interval, and when hurried.

    Args:
        fetched: is called after each fetch that worked.

    Attributes:
        found: what the last one that worked brought; None before the first.
    """

    def __init__(
        self,
        repository: Repository,
        policy: Policy,
        board: Board,
        teller: Teller,
        *,
        interval_s: float,
        clock: Callable[[], int],
        fetched: Callable[[], None],
    ) -> None:
        self.found: Found | None = None
        self._repository = repository
        self._policy = policy
        self._board = board
        self._teller = teller
        self._interval_s = interval_s
        self._clock = clock
        self._fetched = fetched
        self._hurried = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-fetch", daemon=True)

    def start(self) -> None:
        """Fetch for the first time, now."""
        self._thread.start()

    def stop(self) -> None:
        """End, with a fetch that is under way."""
        self._stopped.set()
        self._hurried.set()
        self._repository.stop()
        if self._thread.is_alive():
            self._thread.join()

    def hurry(self) -> None:
        """Fetch now instead of later."""
        self._hurried.set()

    def _run(self) -> None:
        said = ""
        while not self._stopped.is_set():
            self._hurried.clear()
            try:
                self.found = self.judge(self._repository.fetch())
            except (FleetError, OSError) as error:
                said = self._failed(str(error), said)
            else:
                if said:
                    self._teller.tell("info", "the repository answers again")
                said = ""
                self._board.set(error="", fetched_at=self._clock())
                self._fetched()
            self._stopped.wait(_SHORTEST_S)
            self._hurried.wait(self._interval_s - _SHORTEST_S)

    def judge(self, commit: str) -> Found:
        """Whether a commit may be taken up as things are now."""
        try:
            accept(self._repository, commit, self._policy)
        except Unacceptable as error:
            return Found(commit, error.what, error.hint)
        return Found(commit)

    def _failed(self, why: str, said: str) -> str:
        if why != said and not self._stopped.is_set():
            self._teller.tell("error", f"the branch cannot be fetched, so what holds stays: {why}")
            self._board.set(error=why)
        return why

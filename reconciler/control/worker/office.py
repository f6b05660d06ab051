"""The office: what a worker asks of the desk, and how it hears that there may be something to do.

The protocol is small and its values have a plain JSON form, so that a desk behind HTTP can answer it as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from reconciler.control.desk import checkpoints, claiming, reading, returning, sorties, specialists
from reconciler.control.desk.briefing import Brief, brief
from reconciler.control.desk.desk import Command, Desk, Done, Work
from reconciler.control.worker import handing_in
from reconciler.control.worker.handing_in import Artifact, Cost
from reconciler.control.worker.identity import Identity
from reconciler.projections.store import EventQuery, Store
from reconciler.work.attempts import FailureCause
from reconciler.work.reviews import Verdict
from reconciler.work.state import HELD

T = TypeVar("T")

__all__ = ["HURRYING", "Artifact", "Cost", "LocalOffice", "Office"]

HURRYING = (
    "sortie_created",
    "sortie_updated",
    "sortie_completed",
    "sortie_closed",
    "sortie_status_changed",
    "sortie_attempt_failed",
    "sortie_result_reported",
    "sortie_changes_requested",
    "sortie_retried",
    "dispatch_assigned",
    "review_abandoned",
    "mission_started",
    "mission_status_changed",
    "mission_updated",
    "ctk_released",
    "specialist_drained",
    "specialist_deactivated",
    "specialist_completed",
    "budget_reset",
)
"""Events after which there may be something to do, or to stop for."""


class Office(Protocol):
    """What a worker asks for, always in its own name.

    Raises:
        WorkRefused: the desk says no.
    """

    def register(self) -> None:
        """Become known, and give back what an earlier life of this specialist held."""

    def heartbeat(self, given: Brief | None = None, metrics: Mapping[str, float] | None = None) -> bool:
        """Say that it lives, and what it is busy with; whether it is asked to take nothing more."""

    def claim(self, lease_ms: int) -> Brief | None:
        """The next thing to do, begun; None when there is nothing now."""

    def renew(self, sortie_id: str, attempt: int, lease_ms: int) -> None:
        """Keep the hold on a sortie."""

    def holds(self, given: Brief) -> bool:
        """Whether what was claimed is still its own."""

    def progress(self, sortie_id: str, attempt: int, value: int, message: str) -> None:
        """Tell how far the work is."""

    def complete(
        self, sortie_id: str, attempt: int, result: Mapping[str, Any], artifacts: Sequence[Artifact], cost: Cost
    ) -> None:
        """Hand in a result."""

    def fail(
        self, sortie_id: str, attempt: int, error: str, cause: FailureCause, retry_after_ms: int, cost: Cost
    ) -> None:
        """Say that the attempt failed, or hand the sortie back."""

    def conclude_review(
        self, given: Brief, verdict: Verdict, feedback: str, issues: Sequence[Mapping[str, str]], cost: Cost
    ) -> None:
        """Give a verdict."""

    def abandon_review(self, given: Brief, reason: str, cost: Cost) -> None:
        """Give no verdict."""

    def checkpoint(self, note: str, context: Mapping[str, Any]) -> None:
        """Keep what it has in its hands, for whoever goes on."""

    def leave(self, reason: Literal["success", "error", "timeout", "cancelled"], summary: str) -> None:
        """Be registered no longer; what it still holds goes back."""

    def anything_open(self) -> bool:
        """Whether there are sorties that have not ended and whose mission has not."""

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Until there may be something to do, it is to stop, or the time is over."""


class LocalOffice:
    """The office over a store in reach. Safe to use from several threads.

    Args:
        look_ahead_ms: ask for the next thing together with handing in a result, with a lease of so long: that is one wait
            for the disk instead of two. 0 is not to. What was claimed so and is not taken up is handed back on leaving.
        fastest_s, slowest_s: how often the log is asked whether it has grown: often after it has, seldom when it is quiet.
    """

    def __init__(
        self,
        store: Store,
        desk: Desk,
        identity: Identity,
        *,
        look_ahead_ms: int = 0,
        fastest_s: float = 0.02,
        slowest_s: float = 0.25,
    ) -> None:
        self._store = store
        self._desk = desk
        self._me = identity
        self._look_ahead_ms = look_ahead_ms
        self._ahead: list[Done[Brief | None] | Exception] = []
        self._fastest = fastest_s
        self._slowest = slowest_s
        self._seen = store.head()

    def register(self) -> None:
        spec = self._me.spec
        self._run(
            returning.register_anew(
                self._me.id, name=self._me.name, capabilities=spec.capabilities, metadata=self._me.metadata()
            )
        )

    def heartbeat(self, given: Brief | None = None, metrics: Mapping[str, float] | None = None) -> bool:
        # A sortie that somebody reviews is still its worker's own.
        current = given.job.sortie_id if given is not None and given.kind != "review" else None
        status: Literal["busy", "idle"] = "busy" if given is not None else "idle"
        beat = specialists.heartbeat(self._me.id, status=status, current_sortie=current, metrics=metrics or None)
        return self._run(beat).draining

    def claim(self, lease_ms: int) -> Brief | None:
        if self._ahead:
            answer = self._ahead.pop()
            if isinstance(answer, Exception):
                raise answer
            return answer.value
        self._seen = self._store.head()
        return self._run(self._next(lease_ms))

    def _next(self, lease_ms: int) -> Command[Brief | None]:
        ask = claiming.claim(self._me.id, lease_ms=lease_ms)

        def command(work: Work) -> Brief | None:
            found = ask(work)
            return brief(work.rows, found, self._me.id) if found is not None else None

        return command

    def renew(self, sortie_id: str, attempt: int, lease_ms: int) -> None:
        self._run(sorties.renew(sortie_id, self._me.id, attempt, lease_ms=lease_ms))

    def holds(self, given: Brief) -> bool:
        rows = self._store.rows()
        row = rows.get("sorties", given.job.sortie_id)
        if given.kind == "review":
            review = rows.get("reviews", given.review_id)
            return row is not None and row["status"] == "review" and review is not None and not review["verdict"]
        mine = row is not None and row["assigned_to"] == self._me.id and row["attempt"] == given.attempt
        return mine and row is not None and row["status"] in HELD - {"review"} and row["lease"] is not None

    def progress(self, sortie_id: str, attempt: int, value: int, message: str) -> None:
        self._run(sorties.progress(sortie_id, self._me.id, value, attempt=attempt, message=message))

    def complete(
        self, sortie_id: str, attempt: int, result: Mapping[str, Any], artifacts: Sequence[Artifact], cost: Cost
    ) -> None:
        done = handing_in.complete(sortie_id, self._me.id, result, attempt=attempt, artifacts=artifacts, cost=cost)
        if not self._look_ahead_ms:
            self._run(done)
            return
        self._seen = self._store.head()
        answer, following = self._desk.run_together(done, self._next(self._look_ahead_ms))
        self._ahead = [following]
        if isinstance(answer, Exception):
            raise answer

    def fail(
        self, sortie_id: str, attempt: int, error: str, cause: FailureCause, retry_after_ms: int, cost: Cost
    ) -> None:
        failed = handing_in.fail(
            sortie_id,
            self._me.id,
            error=error,
            cause=cause,
            attempt=attempt,
            retry_after_ms=retry_after_ms,
            cost=cost,
        )
        self._run(failed)

    def conclude_review(
        self, given: Brief, verdict: Verdict, feedback: str, issues: Sequence[Mapping[str, str]], cost: Cost
    ) -> None:
        self._run(
            handing_in.conclude_review(
                given.review_id, self._me.id, verdict, feedback=feedback, issues=issues, cost=cost
            )
        )

    def abandon_review(self, given: Brief, reason: str, cost: Cost) -> None:
        abandon = handing_in.abandon_review(given.review_id, self._me.id, given.job.sortie_id, reason=reason, cost=cost)
        self._run(abandon)

    def checkpoint(self, note: str, context: Mapping[str, Any]) -> None:
        self._run(checkpoints.take(specialist_id=self._me.id, trigger="shutdown", note=note, context=context))

    def leave(self, reason: Literal["success", "error", "timeout", "cancelled"], summary: str) -> None:
        self._run(specialists.complete(self._me.id, reason=reason, summary=summary))

    def anything_open(self) -> bool:
        rows = self._store.rows()
        missions = reading.missions(rows)
        for sortie in reading.open_sorties(rows):
            mission = missions.get(sortie.mission_id) if sortie.mission_id else None
            if mission is None or mission.status in ("pending", "in_progress"):
                return True
        return False

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        pause = self._fastest
        while not stop():
            head = self._store.head()
            if head != self._seen:
                news = EventQuery(after=self._seen, types=HURRYING, limit=1)
                self._seen = head
                pause = self._fastest
                if next(iter(self._store.events(news)), None) is not None:
                    return
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(pause, left))
            pause = min(pause * 1.3, self._slowest)

    def _run(self, command: Command[T]) -> T:
        return self._desk.run(command).value

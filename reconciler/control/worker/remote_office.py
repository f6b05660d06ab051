"""The office over HTTP: the same desk, asked from another machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from reconciler.client.calls import checkpoints, log, reviews, sorties, specialists
from reconciler.control.desk.briefing import Brief
from reconciler.control.worker.handing_in import Artifact, Cost
from reconciler.control.worker.identity import Identity
from reconciler.control.worker.office import HURRYING
from reconciler.decoders import known
from reconciler.errors import FleetError, NotFound
from reconciler.projections.store import EventQuery
from reconciler.work.attempts import FailureCause
from reconciler.work.reviews import Verdict
from reconciler.work.state import HELD

if TYPE_CHECKING:
    from reconciler.client import Client


class RemoteOffice:
    """The office of a server. Safe to use from several threads.

    Args:
        client: with a token that may work, as this specialist or as anybody.
        fastest_s, slowest_s: how often the server is asked whether there is something new.
    """

    def __init__(self, client: Client, identity: Identity, *, fastest_s: float = 0.1, slowest_s: float = 2.0) -> None:
        self._client = client
        self._me = identity
        self._fastest = fastest_s
        self._slowest = slowest_s
        self._seen = client.send(log.head()).sequence_number

    def register(self) -> None:
        call = specialists.register(
            name=self._me.name,
            specialist_id=self._me.id,
            capabilities=self._me.spec.capabilities,
            metadata=self._me.metadata(),
            anew=True,
        )
        self._client.send(call)

    def heartbeat(self, given: Brief | None = None, metrics: Mapping[str, float] | None = None) -> bool:
        # A sortie that somebody reviews is still its worker's own.
        current = given.job.sortie_id if given is not None and given.kind != "review" else None
        status: Literal["busy", "idle"] = "busy" if given is not None else "idle"
        beat = specialists.heartbeat(self._me.id, status=status, current_sortie=current, metrics=metrics or None)
        return self._client.send(beat).draining

    def claim(self, lease_ms: int) -> Brief | None:
        seen = self._client.send(log.head()).sequence_number
        found = self._client.send(sorties.claim(self._me.id, lease_ms=lease_ms))
        self._seen = seen
        return msgspec.convert(found.brief, known(Brief)) if found is not None else None

    def renew(self, sortie_id: str, attempt: int, lease_ms: int) -> None:
        self._client.send(sorties.renew(sortie_id, self._me.id, attempt, lease_ms=lease_ms))

    def holds(self, given: Brief) -> bool:
        try:
            sortie = self._client.send(sorties.get(given.job.sortie_id))
            if given.kind == "review":
                review = self._client.send(reviews.get(given.review_id))
                return sortie.status == "review" and not review.verdict
        except NotFound:
            return False
        mine = sortie.assigned_to == self._me.id and sortie.attempt == given.attempt
        return mine and sortie.status in HELD - {"review"} and sortie.lease is not None

    def progress(self, sortie_id: str, attempt: int, value: int, message: str) -> None:
        self._client.send(sorties.progress(sortie_id, self._me.id, value, attempt=attempt, message=message))

    def complete(
        self, sortie_id: str, attempt: int, result: Mapping[str, Any], artifacts: Sequence[Artifact], cost: Cost
    ) -> None:
        made = [msgspec.to_builtins(one) for one in artifacts]
        call = sorties.complete(sortie_id, self._me.id, result, attempt=attempt, artifacts=made, cost=_plain(cost))
        self._client.send(call)

    def fail(
        self, sortie_id: str, attempt: int, error: str, cause: FailureCause, retry_after_ms: int, cost: Cost
    ) -> None:
        call = sorties.fail(
            sortie_id,
            self._me.id,
            error=error,
            cause=cause,
            attempt=attempt,
            retry_after_ms=retry_after_ms,
            cost=_plain(cost),
        )
        self._client.send(call)

    def conclude_review(
        self, given: Brief, verdict: Verdict, feedback: str, issues: Sequence[Mapping[str, str]], cost: Cost
    ) -> None:
        call = reviews.complete(
            given.review_id, self._me.id, verdict, feedback=feedback, issues=issues, cost=_plain(cost)
        )
        self._client.send(call)

    def abandon_review(self, given: Brief, reason: str, cost: Cost) -> None:
        self._client.send(reviews.abandon(given.review_id, self._me.id, reason=reason, cost=_plain(cost)))

    def checkpoint(self, note: str, context: Mapping[str, Any]) -> None:
        self._client.send(checkpoints.create(self._me.id, context, note=note, trigger="shutdown"))

    def leave(self, reason: Literal["success", "error", "timeout", "cancelled"], summary: str) -> None:
        self._client.send(specialists.complete(self._me.id, reason=reason, summary=summary))

    def anything_open(self) -> bool:
        return bool(self._client.send(sorties.list_(open_=True, limit=1)).items)

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        pause = self._fastest
        while not stop():
            if self._news():
                return
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, self._slowest)

    def _news(self) -> bool:
        """Whether there is an event after which there may be something to do; a server that is away has none."""
        try:
            found = self._client.send(log.events(EventQuery(after=self._seen, types=HURRYING), limit=1))
        except FleetError:
            return False
        if found:
            self._seen = int(found[0]["sequence_number"])
        return bool(found)


def _plain(cost: Cost) -> dict[str, Any] | None:
    return msgspec.to_builtins(cost) if cost != Cost() else None

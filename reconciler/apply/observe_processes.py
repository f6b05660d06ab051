"""Observe processes: what the look shows and the log does not say yet, as events. Pure: values in, values out.

An intent that a crash left open accounts for what it had asked for; everything else was somebody else's doing. A process
of which nothing could be learned is no news.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from reconciler.events.envelope import NewEvent
from reconciler.ids import uuid7
from reconciler.projections.pools import ProjectedProcess
from reconciler.projections.projected import Projected, ProjectedIntent
from reconciler.runtime.model import LABEL_DIGEST, LABEL_REPLICA, LABEL_RESOURCE
from reconciler.runtime.process.model import ObservedProcess, ObservedProcesses

_ENDING = frozenset({"replace", "delete", "stop"})
_STARTING = frozenset({"start"})


def process_observations(projected: Projected, observed: ObservedProcesses, *, now_ms: int) -> list[NewEvent]:
    """What differs from the log, in a fixed order: known processes first, then those it did not know."""
    seen = {process.process_id: process for process in observed.processes}
    look = _Look(projected, observed, now_ms)
    known = [one for _, pool in sorted(projected.pools.items()) for one in pool.processes]
    events = [event for one in known for event in look.changes(one, seen.get(one.process_id))]
    strangers = seen.keys() - {one.process_id for one in known}
    for process_id in sorted(strangers, key=lambda one: (seen[one].started_ms, one)):
        events.extend(look.found(seen[process_id]))
    return events


class _Look:
    """One look: what was known before, and when it was taken."""

    def __init__(self, projected: Projected, observed: ObservedProcesses, now_ms: int) -> None:
        self._observed = observed
        self._intents = projected.intents
        self._pools = projected.pools
        self._now = now_ms
        self._open = {(intent.resource, intent.replica): intent for intent in projected.intents.values()}

    def changes(self, known: ProjectedProcess, seen: ObservedProcess | None) -> Iterator[NewEvent]:
        """What became of a process that the log knows."""
        if seen is None:
            if known.alive and known.pid not in self._observed.unknown:
                yield self._ended(known)
        elif not known.alive:
            # It was taken for ended and is not: to the log it is a process that appears.
            yield from self.found(seen)
        elif seen.state != known.state:
            intent = self._intent(known, _STARTING) if seen.state == "running" else None
            data: dict[str, Any] = {}
            if seen.state == "running":
                data = {"intent_id": _label(intent)} if intent is not None else {"external": True}
            event_type = "specialist_process_resumed" if seen.state == "running" else "specialist_process_paused"
            yield self._event(known.pool, known.replica, known.process_id, event_type, data, intent)

    def found(self, seen: ObservedProcess) -> Iterator[NewEvent]:
        """A process that carries our marks and that the log does not know."""
        owner = ownership(seen)
        if owner is None:
            return
        intent = self._intents.get(seen.process_id.rpartition("_")[2])
        data = {"pid": seen.pid, "digest": seen.labels.get(LABEL_DIGEST, ""), "intent_id": seen.process_id}
        yield self._event(*owner, seen.process_id, "specialist_process_found", data, intent)
        if seen.state == "paused":
            yield self._event(*owner, seen.process_id, "specialist_process_paused", {}, None)

    def _ended(self, known: ProjectedProcess) -> NewEvent:
        intent = self._intent(known, _ENDING)
        code = self._observed.exit_codes.get(known.process_id)
        data: dict[str, Any] = {} if code is None else {"exit_code": code}
        if intent is not None:
            data["intent_id"] = _label(intent)
        pool = self._pools.get(known.pool)
        # One that drains ends by itself when it is done, which is what somebody asked for.
        wanted_down = pool is not None and pool.is_down(known.replica)
        asked = intent is not None or known.drains_until is not None or wanted_down
        event_type = "specialist_process_stopped" if asked else "specialist_process_exited"
        return self._event(known.pool, known.replica, known.process_id, event_type, data, intent)

    def _intent(self, known: ProjectedProcess, actions: frozenset[str]) -> ProjectedIntent | None:
        """The open intent that accounts for what is seen."""
        intent = self._open.get((f"specialist/{known.pool}", known.replica))
        return intent if intent is not None and intent.action in actions else None

    def _event(
        self,
        pool: str,
        replica: int,
        process_id: str,
        event_type: str,
        data: dict[str, Any],
        intent: ProjectedIntent | None,
    ) -> NewEvent:
        """An event whose id follows from what it says."""
        named = {"pool": pool, "replica": replica, "process_id": process_id, **data}
        content = repr((event_type, sorted(named.items()))).encode()
        return NewEvent(
            event_type,
            "specialist",
            pool,
            named,
            event_id=uuid7(self._now, hashlib.sha256(content).digest()[:10]),
            causation_id=UUID(intent.intent_id) if intent is not None else None,
            occurred_at=self._now,
        )


def ownership(seen: ObservedProcess) -> tuple[str, int] | None:
    """The pool and replica that a process's marks name; None for broken ones."""
    kind, _, pool = seen.labels.get(LABEL_RESOURCE, "").partition("/")
    replica = seen.labels.get(LABEL_REPLICA, "")
    if kind != "specialist" or not pool or not (replica.isascii() and replica.isdigit() and int(replica) > 0):
        return None
    return pool, int(replica)


def _label(intent: ProjectedIntent) -> str:
    return f"evt_{intent.intent_id}"

"""Checkpoints: enough of what the agents are doing to go on elsewhere after a crash.

A checkpoint holds the sorties, locks and undelivered messages of its moment, and a recovery context that tells the
next specialist what happened, as data and as text for a prompt. Restoring is planned first, as a value that can be
shown, and then carried out as events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from reconciler.events.envelope import NewEvent
from reconciler.units import format_duration
from reconciler.work import attempts, squawk
from reconciler.work import locks as lock_commands
from reconciler.work.graph import readiness
from reconciler.work.refusals import InputRefused
from reconciler.work.state import ENDED, FileLock, Message, Mission, Sortie, iso

Trigger = Literal["scheduled", "manual", "shutdown", "progress", "error", "compaction"]
SCHEMA = 1
SILENT_AFTER_MS = 300_000
KEEP_MS = 7 * 86_400_000
KEEP_LAST_OF_COMPLETED_MS = 30 * 86_400_000
KEEP_AT_LEAST = 3
_MOST_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What whoever goes on has to know."""

    last_action: str = ""
    next_steps: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    files_modified: tuple[str, ...] = ()
    mission_summary: str = ""
    elapsed_time_ms: int = 0
    last_activity_at: int = 0

    def to_document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "last_action": self.last_action,
            "next_steps": list(self.next_steps),
            "blockers": list(self.blockers),
            "files_modified": list(self.files_modified),
            "mission_summary": self.mission_summary,
            "elapsed_time_ms": self.elapsed_time_ms,
            "last_activity_at": iso(self.last_activity_at),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Recovery:
        """Read the JSON form back; what is missing or of another kind is left out, since it is there for people."""

        def texts(key: str) -> tuple[str, ...]:
            found = document.get(key)
            return tuple(str(one) for one in found) if isinstance(found, list) else ()

        elapsed = document.get("elapsed_time_ms")
        at = document.get("last_activity_at")
        return cls(
            last_action=str(document.get("last_action") or ""),
            next_steps=texts("next_steps"),
            blockers=texts("blockers"),
            files_modified=texts("files_modified"),
            mission_summary=str(document.get("mission_summary") or ""),
            elapsed_time_ms=elapsed if isinstance(elapsed, int) else 0,
            last_activity_at=_unix_ms(at) if isinstance(at, str) else 0,
        )

    def to_prompt(self) -> str:
        """Text for an agent's prompt. What agents reported appears as quoted data, never as an instruction."""
        lines = ["You take over work that was interrupted. This is what is known of it."]
        for title, text in (("Mission", self.mission_summary), ("Last action", self.last_action)):
            if text:
                lines.append(f"{title}: {_quoted(text)}")
        lines.append(f"Time spent so far: {format_duration(self.elapsed_time_ms)}")
        for title, items in (
            ("Next steps", self.next_steps),
            ("Blockers", self.blockers),
            ("Files modified so far", self.files_modified),
        ):
            if items:
                lines.append(f"{title}:")
                lines.extend(f"- {_quoted(item)}" for item in items)
        return "\n".join(lines)


def _unix_ms(text: str) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return 0


def _quoted(text: str) -> str:
    """One line of reported text; line ends and control characters would let it pose as a line of the prompt."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def recovery_of(
    mission: Mission | None,
    sorties: Sequence[Sortie],
    *,
    now_ms: int,
    last_action: str = "",
    last_activity_at: int | None = None,
    extra_blockers: Sequence[str] = (),
) -> Recovery:
    """The recovery context that follows from the state of a mission's sorties (or of one specialist's)."""
    statuses = {sortie.id: sortie.status for sortie in sorties}
    steps = [
        *(f"finish {_named(s)} ({s.progress} % done)" for s in sorties if s.status == "in_progress"),
        *(f"review {_named(s)}" for s in sorties if s.status == "review"),
        *(f"start {_named(s)}" for s in sorties if s.status == "assigned"),
        *(f"start {_named(s)}" for s in sorties if s.status == "pending" and readiness(s, statuses).state == "ready"),
    ]
    blockers = [
        *extra_blockers,
        *(f"{_named(s)} is blocked: {s.blocked_reason}" for s in sorties if s.status == "blocked"),
        *(f"{_named(s)} failed" for s in sorties if s.status == "failed"),
    ]
    files: dict[str, None] = {}
    for sortie in sorties:
        if sortie.attempt:
            files.update(dict.fromkeys(sortie.plan.files))
            files.update(dict.fromkeys((sortie.result or sortie.reported or {}).get("artifacts") or ()))
    done = sum(sortie.status == "completed" for sortie in sorties)
    summary = f"{mission.title}: {done} of {len(sorties)} sorties completed" if mission else ""
    begun = mission.started_at if mission else min((s.started_at for s in sorties if s.started_at), default=None)
    return Recovery(
        last_action=last_action,
        next_steps=tuple(steps[:_MOST_LISTED]),
        blockers=tuple(blockers),
        files_modified=tuple(files),
        mission_summary=summary,
        elapsed_time_ms=max(now_ms - begun, 0) if begun is not None else 0,
        last_activity_at=now_ms if last_activity_at is None else last_activity_at,
    )


def _named(sortie: Sortie) -> str:
    return f"{sortie.plan.name or sortie.id} “{sortie.title}”"


def create(
    checkpoint_id: str,
    specialist_id: str,
    *,
    trigger: Trigger,
    now_ms: int,
    recovery: Recovery,
    sorties: Sequence[Sortie] = (),
    messages: Sequence[Message] = (),
    locks: Sequence[FileLock] = (),
    mission_id: str | None = None,
    progress: int | None = None,
    note: str = "",
    context: Mapping[str, Any] | None = None,
    ttl_hours: float | None = None,
    specialist_count: int = 1,
    event_sequence: int = 0,
) -> list[NewEvent]:
    """Take a checkpoint.

    Args:
        specialist_id: whose state this is; `fleet` for a whole mission's.
        context: the caller's own facts (current_sortie, working_files, notes …).
        progress: the mission's share in percent, where that was the trigger.
        event_sequence: the log's head at this moment.

    Raises:
        InputRefused: no specialist, or a time to live that is not positive.
    """
    if not specialist_id:
        raise InputRefused("a checkpoint needs a specialist")
    if ttl_hours is not None and ttl_hours <= 0:
        raise InputRefused(f"a checkpoint's time to live is a positive number of hours, not {ttl_hours}")
    open_sorties = [sortie for sortie in sorties if not sortie.ended]
    pending = [message for message in messages if message.status != "acked"]
    held = [lock for lock in locks if lock.status == "active" and lock.expires_at > now_ms]
    facts: dict[str, Any] = {
        **(context or {}),
        "schema": SCHEMA,
        "trigger": trigger,
        "recovery": recovery.to_document(),
        "sorties": {sortie.id: _kept_sortie(sortie) for sortie in sorties},
        "locks": {lock.id: _kept_lock(lock) for lock in held},
    }
    for key, value in (("mission_id", mission_id), ("progress", progress), ("note", note)):
        if value is not None and value != "":
            facts[key] = value
    data: dict[str, Any] = {
        "checkpoint_id": checkpoint_id,
        "specialist_id": specialist_id,
        "context": facts,
        "active_sorties": [sortie.id for sortie in open_sorties],
        "pending_messages": [message.id for message in pending],
        "held_locks": [lock.id for lock in held],
    }
    if ttl_hours is not None:
        data["ttl_hours"] = ttl_hours
    about = {
        "checkpoint_id": checkpoint_id,
        "trigger": trigger,
        "specialist_count": specialist_count,
        "event_sequence": event_sequence,
    }
    return [
        NewEvent("checkpoint_created", "checkpoint", checkpoint_id, data, occurred_at=now_ms),
        NewEvent("fleet_checkpointed", "checkpoint", checkpoint_id, about, occurred_at=now_ms),
    ]


def _kept_sortie(sortie: Sortie) -> dict[str, Any]:
    return {
        "status": sortie.status,
        "title": sortie.title,
        "assigned_to": sortie.assigned_to,
        "progress": sortie.progress,
        "attempt": sortie.attempt,
        "files": list(sortie.plan.files),
    }


def _kept_lock(lock: FileLock) -> dict[str, Any]:
    return {
        "file_path": lock.file_path,
        "normalized_path": lock.normalized_path,
        "purpose": lock.purpose,
        "reserved_by": lock.reserved_by,
        "timeout_ms": max(lock.expires_at - lock.reserved_at, 1),
        "checksum": lock.checksum,
    }


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read back, from its row or its file."""

    id: str
    specialist_id: str
    context: Mapping[str, Any]
    created_at: int
    pending_messages: tuple[str, ...] = ()
    mission_id: str | None = None
    trigger: str = "manual"
    progress: int = 0
    expires_at: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Checkpoint:
        """A checkpoint from its row or JSON file.

        Raises:
            InputRefused: it is corrupt; take the one before.
        """
        try:
            context = row["context"]
            _check_context(context)
            return cls(
                id=str(row["id"]),
                specialist_id=str(row["specialist_id"]),
                context=context,
                created_at=int(row["created_at"]),
                pending_messages=tuple(row.get("pending_messages") or ()),
                mission_id=row.get("mission_id"),
                trigger=row.get("trigger") or "manual",
                progress=int(row.get("progress") or 0),
                expires_at=row.get("expires_at"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            name = row.get("id", "without an id") if isinstance(row, Mapping) else "that is no object"
            raise InputRefused(f"checkpoint {name} is corrupt: {error}", hint="the one before can be used") from error


def _check_context(context: Mapping[str, Any]) -> None:
    """Whether everything that restoring reads is there.

    Raises:
        TypeError, KeyError: it is not.
    """
    for key in ("sorties", "locks", "recovery"):
        if not isinstance(context.get(key, {}), Mapping):
            raise TypeError(f"{key} is no object")
    for name, kept in context.get("sorties", {}).items():
        if not isinstance(kept, Mapping):
            raise TypeError(f"sortie {name} is no object")
    for kept in context.get("locks", {}).values():
        for fact in ("file_path", "purpose", "reserved_by", "timeout_ms"):
            kept[fact]
    if not isinstance(context.get("recovery", {}).get("blockers", []), list):
        raise TypeError("blockers is no list")


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What restoring a checkpoint will do.

    Attributes:
        sorties: open sorties that go back to the pool, to be taken up again.
        ended: sorties that were open then and have ended since; they are left alone.
        locks: the reservations that will be asked for again: normalised path, purpose, time-out in ms, checksum.
        release: locks of specialists that are gone.
        requeue: messages that were not dealt with.
        blockers: what could not be restored, in words.
    """

    checkpoint: Checkpoint
    sorties: tuple[Sortie, ...]
    ended: tuple[Sortie, ...]
    locks: tuple[tuple[str, str, int, str | None], ...]
    release: tuple[FileLock, ...]
    requeue: tuple[Message, ...]
    blockers: tuple[str, ...]


def plan_restore(
    checkpoint: Checkpoint,
    *,
    sorties: Iterable[Sortie],
    locks: Sequence[FileLock],
    messages: Iterable[Message],
    alive: Collection[str],
    now_ms: int,
) -> RestorePlan:
    """What to do so that the work of this checkpoint goes on.

    Args:
        sorties, locks, messages: as they are now; other missions' are passed over, except that their locks count.
        alive: ids of specialists that work; what they hold stays theirs.
    """
    known = {sortie.id: sortie for sortie in sorties}
    back: list[Sortie] = []
    ended: list[Sortie] = []
    blockers: list[str] = []
    for name, then in checkpoint.context.get("sorties", {}).items():
        if then.get("status") in ENDED:
            continue
        sortie = known.get(name)
        if sortie is None:
            blockers.append(f"sortie {name} is not there any more")
        elif sortie.ended:
            ended.append(sortie)
        elif sortie.status in ("assigned", "in_progress", "blocked") and sortie.assigned_to not in alive:
            back.append(sortie)
    orphaned = tuple(lock for lock in locks if lock.status == "active" and lock.reserved_by not in alive)
    remaining = [lock for lock in locks if lock.status == "active" and lock.reserved_by in alive]
    wanted: list[tuple[str, str, int, str | None]] = []
    for kept in checkpoint.context.get("locks", {}).values():
        if kept["reserved_by"] in alive:
            continue
        path = kept.get("normalized_path") or lock_commands.normalize(kept["file_path"])
        in_the_way = lock_commands.holding(remaining, path, now_ms)
        if in_the_way:
            blockers.append(
                f"{kept['file_path']} is held by {in_the_way[0].reserved_by} until {iso(in_the_way[0].expires_at)}"
            )
        else:
            wanted.append((path, kept["purpose"], int(kept["timeout_ms"]), kept.get("checksum")))
    mine = set(checkpoint.pending_messages)
    requeue = tuple(message for message in messages if message.id in mine and message.status == "read")
    return RestorePlan(checkpoint, tuple(back), tuple(ended), tuple(wanted), orphaned, requeue, tuple(blockers))


def restore(
    plan: RestorePlan,
    specialist_id: str,
    lock_ids: Sequence[str],
    *,
    now_ms: int,
    reopened: Sequence[Sortie] = (),
) -> list[NewEvent]:
    """Carry a restore plan out for a specialist.

    Args:
        specialist_id: who goes on; empty leaves it to whoever claims the sorties, and reserves nothing.
        lock_ids: an id for each of the plan's locks.
        reopened: sorties that failed since then and were opened again.
    """
    by = specialist_id or "fleet"
    events: list[NewEvent] = [lock_commands.released_event(lock, "crash", now_ms) for lock in plan.release]
    for sortie in plan.sorties:
        reason = f"restored from checkpoint {plan.checkpoint.id}"
        events += attempts.hand_back(sortie, by=by, now_ms=now_ms, reason=reason)
    wanted = plan.locks if specialist_id else ()
    for lock_id, (path, purpose, timeout_ms, checksum) in zip(lock_ids, wanted, strict=True):
        events += lock_commands.reserve(
            lock_id,
            path,
            specialist_id,
            (),
            now_ms=now_ms,
            purpose=purpose,  # type: ignore[arg-type]  # it was checked when the lock was first made
            timeout_ms=timeout_ms,
            checksum=checksum,
        )
    for message in plan.requeue:
        events += squawk.requeue(message, now_ms=now_ms, reason=f"restored from checkpoint {plan.checkpoint.id}")
    recovery = {**plan.checkpoint.context.get("recovery", {}), "blockers": _all_blockers(plan)}
    injected = {
        "specialist_id": specialist_id,
        "injection_type": "checkpoint",
        "context": recovery,
        "source": plan.checkpoint.id,
    }
    recovered = {
        "checkpoint_id": plan.checkpoint.id,
        "specialist_id": by,
        "recovered_at": iso(now_ms),
        "context_restored": not plan.blockers,
        "sorties_resumed": [sortie.id for sortie in (*plan.sorties, *reopened)],
    }
    if specialist_id:
        events.append(NewEvent("context_injected", "specialist", specialist_id, injected, occurred_at=now_ms))
    return [*events, NewEvent("fleet_recovered", "checkpoint", plan.checkpoint.id, recovered, occurred_at=now_ms)]


def _all_blockers(plan: RestorePlan) -> list[str]:
    before = plan.checkpoint.context.get("recovery", {}).get("blockers", [])
    return list(dict.fromkeys([*before, *plan.blockers]))


def candidates(
    missions: Iterable[Mission], last_event_at: Mapping[str, int], checkpoints: Iterable[Checkpoint], now_ms: int
) -> tuple[tuple[Mission, Checkpoint], ...]:
    """Missions that seem to have been interrupted, each with its newest checkpoint.

    A mission in progress without an event for five minutes and with a checkpoint that has not run out is one.
    """
    newest: dict[str, Checkpoint] = {}
    for checkpoint in sorted(checkpoints, key=lambda c: (c.created_at, c.id)):
        if checkpoint.mission_id and (checkpoint.expires_at is None or checkpoint.expires_at > now_ms):
            newest[checkpoint.mission_id] = checkpoint
    return tuple(
        (mission, newest[mission.id])
        for mission in missions
        if mission.status == "in_progress"
        and mission.id in newest
        and now_ms - last_event_at.get(mission.id, mission.started_at or 0) >= SILENT_AFTER_MS
    )


def prune(checkpoints: Iterable[Checkpoint], completed_missions: Collection[str], *, now_ms: int) -> list[NewEvent]:
    """Let go of old checkpoints: seven days are kept, three of each mission, the last of a completed one 30 days."""
    groups: dict[str, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        groups.setdefault(checkpoint.mission_id or "", []).append(checkpoint)
    events: list[NewEvent] = []
    for mission_id, group in sorted(groups.items()):
        group.sort(key=lambda c: (-c.created_at, c.id))
        for rank, checkpoint in enumerate(group):
            reason = _why_pruned(checkpoint, rank, mission_id, mission_id in completed_missions, now_ms)
            if reason:
                data = {"checkpoint_id": checkpoint.id, "reason": reason}
                events.append(NewEvent("checkpoint_pruned", "checkpoint", checkpoint.id, data, occurred_at=now_ms))
    return events


def _why_pruned(checkpoint: Checkpoint, rank: int, mission_id: str, completed: bool, now_ms: int) -> str:
    """`expired`, `retention`, or empty when it stays. `rank` 0 is the newest of its mission."""
    if checkpoint.expires_at is not None and checkpoint.expires_at <= now_ms:
        return "expired"
    age = now_ms - checkpoint.created_at
    if age <= KEEP_MS:
        return ""
    if completed:
        return "" if rank == 0 and age <= KEEP_LAST_OF_COMPLETED_MS else "retention"
    return "" if mission_id and rank < KEEP_AT_LEAST else "retention"

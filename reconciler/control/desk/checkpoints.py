"""Commands about checkpoints, and the ones that Fleet takes by itself in the transaction of what gives it reason to.

A checkpoint is about a mission, about one specialist, or about everything. Its sorties, the reservations of those who
work on them and the messages that these have not dealt with are kept, with a recovery context.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Command, Work
from reconciler.errors import NotFound
from reconciler.events.envelope import NewEvent
from reconciler.events.sentences import sentence
from reconciler.projections.fold import as_if_recorded
from reconciler.projections.rows import Row, Rows
from reconciler.work import checkpoints as rules
from reconciler.work.checkpoints import Checkpoint, Trigger
from reconciler.work.refusals import InputRefused
from reconciler.work.state import FileLock, Message, Mission, Sortie

EVERYBODY = "fleet"
"""Whose checkpoint it is when it is about more than one specialist."""

MARKS = (25, 50, 75)
ERRORS_APART_MS = 10_000
"""Checkpoints of a mission on errors of the same kind are at least so far apart: a bad minute is no reason for a hundred."""

UNDELIVERED_AFTER_MS = 300_000
"""A message that its reader, at work on a mission, has not taken for so long counts as not delivered."""

_FREE_CAUSES = ("handed_back", "rate_limit")
_TROUBLE = ("sortie_attempt_failed", "ctk_released", "specialist_deactivated")
_GONE = ("inactive", "completed")


def take(
    *,
    mission_id: str = "",
    specialist_id: str = "",
    trigger: Trigger = "manual",
    note: str = "",
    context: Mapping[str, Any] | None = None,
    ttl_hours: float | None = None,
) -> Command[Row]:
    """Take a checkpoint of a mission, else of a specialist, else of everything that is open; returns its row.

    Raises:
        NotFound: there is no such mission or specialist.
        InputRefused: a time to live that is not positive.
    """

    def command(work: Work) -> Row:
        facts: dict[str, Any] = {"note": note, "context": context, "ttl_hours": ttl_hours}
        if mission_id:
            key = of_mission(work, reading.mission(work.rows, mission_id), trigger, **facts)
        elif specialist_id:
            events = of_specialist(work, specialist_id, trigger, **facts)
            work.record(events)
            key = events[0].data["checkpoint_id"]
        else:
            key = _of_everything(work, trigger, **facts)
        return work.rows.get("checkpoints", key) or {}

    return command


def take_all(trigger: Trigger, *, note: str = "") -> Command[list[Row]]:
    """Take a checkpoint of every mission that is under way; returns their rows."""

    def command(work: Work) -> list[Row]:
        under_way = [one for _, one in sorted(reading.missions(work.rows).items()) if _under_way(one)]
        keys = [of_mission(work, one, trigger, note=note) for one in under_way]
        return [work.rows.get("checkpoints", key) or {} for key in keys]

    return command


def prune() -> Command[list[str]]:
    """Let go of checkpoints that are old or ran out, and are not needed; returns their ids."""

    def command(work: Work) -> list[str]:
        completed = {key for key, one in reading.missions(work.rows).items() if one.status == "completed"}
        events = rules.prune(readable(work.rows), completed, now_ms=work.now_ms)
        work.record(events)
        return [event.data["checkpoint_id"] for event in events]

    return command


def keep_undelivered() -> Command[int]:
    """Take a checkpoint of each mission whose specialist leaves a message unread; how many. Of each message once."""

    def command(work: Work) -> int:
        late = undelivered_by_mission(work.rows, work.now_ms)
        for mission_id, found in sorted(late.items()):
            blockers = [f"message {one.id} ({one.message_type}) was not read by {one.mailbox_id}" for one in found]
            context = {"errors": ["message"], "undelivered": [one.id for one in found]}
            of_mission(work, reading.mission(work.rows, mission_id), "error", blockers=blockers, context=context)
        return len(late)

    return command


def undelivered_by_mission(rows: Rows, now_ms: int) -> dict[str, list[Message]]:
    """Messages that wait too long for a specialist at work on a mission, and that no checkpoint tells of yet."""
    told = {key for _, row in rows.scan("checkpoints") for key in row["context"].get("undelivered", ())}
    found: dict[str, list[Message]] = {}
    for key, row in rows.scan("messages"):
        if row["status"] != "pending" or key in told or now_ms - row["sent_at"] < UNDELIVERED_AFTER_MS:
            continue
        reader = rows.get("specialists", row["mailbox_id"])
        sortie = rows.get("sorties", reader["current_sortie"]) if reader and reader["current_sortie"] else None
        if sortie is not None and sortie["mission_id"]:
            found.setdefault(sortie["mission_id"], []).append(Message.from_row(row))
    return found


def delete(checkpoint_id: str) -> Command[None]:
    """Let go of one checkpoint.

    Raises:
        NotFound: there is no such checkpoint.
    """

    def command(work: Work) -> None:
        if work.rows.get("checkpoints", checkpoint_id) is None:
            raise NotFound(f"there is no checkpoint {checkpoint_id}", hint="fleet checkpoints list")
        data = {"checkpoint_id": checkpoint_id, "reason": "requested"}
        work.record([NewEvent("checkpoint_pruned", "checkpoint", checkpoint_id, data, occurred_at=work.now_ms)])

    return command


def readable(rows: Rows) -> list[Checkpoint]:
    """All checkpoints of the log that are whole."""
    found = []
    for _, row in rows.scan("checkpoints"):
        try:
            found.append(Checkpoint.from_row(row))
        except InputRefused:
            continue
    return found


def of_mission(work: Work, mission: Mission, trigger: Trigger, *, blockers: Sequence[str] = (), **facts: Any) -> str:
    """Record a checkpoint of a mission; returns its id."""
    sorties = reading.sorties(work.rows, mission_id=mission.id)
    holders = {one.holder for one in sorties if one.holder}
    key = work.new_id("ckpt")
    work.record(
        rules.create(
            key,
            EVERYBODY,
            trigger=trigger,
            now_ms=work.now_ms,
            recovery=_recovery(work, mission, sorties, blockers),
            sorties=sorties,
            messages=_waiting(work.rows, {mission.id, mission.name, *holders, *_names(work.rows, holders)}),
            locks=_held(work.rows, holders),
            mission_id=mission.id,
            specialist_count=len(holders),
            event_sequence=_newest(work.rows, sorties),
            **facts,
        )
    )
    return key


def of_specialist(work: Work, specialist_id: str, trigger: Trigger, **facts: Any) -> list[NewEvent]:
    """The checkpoint of what one specialist has in its hands, as events that are not recorded yet.

    Raises:
        NotFound: there is no such specialist.
    """
    reading.specialist(work.rows, specialist_id)
    sorties = [one for one in reading.open_sorties(work.rows) if one.holder == specialist_id]
    return rules.create(
        work.new_id("ckpt"),
        specialist_id,
        trigger=trigger,
        now_ms=work.now_ms,
        recovery=_recovery(work, None, sorties, ()),
        sorties=sorties,
        messages=_waiting(work.rows, {specialist_id, *_names(work.rows, {specialist_id})}),
        locks=_held(work.rows, {specialist_id}),
        event_sequence=_newest(work.rows, sorties),
        **facts,
    )


def _of_everything(work: Work, trigger: Trigger, **facts: Any) -> str:
    sorties = reading.open_sorties(work.rows)
    key = work.new_id("ckpt")
    alive = [one for one in reading.specialists(work.rows) if one.status not in _GONE]
    work.record(
        rules.create(
            key,
            EVERYBODY,
            trigger=trigger,
            now_ms=work.now_ms,
            recovery=_recovery(work, None, sorties, ()),
            sorties=sorties,
            messages=[Message.from_row(row) for _, row in work.rows.scan("messages") if row["status"] != "acked"],
            locks=reading.active_locks(work.rows),
            specialist_count=len(alive),
            event_sequence=_newest(work.rows, sorties),
            **facts,
        )
    )
    return key


def after_step(work: Work, mission_id: str) -> None:
    """Take the checkpoints that what was just recorded gives reason to: a mark of progress, or an error."""
    mission = reading.mission(work.rows, mission_id)
    row = work.rows.get("missions", mission_id) or {}
    total, done = row.get("total_sorties") or 0, row.get("completed_sorties") or 0
    share = 100 * done // total if total else 0
    if _mark(share) and _mark(share) > max((_mark(one) for one in _shares(work.rows, mission_id)), default=0):
        of_mission(work, mission, "progress", progress=share)
    errors = _errors(work, mission_id)
    if errors:
        on_error(work, mission, errors)


def on_error(work: Work, mission: Mission, errors: Mapping[str, Sequence[str]]) -> None:
    """Take a checkpoint because of errors, unless one was taken a moment ago for the same kinds.

    Args:
        errors: kind (`attempt`, `lock`, `message`) to what happened, which stands among the blockers.
    """
    for _, row in work.rows.scan("checkpoints"):
        recent = row["mission_id"] == mission.id and work.now_ms - row["created_at"] < ERRORS_APART_MS
        if recent and row["trigger"] == "error" and set(errors) <= set(row["context"].get("errors", ())):
            return
    blockers = [text for kind in sorted(errors) for text in errors[kind]]
    of_mission(work, mission, "error", blockers=blockers, context={"errors": sorted(errors)})


def after_sweep(work: Work) -> None:
    """Take the checkpoints of missions for which nothing but a reservation or a message ran out of time."""
    taken = {event.data["context"].get("mission_id") for event in _recorded(work, "checkpoint_created")}
    for mission_id, mission in sorted(reading.missions(work.rows).items()):
        if mission.status == "in_progress" and mission_id not in taken:
            errors = _errors(work, mission_id)
            if errors:
                on_error(work, mission, errors)


def undelivered(work: Work, message: Message) -> None:
    """Take a checkpoint when a message went to a specialist that is gone, for the mission that its sender works for."""
    reader = work.rows.get("specialists", message.mailbox_id)
    if reader is None or reader["status"] not in _GONE:
        return
    sender = work.rows.get("specialists", message.sender_id) if message.sender_id else None
    sortie = work.rows.get("sorties", sender["current_sortie"]) if sender and sender["current_sortie"] else None
    if sortie is not None and sortie["mission_id"]:
        mission = reading.mission(work.rows, sortie["mission_id"])
        on_error(work, mission, {"message": [_not_delivered(message)]})


def _errors(work: Work, mission_id: str) -> dict[str, list[str]]:
    """What went wrong for a mission in this command, by kind."""
    if not any(event.event_type in _TROUBLE for event in work.recorded):
        return {}
    found: dict[str, list[str]] = {}
    involved: set[str] = set()
    for event in _recorded(work, "sortie_attempt_failed"):
        sortie = work.rows.get("sorties", event.data["sortie_id"])
        if sortie is None or sortie["mission_id"] != mission_id:
            continue
        involved.add(event.data["specialist_id"])
        if event.data["cause"] not in _FREE_CAUSES:
            text = f"attempt {event.data['attempt']} of “{sortie['title']}” failed: {event.data['error']}"
            found.setdefault("attempt", []).append(text)
    involved |= {one.holder for one in reading.sorties(work.rows, mission_id=mission_id) if one.holder}
    for event in _recorded(work, "ctk_released"):
        if event.data["release_reason"] == "timeout" and event.data["specialist_id"] in involved:
            text = f"the reservation of {event.data['file_path']} by {event.data['specialist_id']} ran out"
            found.setdefault("lock", []).append(text)
    gone = {event.data["specialist_id"] for event in _recorded(work, "specialist_deactivated")} & involved
    if gone:
        lost = [_not_delivered(one) for one in _waiting(work.rows, gone) if one.status == "pending"]
        found |= {"message": lost} if lost else {}
    return found


def _not_delivered(message: Message) -> str:
    return f"message {message.id} ({message.message_type}) was not delivered: {message.mailbox_id} is gone"


def _recorded(work: Work, event_type: str) -> list[NewEvent]:
    return [event for event in work.recorded if event.event_type == event_type]


def _mark(share: int) -> int:
    """The last mark that a share has passed; 0 before the first."""
    return max((mark for mark in MARKS if share >= mark), default=0)


def _shares(rows: Rows, mission_id: str) -> Iterable[int]:
    for _, row in rows.scan("checkpoints"):
        if row["mission_id"] == mission_id and row["trigger"] == "progress":
            yield row["progress"] or 0


def _under_way(mission: Mission) -> bool:
    return mission.status in ("in_progress", "review")


def _recovery(
    work: Work, mission: Mission | None, sorties: Sequence[Sortie], blockers: Sequence[str]
) -> rules.Recovery:
    action, at = _last_action(work, sorties)
    return rules.recovery_of(
        mission,
        sorties,
        now_ms=work.now_ms,
        last_action=action,
        last_activity_at=at,
        extra_blockers=blockers,
    )


def _last_action(work: Work, sorties: Sequence[Sortie]) -> tuple[str, int | None]:
    """What happened last to these sorties, and when: in this command, else as their rows tell."""
    keys = {one.id for one in sorties}
    for event in reversed(work.recorded):
        if event.data.get("sortie_id") in keys:
            return sentence(as_if_recorded(event, 0)), work.now_ms
    rows = [row for key in sorted(keys) if (row := work.rows.get("sorties", key)) is not None]
    if not rows:
        return "", None
    newest = max(rows, key=lambda row: row["last_event_sequence"])
    said = f": {newest['status_message']}" if newest.get("status_message") else ""
    who = f" by {newest['assigned_to']}" if newest["assigned_to"] else ""
    text = f"“{newest['title']}” was {newest['status'].replace('_', ' ')} at {newest['progress']} %{who}{said}"
    at = max(row[name] or 0 for row in rows for name in ("created_at", "started_at", "completed_at"))
    return text, at or None


def _names(rows: Rows, specialists: Collection[str]) -> set[str]:
    """The names under which these specialists get messages beside their ids."""
    return {row["name"] for key in specialists if (row := rows.get("specialists", key)) is not None}


def _waiting(rows: Rows, mailboxes: Collection[str]) -> list[Message]:
    """The messages of these mailboxes that were not dealt with."""
    return [
        Message.from_row(row)
        for _, row in rows.scan("messages")
        if row["status"] != "acked" and row["mailbox_id"] and row["mailbox_id"] in mailboxes
    ]


def _held(rows: Rows, specialists: Collection[str]) -> list[FileLock]:
    return [lock for lock in reading.active_locks(rows) if lock.reserved_by in specialists]


def _newest(rows: Rows, sorties: Sequence[Sortie]) -> int:
    """The newest event that these sorties follow from."""
    found = (row["last_event_sequence"] for one in sorties if (row := rows.get("sorties", one.id)) is not None)
    return max(found, default=0)

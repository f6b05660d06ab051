"""The command that takes work up again from a checkpoint, for another specialist or for whoever claims it.

What is alive keeps what it holds. Sorties of those that are gone go back and to the one who goes on, their reservations
are asked for again, their messages wait anew; what cannot be had again is named among the blockers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Command, Work
from reconciler.projections.rows import Rows
from reconciler.work import checkpoints as rules
from reconciler.work import locks as lock_rules
from reconciler.work import missions as mission_rules
from reconciler.work import sorties as sortie_rules
from reconciler.work import specialists as specialist_rules
from reconciler.work import squawk
from reconciler.work.checkpoints import Checkpoint, Recovery, RestorePlan
from reconciler.work.refusals import NotAssigned, NotEligible, TransitionRefused, WorkRefused
from reconciler.work.state import Message, Mission, Sortie, Specialist

_GONE = ("inactive", "completed")
_HELD = ("assigned", "in_progress", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What taking up a checkpoint did.

    Attributes:
        specialist_id: who goes on; empty when whoever claims the sorties does.
        sorties: those that went back to be taken up again, now or before.
        assigned: the one of them that waits for this specialist.
        held: sorties that somebody who is alive works on, and who that is.
        locks: what was reserved again.
        messages: those that wait anew.
        blockers: what could not be restored.
        recovery: what whoever goes on has to know.
    """

    checkpoint_id: str
    mission_id: str = ""
    specialist_id: str = ""
    sorties: tuple[str, ...] = ()
    assigned: str = ""
    held: Mapping[str, str] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    recovery: Recovery = field(default_factory=Recovery)


def resume(checkpoint: Checkpoint, *, specialist_id: str = "", gone: Collection[str] = ()) -> Command[Resumed]:
    """Take the work of a checkpoint up again.

    Args:
        specialist_id: who goes on; when empty a free one that can do it, else whoever claims it.
        gone: specialists of which a person knows that they are gone, though they were heard of a moment ago.

    Raises:
        NotFound: there is no such specialist.
        NotEligible: it is gone, or draining.
        TransitionRefused: the mission was completed or cancelled; one that failed is opened again.
    """

    def command(work: Work) -> Resumed:
        mission = _open_mission(work, checkpoint)
        waiting = _waiting(work, checkpoint)
        alive = _alive(work, gone)
        plan = rules.plan_restore(
            checkpoint,
            sorties=reading.sorties(work.rows),
            locks=reading.active_locks(work.rows),
            messages=[Message.from_row(row) for _, row in work.rows.scan("messages")],
            alive=alive | _unregistered(work.rows),
            now_ms=work.now_ms,
        )
        back = [*plan.sorties, *waiting]
        target = _target(work.rows, back, specialist_id, alive, work.now_ms)
        assigned = _first_for(back, target, work.now_ms)
        plan = _without_others_files(plan, back, assigned)
        lock_ids = [work.new_id("lock") for _ in plan.locks] if target else []
        who = target.id if target else ""
        work.record(rules.restore(plan, who, lock_ids, now_ms=work.now_ms, reopened=waiting))
        _retire(work, gone)
        if target is not None and assigned is not None:
            again = reading.sortie(work.rows, assigned.id)
            work.record(sortie_rules.assign(again, target, by="fleet", now_ms=work.now_ms))
        messages = _deliver_again(work, checkpoint, target, alive)
        recovery = Recovery.from_document(checkpoint.context.get("recovery", {}))
        return Resumed(
            checkpoint_id=checkpoint.id,
            mission_id=mission.id if mission else "",
            specialist_id=who,
            sorties=tuple(one.id for one in back),
            assigned=assigned.id if assigned else "",
            held=_held(work.rows, checkpoint, alive),
            locks=tuple(path for path, *_ in plan.locks) if target else (),
            messages=messages,
            blockers=plan.blockers,
            recovery=replace(recovery, blockers=tuple(dict.fromkeys([*recovery.blockers, *plan.blockers]))),
        )

    return command


def _open_mission(work: Work, checkpoint: Checkpoint) -> Mission | None:
    """The mission of a checkpoint; one that has failed is opened again, for its specialists may have died."""
    row = work.rows.get("missions", checkpoint.mission_id) if checkpoint.mission_id else None
    if row is None:
        return None
    mission = Mission.from_row(row)
    if mission.status in ("completed", "cancelled"):
        raise TransitionRefused(f"mission {mission.name or mission.id} is {mission.status}; there is nothing to resume")
    if mission.status == "failed":
        own = reading.sorties(work.rows, mission_id=mission.id)
        work.record(mission_rules.retry(mission, own, by="fleet", now_ms=work.now_ms))
    return reading.mission(work.rows, mission.id)


def _waiting(work: Work, checkpoint: Checkpoint) -> list[Sortie]:
    """Sorties that somebody worked on then, and that wait for anybody now: they went back before this."""
    found: list[Sortie] = []
    for key, then in checkpoint.context.get("sorties", {}).items():
        row = work.rows.get("sorties", key)
        if row is not None and row["status"] == "pending" and then.get("status") in _HELD:
            found.append(Sortie.from_row(row))
    return found


def _alive(work: Work, gone: Collection[str]) -> frozenset[str]:
    """The specialists that work, as far as anybody knows."""
    everybody = reading.specialists(work.rows)
    timeouts = reading.timeouts(everybody)
    return frozenset(
        one.id
        for one in everybody
        if one.status not in _GONE
        and one.id not in gone
        and not specialist_rules.is_stale(one, work.now_ms, timeouts.get(one.pool, specialist_rules.STALE_AFTER_MS))
    )


def _unregistered(rows: Rows) -> frozenset[str]:
    """Holders of reservations that nobody registered: people, and tools of their own. Nobody knows that they are gone."""
    return frozenset(
        lock.reserved_by for lock in reading.active_locks(rows) if rows.get("specialists", lock.reserved_by) is None
    )


def _target(rows: Rows, back: Sequence[Sortie], wanted: str, alive: Collection[str], now_ms: int) -> Specialist | None:
    """Who goes on."""
    if wanted:
        found = reading.specialist(rows, wanted)
        if found.id not in alive or found.draining:
            state = "draining" if found.draining else "gone"
            raise NotEligible(f"specialist {found.id} is {state} and cannot go on", hint="fleet specialists list")
        return found
    free = [one for one in reading.specialists(rows) if one.id in alive and not one.draining and not one.current_sortie]
    able = [one for one in free if _first_for(back, one, now_ms) is not None]
    return next(iter(able), None)


def _first_for(sorties: Sequence[Sortie], target: Specialist | None, now_ms: int) -> Sortie | None:
    """The sortie that this specialist goes on with: the furthest one that it may take."""
    if target is None:
        return None
    for sortie in sorted(sorties, key=lambda one: (-one.progress, one.id)):
        if sortie.not_before > now_ms:
            continue
        back = replace(sortie, status="pending", assigned_to=sortie.addressee if sortie.holder else sortie.assigned_to)
        try:
            sortie_rules.check_eligible(back, target)
        except (NotEligible, NotAssigned):
            continue
        return sortie
    return None


def _without_others_files(plan: RestorePlan, back: Sequence[Sortie], assigned: Sortie | None) -> RestorePlan:
    """Files of sorties that somebody else will claim are reserved by that claim, and must be free until then."""
    own = _files(assigned) if assigned is not None else set()
    others = {path for one in back for path in _files(one)} - own
    return replace(plan, locks=tuple(lock for lock in plan.locks if lock[0] not in others))


def _files(sortie: Sortie) -> set[str]:
    return {lock_rules.normalize(path) for path in sortie.plan.files}


def _retire(work: Work, gone: Collection[str]) -> None:
    """Let nobody be given work who is said to be gone."""
    for key in sorted(gone):
        lost = reading.specialist(work.rows, key)
        if lost.status not in _GONE:
            work.record(specialist_rules.deactivate(lost, (), (), by="fleet", now_ms=work.now_ms))


def _deliver_again(
    work: Work, checkpoint: Checkpoint, target: Specialist | None, alive: Collection[str]
) -> tuple[str, ...]:
    """Let what was not dealt with wait anew, for the one who goes on where its reader is gone; each once only."""
    waiting: list[str] = []
    for key in checkpoint.pending_messages:
        row = work.rows.get("messages", key)
        if row is None or row["status"] == "acked":
            continue
        message = Message.from_row(row)
        reader = work.rows.get("specialists", message.mailbox_id)
        if target is None or reader is None or message.mailbox_id in alive:
            waiting.append(key)
            continue
        copy = f"{message.id}_for_{target.id}"
        try:
            work.record(
                squawk.send(
                    copy,
                    target.id,
                    message_type=message.message_type,
                    content=message.content,
                    now_ms=work.now_ms,
                    sender_id=message.sender_id,
                    priority=message.priority,
                )
            )
            work.record(
                squawk.ack(message, "fleet", now_ms=work.now_ms, response={"forwarded_to": target.id, "as": copy})
            )
        except WorkRefused:
            # The copy is there from an earlier try, and was changed since: nobody overwrites it.
            continue
        waiting.append(copy)
    return tuple(waiting)


def _held(rows: Rows, checkpoint: Checkpoint, alive: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in checkpoint.context.get("sorties", {}):
        row = rows.get("sorties", key)
        sortie = Sortie.from_row(row) if row is not None else None
        if sortie is not None and sortie.status in ("in_progress", "blocked") and sortie.holder in alive:
            found[key] = sortie.holder or ""
    return found

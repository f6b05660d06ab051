"""Occasions for checkpoints that no step of a sortie brings about: compaction, an end, and a start after a crash."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.errors import FleetError

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.control.session import Session
    from reconciler.events.envelope import Cause
    from reconciler.projections.rows import Rows
    from reconciler.projections.store import Store
    from reconciler.work.checkpoints import Trigger

Tell = Callable[[str], None]


def take_before(store: Store, cause: Cause, project: Path, trigger: Trigger, tell: Tell = lambda text: None) -> int:
    """Take a checkpoint of every mission under way; how many. Nothing is written when there is none.

    Raises:
        LogUnusable, TimedOut: the log cannot be written.
    """
    if not _under_way(store.rows()):
        return 0
    from reconciler.control.checkpoints.filing import Filing
    from reconciler.control.desk.checkpoints import take_all
    from reconciler.control.desk.desk import Desk

    filing = Filing(project, tell)
    taken = Desk(store, cause, after=filing).run(take_all(trigger)).value
    return len(taken)


def tidy(store: Store, cause: Cause, project: Path, now_ms: int) -> int:
    """Let go of checkpoints that are old or ran out, and are not needed; how many. Nothing is written when none is.

    Raises:
        LogUnusable, TimedOut: the log cannot be written.
    """
    from reconciler.control.checkpoints.filing import Filing
    from reconciler.control.desk.checkpoints import prune, readable
    from reconciler.control.desk.desk import Desk
    from reconciler.work import checkpoints as rules

    rows = store.rows()
    completed = {key for key, row in rows.scan("missions") if row["status"] == "completed"}
    if not rules.prune(readable(rows), completed, now_ms=now_ms):
        return 0
    return len(Desk(store, cause, after=Filing(project)).run(prune()).value)


def look_for_undelivered(store: Store, cause: Cause, project: Path, now_ms: int) -> int:
    """Take checkpoints that tell of messages which nobody reads; how many. Nothing is written when there is none.

    Raises:
        LogUnusable, TimedOut: the log cannot be written.
    """
    rows = store.rows()
    if not _under_way(rows):
        return 0
    from reconciler.control.checkpoints.filing import Filing
    from reconciler.control.desk.checkpoints import keep_undelivered, undelivered_by_mission
    from reconciler.control.desk.desk import Desk

    if not undelivered_by_mission(rows, now_ms):
        return 0
    return Desk(store, cause, after=Filing(project)).run(keep_undelivered()).value


def at_end(session: Session) -> None:
    """Take a checkpoint of every mission under way, where that can still be done: ending goes on in any case."""
    with contextlib.suppress(FleetError):
        store = session.store
        if store is not None and _under_way(store.rows()):
            take_before(session.writable(), session.cause, session.directory, "shutdown")


def at_start(session: Session, now_ms: int, tell: Tell, *, auto_resume: bool = False) -> int:
    """Tell of missions that seem to have been interrupted, or take them up; how many there were.

    Args:
        auto_resume: take them up, for a free specialist or for whoever claims.
    """
    store = session.store
    if store is None or not _under_way(store.rows()):
        return 0
    from reconciler.control.checkpoints.interrupted import interrupted, resume_all

    if not auto_resume:
        found = interrupted(store, now_ms)
        for one in found:
            tell(one.text)
        return len(found)
    if not interrupted(store, now_ms):
        return 0
    from reconciler.control.coordination import open_coordination

    desk, writable = open_coordination(session, tell)
    from reconciler.control.checkpoints.files import Files

    done = resume_all(writable, desk, Files(session.directory), now_ms)
    for one, answer in done:
        name = one.mission.name or one.mission.title
        if isinstance(answer, FleetError):
            tell(f"mission {name} cannot be taken up again: {answer}")
        else:
            who = answer.specialist_id or "whoever claims it"
            tell(f"mission {name} was interrupted and is taken up again from {one.checkpoint.id} by {who}")
    return len(done)


def _under_way(rows: Rows) -> bool:
    return any(row["status"] in ("in_progress", "review") for _, row in rows.scan("missions"))

"""What was interrupted: missions under way that have been silent for five minutes, with a checkpoint to go on from."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.control.checkpoints.files import Files
from reconciler.control.checkpoints.finding import find
from reconciler.control.desk import checkpoints, reading
from reconciler.control.desk.desk import Desk
from reconciler.control.desk.resuming import Resumed, resume
from reconciler.errors import FleetError
from reconciler.projections.rows import Rows
from reconciler.projections.store import EventQuery, Store
from reconciler.work import checkpoints as rules
from reconciler.work.checkpoints import Checkpoint
from reconciler.work.state import Mission


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A mission that seems to have been interrupted, and the checkpoint to go on from."""

    mission: Mission
    checkpoint: Checkpoint
    silent_ms: int

    @property
    def text(self) -> str:
        """In a sentence, with the command that goes on."""
        name = self.mission.name or self.mission.title
        minutes = self.silent_ms // 60_000
        return (
            f"mission {name} seems to have been interrupted: nothing was heard of it for {minutes} min; "
            f"fleet resume --checkpoint {self.checkpoint.id} goes on"
        )


def interrupted(store: Store, now_ms: int) -> list[Interrupted]:
    """The missions that seem to have been interrupted; read-only."""
    rows = store.rows()
    under_way = [one for one in reading.missions(rows).values() if one.status == "in_progress"]
    if not under_way:
        return []
    heard = {one.id: _last_event_at(store, rows, one) for one in under_way}
    found = rules.candidates(under_way, heard, checkpoints.readable(rows), now_ms)
    return [Interrupted(mission, checkpoint, now_ms - heard[mission.id]) for mission, checkpoint in found]


def resume_all(store: Store, desk: Desk, files: Files, now_ms: int) -> list[tuple[Interrupted, Resumed | FleetError]]:
    """Take up every mission that seems to have been interrupted, for a free specialist or for whoever claims."""
    done: list[tuple[Interrupted, Resumed | FleetError]] = []
    for one in interrupted(store, now_ms):
        try:
            found = find(store.rows(), files, one.checkpoint.id)
            done.append((one, desk.run(resume(found.checkpoint)).value))
        except FleetError as error:
            done.append((one, error))
    return done


def _last_event_at(store: Store, rows: Rows, mission: Mission) -> int:
    """When the newest event of a mission or its sorties was recorded."""
    own = rows.get("missions", mission.id) or {}
    sequences = [own.get("last_event_sequence", 0)]
    sequences += [row["last_event_sequence"] for _, row in rows.scan("sorties") if row["mission_id"] == mission.id]
    newest = next(iter(store.events(EventQuery(after=max(sequences) - 1, limit=1))), None)
    return newest.occurred_at if newest is not None else mission.started_at or 0

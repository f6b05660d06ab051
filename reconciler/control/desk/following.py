"""What follows for a mission from a step of one of its sorties."""

from __future__ import annotations

from reconciler.control.desk import checkpoints, reading
from reconciler.control.desk.desk import Work
from reconciler.work import missions


def follow_up(work: Work, mission_id: str | None) -> None:
    """Close what can never run, end the mission when nothing is left to do, and take the checkpoints that are due."""
    if not mission_id:
        return
    mission = reading.mission(work.rows, mission_id)
    if mission.ended:
        return
    work.record(missions.settle(mission, reading.sorties(work.rows, mission_id=mission_id), now_ms=work.now_ms))
    checkpoints.after_step(work, mission_id)

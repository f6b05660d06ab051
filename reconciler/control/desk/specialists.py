"""Commands about one specialist, and the sweep that time brings about for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.control.desk import checkpoints, reading
from reconciler.control.desk.desk import Command, Work
from reconciler.control.desk.following import follow_up
from reconciler.work import specialists as rules
from reconciler.work.state import Specialist


def register(
    *,
    name: str,
    specialist_id: str = "",
    capabilities: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Command[Specialist]:
    """Make a specialist known, or known anew.

    Args:
        specialist_id: a new one when empty.
        metadata: `pool`, `replica`, `budget`, `heartbeat_timeout_ms` and `harness` where the fleet file declares it.
    """

    def command(work: Work) -> Specialist:
        who = specialist_id or work.new_id("spec")
        work.record(rules.register(who, name=name, now_ms=work.now_ms, capabilities=capabilities, metadata=metadata))
        return reading.specialist(work.rows, who)

    return command


def spawn(
    *,
    name: str,
    by: str,
    mission_id: str | None = None,
    sortie_id: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Command[Specialist]:
    """Ask for a specialist to be started."""

    def command(work: Work) -> Specialist:
        who = work.new_id("spec")
        events = rules.spawn(
            who,
            name=name,
            by=by,
            now_ms=work.now_ms,
            mission_id=mission_id,
            sortie_id=sortie_id,
            config=config,
        )
        work.record(events)
        return reading.specialist(work.rows, who)

    return command


def heartbeat(
    specialist_id: str,
    *,
    status: Literal["active", "busy", "idle"] | None = None,
    current_sortie: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Command[Specialist]:
    """A sign of life."""

    def command(work: Work) -> Specialist:
        events = rules.heartbeat(
            reading.specialist(work.rows, specialist_id),
            now_ms=work.now_ms,
            status=status,
            current_sortie=current_sortie,
            metrics=metrics,
        )
        work.record(events)
        return reading.specialist(work.rows, specialist_id)

    return command


def drain(specialist_id: str, *, by: str) -> Command[Specialist]:
    """Let it finish what it works on, and give it nothing more."""

    def command(work: Work) -> Specialist:
        work.record(rules.drain(reading.specialist(work.rows, specialist_id), by=by, now_ms=work.now_ms))
        return reading.specialist(work.rows, specialist_id)

    return command


def deactivate(specialist_id: str, *, by: str) -> Command[Specialist]:
    """Take it out of service at once: what it held goes back."""

    def command(work: Work) -> Specialist:
        rows = work.rows
        held = reading.open_sorties(rows)
        events = rules.deactivate(
            reading.specialist(rows, specialist_id),
            held,
            reading.active_locks(rows),
            by=by,
            now_ms=work.now_ms,
            reviews=reading.open_reviews(rows),
        )
        work.record(events)
        return reading.specialist(rows, specialist_id)

    return command


def complete(
    specialist_id: str,
    *,
    reason: Literal["success", "error", "timeout", "cancelled"] = "success",
    summary: str = "",
) -> Command[Specialist]:
    """End it: its final checkpoint is taken, its sorties are handed back and its locks released."""

    def command(work: Work) -> Specialist:
        rows = work.rows
        final = checkpoints.of_specialist(work, specialist_id, "shutdown", note=summary)
        events = rules.complete(
            reading.specialist(rows, specialist_id),
            reading.open_sorties(rows),
            reading.active_locks(rows),
            now_ms=work.now_ms,
            reason=reason,
            final_checkpoint=final,
            final_checkpoint_id=final[0].data["checkpoint_id"],
            summary=summary,
            reviews=reading.open_reviews(rows),
        )
        work.record(events)
        return reading.specialist(rows, specialist_id)

    return command


def sweep() -> Command[int]:
    """What time alone brings about: silent specialists, leases and locks that ran out; how many events that was."""

    def command(work: Work) -> int:
        rows = work.rows
        everybody = reading.specialists(rows)
        open_ones = reading.open_sorties(rows)
        events = rules.sweep(
            everybody,
            open_ones,
            reading.active_locks(rows),
            now_ms=work.now_ms,
            timeouts_ms=reading.timeouts(everybody),
            reviews=reading.open_reviews(rows),
        )
        work.record(events)
        moved = {event.data["sortie_id"] for event in events if "sortie_id" in event.data}
        for mission_id in sorted({one.mission_id for one in open_ones if one.id in moved and one.mission_id}):
            follow_up(work, mission_id)
        if events:
            checkpoints.after_sweep(work)
        return len(work.recorded)

    return command

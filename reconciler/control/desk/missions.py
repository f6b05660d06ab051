"""Commands about one mission: made, run, ended, run again.

A mission of fleet.yaml is run: each run is a mission of its own, with the definition that the file had at its start. What
ends a mission ends its open sorties too, and lets go of their files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Command, Work
from reconciler.control.desk.following import follow_up
from reconciler.control.desk.sorties import release_files
from reconciler.decoders import known
from reconciler.errors import NotFound
from reconciler.projections.rows import Rows
from reconciler.spec.desired import MissionSpec
from reconciler.work import missions as rules
from reconciler.work.refusals import TransitionRefused
from reconciler.work.state import Mission


def create(
    *,
    title: str,
    description: str = "",
    priority: str = "medium",
    metadata: Mapping[str, Any] | None = None,
) -> Command[Mission]:
    """A new mission that is not declared in the file; its sorties are added one by one."""

    def command(work: Work) -> Mission:
        mission_id = work.new_id("msn")
        work.record(
            rules.create(
                mission_id,
                title=title,
                now_ms=work.now_ms,
                description=description,
                priority=priority,
                metadata=_undeclared(metadata),
            )
        )
        return reading.mission(work.rows, mission_id)

    return command


def declare(spec: MissionSpec) -> Command[Mission]:
    """The next run of a mission of the file, with all its sorties; it has not started."""

    def command(work: Work) -> Mission:
        before = newest_run(work.rows, spec.name)
        if before is not None and not before.ended:
            raise TransitionRefused(
                f"mission {spec.name} is {before.status.replace('_', ' ')} already, as {before.id}",
                hint=f"fleet missions show {spec.name}",
            )
        mission_id = work.new_id("msn")
        sortie_ids = {name: work.new_id("sortie") for name in spec.sorties}
        run = before.run + 1 if before is not None else 1
        work.record(rules.declare(spec, mission_id, sortie_ids, now_ms=work.now_ms, run=run))
        return reading.mission(work.rows, mission_id)

    return command


def run(spec: MissionSpec) -> Command[Mission]:
    """Declare the next run of a mission of the file and start it; one that was declared and not started is started."""

    def command(work: Work) -> Mission:
        before = newest_run(work.rows, spec.name)
        mission = before if before is not None and before.status == "pending" else declare(spec)(work)
        return start(mission.id, definition=spec)(work)

    return command


def start(mission_id: str, *, definition: MissionSpec | None = None) -> Command[Mission]:
    """Begin a mission.

    Args:
        definition: what the file says of a declared one; it holds until this run ends.
    """

    def command(work: Work) -> Mission:
        mission = reading.mission(work.rows, mission_id)
        own = reading.sorties(work.rows, mission_id=mission_id)
        work.record(rules.start(mission, own, now_ms=work.now_ms, definition=definition))
        follow_up(work, mission_id)
        return reading.mission(work.rows, mission_id)

    return command


def update(mission_id: str, changes: Mapping[str, Any]) -> Command[Mission]:
    """Change the wording, priority or metadata of a mission that the file does not rule."""

    def command(work: Work) -> Mission:
        mission = reading.mission(work.rows, mission_id)
        work.record(rules.update(mission, changes, now_ms=work.now_ms))
        return reading.mission(work.rows, mission_id)

    return command


def follow_file(mission_id: str, spec: MissionSpec) -> Command[Mission]:
    """Take over from the file what may change while a declared mission is under way; its sorties stay as they are."""

    def command(work: Work) -> Mission:
        row = work.rows.get("missions", mission_id) or {}
        mission = reading.mission(work.rows, mission_id)
        work.record(rules.follow_file(mission, spec, row.get("metadata") or {}, now_ms=work.now_ms))
        return reading.mission(work.rows, mission_id)

    return command


def complete(mission_id: str, *, summary: str = "") -> Command[Mission]:
    """End a mission with success, by hand."""

    def command(work: Work) -> Mission:
        mission = reading.mission(work.rows, mission_id)
        own = reading.sorties(work.rows, mission_id=mission_id)
        work.record(rules.complete(mission, own, now_ms=work.now_ms, summary=summary))
        return reading.mission(work.rows, mission_id)

    return command


def cancel(mission_id: str, *, by: str, reason: str = "") -> Command[Mission]:
    """End a mission that is not wanted any more, and everything that is open in it."""

    def command(work: Work) -> Mission:
        mission = reading.mission(work.rows, mission_id)
        own = reading.sorties(work.rows, mission_id=mission_id)
        work.record(rules.cancel(mission, own, by=by, now_ms=work.now_ms, reason=reason))
        for sortie in own:
            if not sortie.ended and sortie.holder:
                release_files(work, sortie, sortie.holder)
        return reading.mission(work.rows, mission_id)

    return command


def retry(mission_id: str, *, by: str) -> Command[Mission]:
    """Go on with a failed mission from the sorties that failed, and those that were closed because of them."""

    def command(work: Work) -> Mission:
        mission = reading.mission(work.rows, mission_id)
        newest = newest_run(work.rows, mission.name) if mission.name else None
        if newest is not None and newest.id != mission.id:
            raise TransitionRefused(
                f"run {mission.run} of mission {mission.name} is over: run {newest.run} came after it",
                hint=f"fleet missions show {mission.name}",
            )
        own = reading.sorties(work.rows, mission_id=mission_id)
        work.record(rules.retry(mission, own, by=by, now_ms=work.now_ms))
        return reading.mission(work.rows, mission_id)

    return command


def archive(mission_id: str, *, by: str) -> Command[Mission]:
    """Put a mission away that has no open sorties."""

    def command(work: Work) -> Mission:
        mission = reading.mission(work.rows, mission_id)
        own = reading.sorties(work.rows, mission_id=mission_id)
        work.record(rules.archive(mission, own, by=by, now_ms=work.now_ms))
        return reading.mission(work.rows, mission_id)

    return command


def settle() -> Command[int]:
    """What follows for every mission from the state of its sorties; how many events that was.

    Each step of a sortie settles its mission already. This is for what no step brought about: a log of an older release,
    or a mission whose last sortie was ended by somebody else's hand.
    """

    def command(work: Work) -> int:
        for mission_id, mission in sorted(reading.missions(work.rows).items()):
            if mission.status in ("in_progress", "review"):
                follow_up(work, mission_id)
        return len(work.recorded)

    return command


def newest_run(rows: Rows, name: str) -> Mission | None:
    """The last run of a declared mission; None before the first."""
    runs = [one for one in reading.missions(rows).values() if one.declared and one.name == name]
    return max(runs, key=lambda one: (one.run, one.created_at, one.id), default=None)


def find(rows: Rows, name: str) -> Mission:
    """A mission by its id, or the last run of a declared one by its name.

    Raises:
        NotFound: nothing is called that; says what there is.
    """
    word = name.removeprefix("mission/")
    row = rows.get("missions", word)
    found = Mission.from_row(row) if row is not None else newest_run(rows, word)
    if found is not None:
        return found
    from difflib import get_close_matches

    known = sorted({one.name or one.id for one in reading.missions(rows).values() if not one.archived})
    near = get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known[:5])}" if known else "fleet apply"
    raise NotFound(f"there is no mission {name}", hint=hint)


def frozen_definition(rows: Rows, mission_id: str) -> MissionSpec | None:
    """What the file said of a mission at its start; None for one that did not come from it or has not started."""
    row = rows.get("missions", mission_id)
    document = row.get("definition") if row is not None else None
    return msgspec.convert(document, known(MissionSpec)) if document else None


def _undeclared(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Only the file declares missions, whatever somebody says of theirs."""
    return {
        key: value for key, value in (metadata or {}).items() if key not in ("declared", "run", "definition_digest")
    }

"""Missions of the file: which are started, which are changed while they are under way, and which are called off.

A mission is work and not a state: once a run of it has ended it is done, and nothing is left to do. Its next run begins
when its work was edited since, the way a job runs again. While a run is under way its sorties keep the definition that
they started with; what an edit changes at once, and what waits for the next run, the plan tells apart. One that has left
the file is called off while it is under way. Missions that did not come from the file are not looked at.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from reconciler.decoders import known
from reconciler.plan.draft import Draft
from reconciler.plan.fields import values_changed
from reconciler.plan.model import CancelMission, FieldChange, Later, Reason, StartMission, UpdateMission
from reconciler.plan.reasons import counted, listed
from reconciler.plan.situation import Situation
from reconciler.projections.projected import ProjectedMission
from reconciler.spec.desired import MissionSpec
from reconciler.spec.roles import digest_of

IN_FORCE_AT_ONCE = ("title", "description", "priority", "parallel")
"""What an edit changes of a mission that is under way."""

_NAMED = 3


def mission_address(name: str) -> str:
    """`mission/<name>`."""
    return f"mission/{name}"


def add_missions(situation: Situation, draft: Draft) -> None:
    """Add what there is to do for every mission that the file declares or has declared."""
    known = situation.projected.missions
    for name, spec in sorted(situation.desired.missions.items()):
        address = mission_address(name)
        run = known.get(name)
        why = situation.selection.why_not(address) or situation.suspended_address(address)
        if why:
            draft.keep(address, why)
        elif run is None or run.status == "pending":
            _start(draft, spec, run, Reason("declared", "new in the file"))
        elif run.ended:
            _ended(draft, spec, run)
        else:
            _under_way(draft, spec, run)
    for name in sorted(known.keys() - situation.desired.missions.keys()):
        if not known[name].ended:
            _removed(situation, draft, known[name])


def _start(draft: Draft, spec: MissionSpec, run: ProjectedMission | None, reason: Reason) -> None:
    address = mission_address(spec.name)
    number = 1 if run is None else run.run if run.status == "pending" else run.run + 1
    draft.add(
        StartMission(
            id=f"start {address}",
            resource=address,
            reason=reason,
            mission=spec.name,
            run=number,
            digest=digest_of(spec),
            definition=spec,
        )
    )


def _ended(draft: Draft, spec: MissionSpec, run: ProjectedMission) -> None:
    """Done, unless its work was edited since."""
    changes = _work_changed(run, spec)
    if changes:
        since = f"{_places(changes)} changed since run {run.run} {_ENDS[run.status]}"
        _start(draft, spec, run, Reason("definition_changed", since, changes))
        return
    again = "fleet missions retry" if run.status == "failed" else "fleet missions run"
    told = "" if run.status == "completed" else f" ({run.reason})" if run.reason else ""
    hint = "" if run.status == "completed" else f"; {again} {spec.name}"
    draft.keep(mission_address(spec.name), f"{run.status}{told}{hint}")


def _under_way(draft: Draft, spec: MissionSpec, run: ProjectedMission) -> None:
    address = mission_address(spec.name)
    now = tuple(
        FieldChange(field, getattr(run, field), getattr(spec, field))
        for field in IN_FORCE_AT_ONCE
        if getattr(run, field) != getattr(spec, field)
    )
    if now:
        reason = Reason("definition_changed", f"{listed([one.path for one in now])} changed", now)
        draft.add(
            UpdateMission(
                id=f"update {address}",
                resource=address,
                reason=reason,
                mission=spec.name,
                mission_id=run.mission_id,
                definition=spec,
            )
        )
    else:
        draft.keep(address, "under way" if run.status == "in_progress" else "waits for its review")
    later = values_changed("sorties", _definition(run).sorties, spec.sorties) if run.definition else ()
    if later:
        draft.later.append(Later(address, f"run {run.run} keeps the sorties that it started with", later))


def _removed(situation: Situation, draft: Draft, run: ProjectedMission) -> None:
    address = mission_address(run.name)
    why = situation.selection.why_not(address) or situation.suspended_address(address)
    if why:
        draft.keep(address, why)
        return
    reason = Reason("removed_from_file", "its block has left the file: its open sorties are cancelled")
    draft.add(
        CancelMission(
            id=f"cancel {address}", resource=address, reason=reason, mission=run.name, mission_id=run.mission_id
        )
    )


_ENDS = {"completed": "was completed", "failed": "failed", "cancelled": "was cancelled"}


def _definition(run: ProjectedMission) -> MissionSpec:
    return msgspec.convert(run.definition, known(MissionSpec))


def _work_changed(run: ProjectedMission, spec: MissionSpec) -> tuple[FieldChange, ...]:
    """How the work differs from what this run did. Wording and priority are no work: nothing is done again for them."""
    if run.definition is None:
        # It was cancelled before it ever started.
        return ()
    before, now = (
        {name: replace(sortie, title=name, description="", priority="medium") for name, sortie in one.sorties.items()}
        for one in (_definition(run), spec)
    )
    return values_changed("sorties", before, now)


def _places(changes: tuple[FieldChange, ...]) -> str:
    """The sorties that differ, by their names in the file."""
    names = sorted({one.path.split(".")[1] for one in changes})
    if len(names) > _NAMED:
        return f"sorties {', '.join(names[:_NAMED])} and {counted(len(names) - _NAMED, 'other')}"
    return f"{'sortie' if len(names) == 1 else 'sorties'} {listed(names)}"

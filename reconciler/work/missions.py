"""The life of a mission: pending, in progress, perhaps in review, and then completed, failed or cancelled.

A mission moves by what became of its sorties. `settle` is the one place where that is decided: it closes what can never
run, and ends the mission when nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from reconciler.events.envelope import NewEvent
from reconciler.spec.desired import MissionSpec, to_document
from reconciler.spec.roles import digest_of
from reconciler.work import sorties as sortie_commands
from reconciler.work.graph import cycle, readiness, ready
from reconciler.work.refusals import AlreadyEnded, DefinitionFrozen, InputRefused, MissionIncomplete, TransitionRefused
from reconciler.work.state import ENDED, PRIORITIES, Mission, MissionStatus, Sortie, SortiePlan, iso

CHECKPOINT_SHARES = (25, 50, 75)
_CHANGEABLE = frozenset({"title", "description", "priority", "metadata"})
_FLEET = "fleet"

IN_FORCE_AT_ONCE = ("title", "description", "priority", "parallel")
"""What an edit of the file changes of a mission that is under way; everything else waits for its next run."""


def _event(mission_id: str, event_type: str, now_ms: int, **data: Any) -> NewEvent:
    present = {key: value for key, value in data.items() if value is not None}
    return NewEvent(event_type, "mission", mission_id, {"mission_id": mission_id, **present}, occurred_at=now_ms)


def _moved(mission: Mission, status: MissionStatus, by: str, now_ms: int, reason: str = "") -> NewEvent:
    return _event(
        mission.id,
        "mission_status_changed",
        now_ms,
        previous_status=mission.status,
        new_status=status,
        changed_by=by,
        reason=reason or None,
    )


def create(
    mission_id: str,
    *,
    title: str,
    now_ms: int,
    description: str = "",
    priority: str = "medium",
    initial_sorties: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> list[NewEvent]:
    """A new mission, pending.

    Raises:
        InputRefused: no title, or an unknown priority.
    """
    _check_wording({"title": title, "priority": priority})
    return [
        _event(
            mission_id,
            "mission_created",
            now_ms,
            title=title,
            description=description or None,
            priority=priority,
            initial_sorties=list(initial_sorties) or None,
            metadata=dict(metadata) if metadata else None,
        )
    ]


def definition_digest(spec: MissionSpec) -> str:
    """The digest that tells one declared definition from another."""
    return digest_of(to_document(spec))


def declare(
    spec: MissionSpec, mission_id: str, sortie_ids: Mapping[str, str], *, now_ms: int, run: int = 1
) -> list[NewEvent]:
    """A mission of fleet.yaml with all its sorties, as one run of it.

    Args:
        sortie_ids: the name of each sortie in the file to the id that it gets.
        run: which run of the declared mission this is, from 1.

    Raises:
        InputRefused: a dependency is no sortie of this mission, or the dependencies run in a circle.
    """
    edges = {name: sortie.depends_on for name, sortie in spec.sorties.items()}
    for name, depends_on in edges.items():
        for other in depends_on:
            if other not in edges:
                raise InputRefused(f"sortie {name} of mission {spec.name} depends on {other}, which is not in it")
    circle = cycle(edges)
    if circle:
        raise InputRefused(f"the sorties of mission {spec.name} depend on each other: {' → '.join(circle)}")
    metadata = {
        "declared": True,
        "name": spec.name,
        "run": run,
        "parallel": spec.parallel,
        "definition_digest": definition_digest(spec),
    }
    events = create(
        mission_id,
        title=spec.title,
        now_ms=now_ms,
        description=spec.description,
        priority=spec.priority,
        initial_sorties=[sortie_ids[name] for name in spec.sorties],
        metadata=metadata,
    )
    mission = Mission(id=mission_id, declared=True)
    for name, declared in spec.sorties.items():
        plan = SortiePlan(
            name=name,
            depends_on=tuple(sortie_ids[other] for other in declared.depends_on),
            requires=frozenset(declared.requires),
            files=declared.files,
            run=declared.run,
            prompt=declared.prompt,
            retries=declared.retries,
            retry_delay_ms=declared.retry_delay_ms,
            timeout_ms=declared.timeout_ms,
            when=declared.when,
            review_kind=declared.review.kind if declared.review else None,
            review_by=declared.review.by if declared.review else "",
            review_run=declared.review.run if declared.review else "",
            review_prompt=declared.review.prompt if declared.review else "",
            assigned_to=declared.assigned_to,
        )
        events += sortie_commands.create(
            sortie_ids[name],
            title=declared.title,
            now_ms=now_ms,
            mission=mission,
            description=declared.description,
            priority=declared.priority,
            plan=plan,
            declared=True,
        )
    return events


def start(
    mission: Mission, sorties: Sequence[Sortie], *, now_ms: int, definition: MissionSpec | None = None
) -> list[NewEvent]:
    """Begin a mission; a declared one keeps this definition until it ends.

    Raises:
        TransitionRefused: it is under way already.
        AlreadyEnded: it has ended.
    """
    _check_open(mission)
    if mission.status != "pending":
        raise TransitionRefused(f"mission {mission.id} is {mission.status} already")
    events: list[NewEvent] = []
    if definition is not None:
        events.append(
            _event(
                mission.id,
                "mission_definition_frozen",
                now_ms,
                digest=definition_digest(definition),
                definition=to_document(definition),
            )
        )
    first = [sortie.id for sortie in ready(sorties)]
    events.append(_event(mission.id, "mission_started", now_ms, started_at=iso(now_ms), initial_sorties=first))
    return events


def update(mission: Mission, changes: Mapping[str, Any], *, now_ms: int) -> list[NewEvent]:
    """Change the wording or priority of a mission; nothing changed gives no event.

    Raises:
        InputRefused: an unknown field, an empty title, or an unknown priority.
        AlreadyEnded: it has ended.
        DefinitionFrozen: it is declared in the file and has started.
    """
    unknown = sorted(set(changes) - _CHANGEABLE)
    if unknown:
        raise InputRefused(f"a mission has no field {unknown[0]!r} to change", hint=", ".join(sorted(_CHANGEABLE)))
    _check_wording(changes)
    _check_open(mission)
    if mission.declared and mission.status != "pending":
        raise DefinitionFrozen(f"mission {mission.id} has started; an edit takes effect in its next run")
    real = {key: value for key, value in changes.items() if key == "metadata" or value != getattr(mission, key)}
    return [_event(mission.id, "mission_updated", now_ms, changes=real)] if real else []


def follow_file(mission: Mission, spec: MissionSpec, metadata: Mapping[str, Any], *, now_ms: int) -> list[NewEvent]:
    """Take over what the file may change of a declared mission while it is under way: wording, priority, parallelism.

    Its sorties keep the definition that they started with.

    Args:
        metadata: the mission's own, which is kept but for how many sorties run at once.

    Raises:
        AlreadyEnded: it has ended.
    """
    _check_open(mission)
    changes = {key: getattr(spec, key) for key in IN_FORCE_AT_ONCE if getattr(spec, key) != getattr(mission, key)}
    if "parallel" in changes:
        changes["metadata"] = {**metadata, "parallel": changes.pop("parallel")}
    return [_event(mission.id, "mission_updated", now_ms, changes=changes)] if changes else []


def settle(mission: Mission, sorties: Sequence[Sortie], *, now_ms: int) -> list[NewEvent]:
    """What follows for a mission from the state of its sorties; nothing while there is work left.

    Sorties whose dependencies can no longer end as their `when` demands are closed, one after the other down the graph.
    With nothing open the mission is failed if a sortie failed, else completed (by way of a review where it wants one).
    One that waits in review goes on when a sortie was added or opened again.
    """
    if mission.status == "review" and not all(sortie.ended for sortie in sorties):
        return [_moved(mission, "in_progress", _FLEET, now_ms, "there is work again")]
    if mission.status != "in_progress":
        return []
    statuses: dict[str, str] = {sortie.id: sortie.status for sortie in sorties}
    events: list[NewEvent] = []
    # Where everything has gone well so far, nothing can have become unreachable but what waits for a failure.
    moved = any(one.status in ("failed", "cancelled") or one.plan.when == "failure" for one in sorties)
    while moved:
        moved = False
        for sortie in sorties:
            if statuses[sortie.id] not in ("pending", "assigned"):
                continue
            why = readiness(sortie, statuses)
            if why.state == "unreachable":
                events += sortie_commands.cancel(sortie, by=_FLEET, now_ms=now_ms, why=why.text)
                statuses[sortie.id] = "cancelled"
                moved = True
    return events + _ending(mission, statuses, now_ms)


def _ending(mission: Mission, statuses: Mapping[str, str], now_ms: int) -> list[NewEvent]:
    if not statuses or any(status not in ENDED for status in statuses.values()):
        return []
    counts = _counts(statuses.values())
    if counts["failed"]:
        failed = sorted(name for name, status in statuses.items() if status == "failed")
        reason = f"{len(failed)} of {len(statuses)} sorties failed: {', '.join(failed[:5])}"
        return [_moved(mission, "failed", _FLEET, now_ms, reason)]
    if mission.needs_review:
        return [_moved(mission, "review", _FLEET, now_ms, "all sorties are done")]
    return [_completed(mission, counts, now_ms, "")]


def complete(mission: Mission, sorties: Sequence[Sortie], *, now_ms: int, summary: str = "") -> list[NewEvent]:
    """End a mission with success, by hand.

    Raises:
        AlreadyEnded: it has ended.
        TransitionRefused: it has not started.
        MissionIncomplete: a sortie is neither completed nor cancelled.
    """
    _check_open(mission)
    if mission.status == "pending":
        raise TransitionRefused(f"mission {mission.id} has not started")
    unfinished = [s for s in sorties if s.status not in ("completed", "cancelled")]
    if unfinished:
        named = ", ".join(f"{s.id} ({s.status})" for s in unfinished[:5])
        raise MissionIncomplete(
            f"mission {mission.id} has {len(unfinished)} unfinished sorties: {named}",
            hint="complete, retry or cancel them",
        )
    return [_completed(mission, _counts(s.status for s in sorties), now_ms, summary)]


def _completed(mission: Mission, counts: Mapping[str, int], now_ms: int, summary: str) -> NewEvent:
    result: dict[str, Any] = {
        "success": True,
        "sorties_completed": counts["completed"],
        "sorties_failed": counts["failed"],
    }
    if summary:
        result["summary"] = summary
    return _event(
        mission.id,
        "mission_completed",
        now_ms,
        completed_at=iso(now_ms),
        duration_ms=_duration(mission, now_ms),
        result=result,
    )


def cancel(mission: Mission, sorties: Sequence[Sortie], *, by: str, now_ms: int, reason: str = "") -> list[NewEvent]:
    """End a mission that is not wanted any more, its open sorties first.

    Raises:
        AlreadyEnded: it has ended.
    """
    _check_open(mission)
    why = reason or f"mission {mission.id} was cancelled"
    events: list[NewEvent] = []
    for sortie in sorties:
        if not sortie.ended:
            events += sortie_commands.cancel(sortie, by=by, now_ms=now_ms, why=why)
    events.append(_moved(mission, "cancelled", by, now_ms, reason))
    return events


def retry(mission: Mission, sorties: Sequence[Sortie], *, by: str, now_ms: int) -> list[NewEvent]:
    """Go on with a failed mission from the sorties that failed, and those that were closed because of them.

    Raises:
        TransitionRefused: it has not failed.
    """
    if mission.status != "failed":
        raise TransitionRefused(f"mission {mission.id} is {mission.status}; only a failed one is retried")
    again = [s for s in sorties if s.status == "failed" or (s.status == "cancelled" and s.closed_by == _FLEET)]
    events = [_moved(mission, "in_progress", by, now_ms, f"retried from {len(again)} sorties")]
    for sortie in again:
        events += sortie_commands.retry(sortie, by=by, now_ms=now_ms)
    return events


def archive(mission: Mission, sorties: Sequence[Sortie], *, by: str, now_ms: int) -> list[NewEvent]:
    """Put a mission away; one that is put away already gives no event.

    Raises:
        MissionIncomplete: it has open sorties.
    """
    open_ones = [sortie.id for sortie in sorties if not sortie.ended]
    if open_ones:
        raise MissionIncomplete(
            f"mission {mission.id} has {len(open_ones)} open sorties", hint=f"fleet missions cancel {mission.id}"
        )
    if mission.archived:
        return []
    return [_event(mission.id, "mission_archived", now_ms, archived_by=by)]


def share(sorties: Sequence[Sortie]) -> int:
    """Percent of a mission's sorties that are completed; cancelled ones do not count."""
    wanted = [sortie for sortie in sorties if sortie.status != "cancelled"]
    done = sum(sortie.status == "completed" for sortie in wanted)
    return 100 * done // len(wanted) if wanted else 0


def checkpoint_due(sorties: Sequence[Sortie], taken: Collection[int]) -> int | None:
    """The share (25, 50 or 75) whose checkpoint is to be taken now, the highest when several were passed at once.

    Args:
        taken: shares of the mission's earlier checkpoints.
    """
    reached = share(sorties)
    passed = [mark for mark in CHECKPOINT_SHARES if mark <= reached]
    newest = max(passed, default=None)
    return newest if newest is not None and newest > max(taken, default=0) else None


def _counts(statuses: Any) -> dict[str, int]:
    counts = {"completed": 0, "failed": 0, "cancelled": 0, "open": 0}
    for status in statuses:
        counts[status if status in counts else "open"] += 1
    return counts


def _check_wording(fields: Mapping[str, Any]) -> None:
    if "title" in fields and not str(fields["title"]).strip():
        raise InputRefused("a mission needs a title")
    if "priority" in fields and fields["priority"] not in PRIORITIES:
        raise InputRefused(f"{fields['priority']!r} is no priority", hint=", ".join(PRIORITIES))


def _check_open(mission: Mission) -> None:
    if mission.ended:
        raise AlreadyEnded(f"mission {mission.id} is {mission.status}")


def _duration(mission: Mission, now_ms: int) -> int:
    return max(now_ms - (mission.started_at if mission.started_at is not None else now_ms), 1)

"""Why a mission or a sortie is as it is: a sentence for how it stands, and what happened to it, back to the edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.events.sentences import sentence
from reconciler.ops.work_story import is_quiet
from reconciler.ops.work_view import (
    MissionView,
    Names,
    SortieView,
    latest_runs,
    mission_view,
    sortie_view,
    sortie_views,
)

if TYPE_CHECKING:
    from reconciler.events.envelope import Event
    from reconciler.ops.why import EventLookup, Story

_LONGEST = 100
_MOST_NAMED = 3


def sortie_story(store: EventLookup, name: str) -> Story:
    """Of one sortie.

    Raises:
        NotFound: there is none of this name.
    """
    rows = store.rows()
    found = sortie_view(rows, name)
    return _story(store, "sortie", found.id, found.address, _sortie_stands(found), Names(rows))


def mission_story(store: EventLookup, name: str) -> Story:
    """Of one mission.

    Raises:
        NotFound: there is none of this name.
    """
    rows = store.rows()
    found = mission_view(rows, name)
    stands = _mission_stands(found, sortie_views(rows, mission_id=found.id))
    return _story(store, "mission", found.id, f"mission/{found.name}", stands, Names(rows))


def is_mission(store: EventLookup, name: str) -> bool:
    """Whether a mission of the file is called that."""
    return name in Names(store.rows()).missions.values()


def missions_called(store: EventLookup) -> list[str]:
    """The addresses of all missions that were not put away."""
    return sorted(f"mission/{one.name}" for one in latest_runs(store.rows()))


def sorties_called(store: EventLookup, name: str) -> list[str]:
    """`<mission>/<sortie>` of every sortie of this name in a mission's last run."""
    rows = store.rows()
    runs = {one.id for one in latest_runs(rows)}
    found = (one for one in sortie_views(rows) if one.name == name and one.mission_id in runs)
    return sorted(one.address.removeprefix("sortie/") for one in found)


def _story(store: EventLookup, kind: str, stream_id: str, resource: str, stands: str, names: Names) -> Story:
    from reconciler.ops.why import Link, Story, chain, through

    own = [event for event in store.stream(kind, stream_id) if not is_quiet(event)]
    newest = list(reversed(own[-_LONGEST:]))
    origin = list(chain(store, own[0]))[1:] if own else []
    links = [Link(event, names.spoken(sentence(event))) for event in [*newest, *origin]]
    intents = [event for event in origin if event.event_type == "action_intended"]
    changes = tuple(intents[0].data["reason"].get("changes") or ()) if intents else ()
    said = _whose(newest, origin)
    summary = f"{resource} {stands}" + (f" ({through(said)})" if said is not None else "")
    return Story(resource, summary, tuple(links), changes)


def _whose(newest: list[Event], origin: list[Event]) -> Event | None:
    """The event that began it: the last one of its origin, or its own first."""
    return origin[-1] if origin else newest[-1] if newest else None


def _sortie_stands(one: SortieView) -> str:
    again = f" in attempt {one.attempt}" if one.attempt > 1 else ""
    about = f": {one.doing}" if one.doing else ""
    match one.status:
        case "pending":
            return f"waits{about}" if about else "waits for a free specialist to claim it"
        case "assigned":
            return f"was given to {one.assigned_to}, which has not begun"
        case "in_progress":
            return f"is worked on by {one.assigned_to}{again}{about}"
        case "blocked":
            return f"is blocked, in the hands of {one.assigned_to}{about}"
        case "review":
            return f"is done by {one.assigned_to}, and {one.doing}"
        case "completed":
            return f"was completed by {one.assigned_to}{again}{about}"
        case "cancelled":
            return f"was cancelled by {one.row.get('closed_by') or 'somebody'}"
        case _:
            return f"failed{again}{about}"


def _mission_stands(one: MissionView, sorties: list[SortieView]) -> str:
    done = f"{one.completed} of {one.total} sorties are done"
    match one.status:
        case "in_progress":
            waiting = [sortie for sortie in sorties if sortie.status in ("pending", "blocked", "review")]
            named = "; ".join(f"{sortie.name}: {sortie.doing}" for sortie in waiting[:_MOST_NAMED] if sortie.doing)
            more = f" and {len(waiting) - _MOST_NAMED} more" if len(waiting) > _MOST_NAMED else ""
            held = f", {one.held} are in somebody's hands" if one.held else ""
            return f"is under way: {done}{held}" + (f"; {named}{more}" if named else "")
        case "completed":
            return f"was completed: {done}"
        case "pending":
            return "has not begun"
        case _:
            return f"is {one.status}: {one.reason or done}"

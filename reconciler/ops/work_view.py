"""Missions and sorties as people and programs look at them: typed values from the rows, with names that can be typed again.

Pure: rows in, values out. A sortie goes by `sortie/<mission>/<name>` where it has a mission, else by its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import NotFound
from reconciler.projections.rows import Row, Rows
from reconciler.work.graph import levels
from reconciler.work.state import ENDED, HELD

_ID = re.compile(r"\b(?:sortie|msn)_[0-9a-f]{32}\b")


@dataclass(frozen=True, slots=True)
class SortieView:
    """One sortie.

    Attributes:
        address: how it is called on the command line.
        name: in its mission; its title where it has none.
        doing: why it waits, what it does, or what came of it, in words; empty when there is nothing to say.
    """

    id: str
    address: str
    name: str
    mission_id: str
    status: str
    title: str
    priority: str
    assigned_to: str
    attempt: int
    progress: int
    doing: str
    created_at: int
    started_at: int | None
    completed_at: int | None
    row: Row

    @property
    def ended(self) -> bool:
        """Completed, failed or cancelled."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class MissionView:
    """One mission, or one run of a declared one.

    Attributes:
        name: what the file calls it; its id when it was made elsewhere.
        run: of a declared mission; 0 for others.
        counts: its sorties by status.
    """

    id: str
    name: str
    run: int
    title: str
    status: str
    priority: str
    counts: Mapping[str, int]
    created_at: int
    started_at: int | None
    completed_at: int | None
    reason: str
    archived: bool
    row: Row

    @property
    def ended(self) -> bool:
        """Completed, failed or cancelled."""
        return self.status in ENDED

    @property
    def total(self) -> int:
        """How many sorties it has, those not counted that will never run."""
        return sum(number for status, number in self.counts.items() if status != "cancelled")

    @property
    def completed(self) -> int:
        """How many of them are completed."""
        return self.counts.get("completed", 0)

    @property
    def held(self) -> int:
        """How many of them somebody works on, or reviews."""
        return sum(number for status, number in self.counts.items() if status in HELD)


def mission_views(rows: Rows) -> list[MissionView]:
    """Every mission, the newest first."""
    counts: dict[str, dict[str, int]] = {}
    for _, row in rows.scan("sorties"):
        own = counts.setdefault(row.get("mission_id") or "", {})
        own[row["status"]] = own.get(row["status"], 0) + 1
    names = Names(rows)
    found = [_mission(key, row, counts.get(key, {}), names) for key, row in rows.scan("missions")]
    return sorted(found, key=lambda one: (-one.created_at, one.name, -one.run, one.id))


def latest_runs(rows: Rows) -> tuple[MissionView, ...]:
    """Of every mission that was not put away the last run, the newest first."""
    found: dict[str, MissionView] = {}
    for one in mission_views(rows):
        if one.name not in found or one.run > found[one.name].run:
            found[one.name] = one
    return tuple(one for one in found.values() if not one.archived)


def mission_view(rows: Rows, word: str) -> MissionView:
    """A mission by its id, or the last run of a declared one by its name.

    Raises:
        NotFound: says what there is.
    """
    name = word.removeprefix("mission/")
    everything = mission_views(rows)
    exact = [one for one in everything if one.id == name]
    runs = sorted((one for one in everything if one.name == name), key=lambda one: one.run)
    if exact or runs:
        return (exact or runs[-1:])[0]
    raise NotFound(f"there is no mission {word}", hint=_nearest(name, (one.name for one in everything), "fleet apply"))


def sortie_views(rows: Rows, *, mission_id: str = "") -> list[SortieView]:
    """Every sortie, or those of one mission: missions as they were made, and in each what comes first before the rest."""
    names = Names(rows)
    own = {key: row for key, row in rows.scan("sorties") if not mission_id or row.get("mission_id") == mission_id}
    edges = {key: tuple((row.get("metadata") or {}).get("depends_on") or ()) for key, row in own.items()}
    level = {key: number for number, keys in enumerate(levels(edges)) for key in keys}
    found = [_sortie(key, row, names) for key, row in own.items()]
    return sorted(found, key=lambda one: (one.created_at, one.mission_id, level.get(one.id, 0), one.name, one.id))


def sortie_view(rows: Rows, word: str) -> SortieView:
    """A sortie by its id, or as `sortie/<mission>/<name>`, `<mission>/<name>`; of a mission's runs the last one counts.

    Raises:
        NotFound: says what there is.
    """
    name = word.removeprefix("sortie/")
    row = rows.get("sorties", name)
    if row is not None:
        return _sortie(name, row, Names(rows))
    place, slash, inner = name.rpartition("/")
    if slash:
        own = sortie_views(rows, mission_id=mission_view(rows, place).id)
        for one in own:
            if one.name == inner:
                return one
        raise NotFound(f"there is no sortie {word}", hint=_nearest(inner, (one.name for one in own), "it has none"))
    everything = sortie_views(rows)
    raise NotFound(
        f"there is no sortie {word}", hint=_nearest(name, (one.address for one in everything), "fleet missions list")
    )


def _nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    from difflib import get_close_matches

    names = list(dict.fromkeys(known))
    near = get_close_matches(word, names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(names[:5])}" + (" …" if names[5:] else "") if names else otherwise


def _mission_name(key: str, row: Row) -> str:
    metadata = row.get("metadata") or {}
    return str(metadata["name"]) if metadata.get("declared") and metadata.get("name") else key


class Names:
    """What missions and sorties are called, looked up when somebody asks."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.missions = {key: _mission_name(key, row) for key, row in rows.scan("missions")}

    def spoken(self, text: str) -> str:
        """The text with names in the place of ids."""
        return _ID.sub(self._name, text)

    def _name(self, found: re.Match[str]) -> str:
        word = found.group()
        if word in self.missions:
            return self.missions[word]
        row = self._rows.get("sorties", word)
        return str((row.get("metadata") or {}).get("name") or row["title"]) if row is not None else word


def _mission(key: str, row: Row, counts: Mapping[str, int], names: Names) -> MissionView:
    metadata = row.get("metadata") or {}
    return MissionView(
        id=key,
        name=_mission_name(key, row),
        run=int(metadata.get("run", 0)) if metadata.get("declared") else 0,
        title=row["title"],
        status=row["status"],
        priority=row["priority"],
        counts=counts,
        created_at=row["created_at"],
        started_at=row.get("started_at"),
        completed_at=row.get("completed_at"),
        reason=names.spoken(row.get("reason") or ""),
        archived=bool(row.get("archived_at")),
        row=row,
    )


def _sortie(key: str, row: Row, names: Names) -> SortieView:
    metadata = row.get("metadata") or {}
    mission_id = row.get("mission_id") or ""
    name = metadata.get("name") or row["title"]
    named = mission_id in names.missions and metadata.get("name")
    return SortieView(
        id=key,
        address=f"sortie/{names.missions[mission_id]}/{name}" if named else f"sortie/{key}",
        name=name,
        mission_id=mission_id,
        status=row["status"],
        title=row["title"],
        priority=row["priority"],
        assigned_to=row.get("assigned_to") or "",
        attempt=row["attempt"],
        progress=int(row["progress"]),
        doing=names.spoken(doing(row)),
        created_at=row["created_at"],
        started_at=row.get("started_at"),
        completed_at=row.get("completed_at"),
        row=row,
    )


def doing(row: Mapping[str, Any]) -> str:
    """In words: why a sortie waits, what it is at, or what came of it."""
    match row["status"]:
        case "pending":
            after = f" (the last attempt failed: {_line(row['last_error'])})" if row.get("last_error") else ""
            return (row.get("waits_for") or "") + after
        case "blocked":
            return f"{row['blocked_reason']} ({row['blocked_by']})"
        case "in_progress":
            if row.get("feedback"):
                return f"sent back by its review: {_line(row['feedback'])}"
            share = f"{row['progress']:g} %" if row.get("progress") else ""
            return ", ".join(part for part in (share, row.get("status_message") or "") if part)
        case "review":
            by = ((row.get("metadata") or {}).get("review") or {}).get("by")
            return f"its result waits for {by or 'a person'} to review it"
        case "failed":
            return _line(row.get("last_error") or "")
        case "completed":
            return _line((row.get("result") or {}).get("summary") or "")
        case _:
            return ""


def _line(text: str) -> str:
    return " ".join(str(text).split())

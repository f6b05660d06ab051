"""Dispatch: who works on what next, and why the rest waits.

One pure decision over the whole situation. Waiting sorties are looked at by priority, and the older ones move up so
that none waits for ever; each goes to a free specialist that can do it and is least missed elsewhere. What is not given
out has a reason with a code and a sentence, so that the log, the command line and `why` tell the same story.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Literal, NamedTuple

from reconciler.events.envelope import NewEvent
from reconciler.spec.desired import Budget
from reconciler.work import budgets
from reconciler.work.attempts import hand_back
from reconciler.work.graph import readiness
from reconciler.work.locks import is_glob, normalize, overlaps
from reconciler.work.refusals import InputRefused
from reconciler.work.sorties import assign
from reconciler.work.state import PRIORITY_LEVEL, FileLock, Mission, Sortie, Specialist, Usage, iso

AGE_STEP_MS = 600_000
"""Waiting this long counts as much as one step of priority."""

WaitCode = Literal[
    "mission_not_running",
    "dependency",
    "unreachable",
    "backoff",
    "mission_parallel",
    "no_specialist",
    "files",
    "bad_files",
    "budget",
    "no_free_specialist",
]
Kind = Literal["work", "rework", "review"]
_BUSY = frozenset({"assigned", "in_progress", "blocked"})


class Waiting(NamedTuple):
    """A sortie that gets nobody now. `until` is when time alone changes that (Unix ms), 0 when it does not."""

    sortie_id: str
    code: WaitCode
    text: str
    until: int = 0


class Assignment(NamedTuple):
    """Somebody for something: work on a sortie, on what its review sent back, or its review."""

    sortie: Sortie
    specialist: Specialist
    kind: Kind = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that the decision looks at.

    Attributes:
        sorties: every sortie of the running missions, and those without a mission, in any state.
        locks: the active locks.
        budgets, usage: by specialist id.
        reviewing: ids of sorties whose review is under way.
        reviewers: ids of specialists who are at it.
    """

    now_ms: int
    sorties: Sequence[Sortie]
    specialists: Sequence[Specialist]
    missions: Mapping[str, Mission] = field(default_factory=dict)
    locks: Sequence[FileLock] = ()
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    reviewing: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()
    stale_after_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What is given out, what waits and why, whose budget stood in the way, and what goes back to the pool."""

    assignments: tuple[Assignment, ...]
    waiting: tuple[Waiting, ...]
    exhausted: Mapping[str, budgets.Spent]
    returned: tuple[Sortie, ...] = ()


class _Files:
    """Paths in use: exact ones in a set, globs in a list, because almost all are exact."""

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._globs: list[tuple[str, str]] = []

    def add(self, path: str, user: str) -> None:
        if is_glob(path):
            self._globs.append((path, user))
        else:
            self._exact.setdefault(path, user)

    def user_of(self, path: str) -> str | None:
        """Who uses a path that overlaps with this one."""
        user = self._exact.get(path)
        if user is not None:
            return user
        if is_glob(path):
            for exact, who in self._exact.items():
                if overlaps(exact, path):
                    return who
        for pattern, who in self._globs:
            if overlaps(pattern, path):
                return who
        return None


class _Sorted(NamedTuple):
    """The sorties by what they mean for the decision."""

    waiting: list[Sortie]
    busy: list[Sortie]
    reviewed: list[Sortie]


class _Pool:
    """Free specialists, the least versatile first, so that the versatile stay free for what only they can do."""

    def __init__(self, situation: Situation, busy: Sequence[Sortie]) -> None:
        now = situation.now_ms
        self.known = [s for s in situation.specialists if s.status not in ("inactive", "completed")]
        self._by_id = {s.id: s for s in self.known}
        self.spent: dict[str, budgets.Spent] = {}
        self.free: dict[str, Specialist] = {}
        working = {sortie.assigned_to for sortie in busy} | situation.reviewers
        for specialist in sorted(self.known, key=lambda s: (len(s.capabilities), s.registered_at, s.id)):
            timeout = specialist.metadata.get("heartbeat_timeout_ms", situation.stale_after_ms)
            fresh = now - specialist.last_seen <= timeout
            if specialist.draining or specialist.current_sortie or specialist.id in working or not fresh:
                continue
            budget = situation.budgets.get(specialist.id)
            found = budgets.spent(budget, situation.usage.get(specialist.id, Usage()), now) if budget else None
            if found is not None:
                self.spent[specialist.id] = found
            else:
                self.free[specialist.id] = specialist
        self._able: dict[tuple[frozenset[str], str], tuple[Specialist, ...]] = {}

    def takes_no_more(self, specialist_id: str) -> bool:
        """It is not there, drains, or has used up a budget that does not free itself."""
        found = self._by_id.get(specialist_id)
        spent = self.spent.get(specialist_id)
        return found is None or found.draining or (spent is not None and spent.free_at is None)

    def able(self, requires: frozenset[str], meant_for: str) -> tuple[Specialist, ...]:
        """Known specialists, free or not, that could do it."""
        key = (requires, meant_for)
        found = self._able.get(key)
        if found is None:
            found = tuple(
                s for s in self.known if requires <= s.capabilities and (not meant_for or s.answers_to(meant_for))
            )
            self._able[key] = found
        return found

    def take(self, requires: frozenset[str], meant_for: str) -> Specialist | None:
        """A free one that can do it; it is free no longer."""
        for specialist in self.free.values():
            if requires <= specialist.capabilities and (not meant_for or specialist.answers_to(meant_for)):
                del self.free[specialist.id]
                return specialist
        return None


def decide(situation: Situation, *, explain: bool = True) -> Decision:
    """Give every free specialist the sortie that deserves it most. Same situation, same decision.

    Args:
        explain: say of every sortie why it waits; otherwise the decision ends with the last free specialist.
    """
    statuses: dict[str, str] = {sortie.id: sortie.status for sortie in situation.sorties}
    kinds = _sort(situation)
    pool = _Pool(situation, kinds.busy)
    files = _files_in_use(situation, kinds)
    running: dict[str, int] = {}
    for sortie in kinds.busy:
        if sortie.mission_id:
            running[sortie.mission_id] = running.get(sortie.mission_id, 0) + 1
    assignments: list[Assignment] = _reviews(situation, kinds.reviewed, pool)
    waiting: list[Waiting] = []
    returned: list[Sortie] = []
    for sortie in kinds.waiting:
        if not explain and not pool.free:
            break
        if sortie.awaits_rework and pool.takes_no_more(sortie.assigned_to or ""):
            returned.append(sortie)
            continue
        why = _must_wait(sortie, situation, statuses, running)
        if why is None:
            why = (
                _rework(sortie, pool, assignments) if sortie.awaits_rework else _give(sortie, pool, files, assignments)
            )
        if why is not None:
            waiting.append(why)
        elif sortie.mission_id:
            running[sortie.mission_id] = running.get(sortie.mission_id, 0) + 1
    return Decision(tuple(assignments), tuple(waiting), pool.spent, tuple(returned))


def _sort(situation: Situation) -> _Sorted:
    """Sorties by kind, the waiting ones in their order: a step of priority, their own or their mission's, is worth
    `AGE_STEP_MS` of waiting.
    """
    bonus = {name: AGE_STEP_MS * PRIORITY_LEVEL[mission.priority] for name, mission in situation.missions.items()}
    own = {name: AGE_STEP_MS * level for name, level in PRIORITY_LEVEL.items()}
    waiting: list[tuple[int, int, str, Sortie]] = []
    busy: list[Sortie] = []
    reviewed: list[Sortie] = []
    for sortie in situation.sorties:
        status = sortie.status
        if status == "pending" or (status == "in_progress" and sortie.awaits_rework):
            created = sortie.created_at
            place = created - own[sortie.priority] - bonus.get(sortie.mission_id or "", 0)
            waiting.append((place, created, sortie.id, sortie))
        elif status == "review":
            reviewed.append(sortie)
        elif status in _BUSY:
            busy.append(sortie)
    waiting.sort(key=itemgetter(0, 1, 2))
    return _Sorted([entry[3] for entry in waiting], busy, reviewed)


def _files_in_use(situation: Situation, kinds: _Sorted) -> _Files:
    files = _Files()
    for lock in situation.locks:
        if lock.status == "active" and lock.expires_at > situation.now_ms:
            files.add(lock.normalized_path, lock.reserved_by)
    # What is in review, or was sent back from one, is still being changed.
    sent_back = [sortie for sortie in kinds.waiting if sortie.status == "in_progress"]
    for sortie in (*kinds.busy, *kinds.reviewed, *sent_back):
        for path in _paths(sortie) or ():
            files.add(path, f"sortie {sortie.id}")
    return files


def _paths(sortie: Sortie) -> tuple[str, ...] | None:
    """Its files, normalised; None when one of them is no path inside the project."""
    try:
        return tuple(normalize(path) for path in sortie.plan.files)
    except InputRefused:
        return None


def _must_wait(
    sortie: Sortie, situation: Situation, statuses: Mapping[str, str], running: Mapping[str, int]
) -> Waiting | None:
    """Why nobody may work on it now, whoever is free."""
    mission = situation.missions.get(sortie.mission_id) if sortie.mission_id else None
    if sortie.mission_id and (mission is None or mission.status != "in_progress"):
        status = mission.status.replace("_", " ") if mission else "unknown"
        return Waiting(sortie.id, "mission_not_running", f"mission {sortie.mission_id} is {status}")
    if sortie.plan.depends_on:
        ready = readiness(sortie, statuses)
        if ready.state != "ready":
            return Waiting(sortie.id, "dependency" if ready.state == "waiting" else "unreachable", ready.text)
    if sortie.not_before > situation.now_ms:
        text = f"its next attempt begins at {iso(sortie.not_before)}"
        return Waiting(sortie.id, "backoff", text, sortie.not_before)
    if mission is not None and mission.parallel and running.get(mission.id, 0) >= mission.parallel:
        return Waiting(sortie.id, "mission_parallel", f"its mission works on {mission.parallel} sorties at once")
    return None


def _give(sortie: Sortie, pool: _Pool, files: _Files, assignments: list[Assignment]) -> Waiting | None:
    """Find somebody for it; why not, otherwise."""
    requires, meant_for = sortie.plan.requires, sortie.meant_for
    able = pool.able(requires, meant_for)
    if not able:
        return Waiting(sortie.id, "no_specialist", _nobody(requires, meant_for))
    paths: tuple[str, ...] = ()
    if pool.free and sortie.plan.files:
        normal = _paths(sortie)
        if normal is None:
            return Waiting(sortie.id, "bad_files", "one of its files lies outside the project")
        paths = normal
        for path in paths:
            user = files.user_of(path)
            if user is not None:
                return Waiting(sortie.id, "files", f"{path} is in use by {user}")
    chosen = pool.take(requires, meant_for) if pool.free else None
    if chosen is not None:
        assignments.append(Assignment(sortie, chosen))
        for path in paths:
            files.add(path, f"sortie {sortie.id}")
        return None
    return _all_taken(sortie, able, pool)


def _all_taken(sortie: Sortie, able: Sequence[Specialist], pool: _Pool) -> Waiting:
    if pool.spent and all(s.id in pool.spent for s in able):
        first = able[0].id
        free_at = [pool.spent[s.id].free_at for s in able]
        until = min((at for at in free_at if at is not None), default=0)
        return Waiting(sortie.id, "budget", f"the budget of {first} is used up: {pool.spent[first].text}", until)
    return Waiting(sortie.id, "no_free_specialist", f"{len(able)} could do it and none is free")


def _nobody(requires: frozenset[str], meant_for: str) -> str:
    able_to = f" that can {', '.join(sorted(requires))}" if requires else ""
    return f"no specialist{able_to}" + (f" answers to {meant_for}" if meant_for else " is registered")


def _rework(sortie: Sortie, pool: _Pool, assignments: list[Assignment]) -> Waiting | None:
    """What a review sent back goes to whoever did it: it is known there, and its files are still in use by it."""
    worker = pool.free.pop(sortie.assigned_to or "", None)
    if worker is None:
        return Waiting(sortie.id, "no_free_specialist", f"{sortie.assigned_to} takes it up again when it is free")
    assignments.append(Assignment(sortie, worker, "rework"))
    return None


def _reviews(situation: Situation, reviewed: Sequence[Sortie], pool: _Pool) -> list[Assignment]:
    """Reviews come first: finished work waits for them. Somebody reviews their own work only if nobody else can.

    Where a sortie names no reviewer, a person gives the verdict.
    """
    given: list[Assignment] = []
    open_ones = (s for s in reviewed if s.plan.review_by and s.id not in situation.reviewing)
    for sortie in sorted(open_ones, key=lambda s: (s.created_at, s.id)):
        able = [s for s in pool.known if s.answers_to(sortie.plan.review_by) and not pool.takes_no_more(s.id)]
        others = [s for s in able if s.id != sortie.assigned_to]
        chosen = next((s for s in others or able if s.id in pool.free), None)
        if chosen is not None:
            del pool.free[chosen.id]
            given.append(Assignment(sortie, chosen, "review"))
    return given


def events(
    decision: Decision,
    known: Mapping[str, str],
    *,
    now_ms: int,
    by: str = "fleet",
    usage: Mapping[str, Usage] | None = None,
) -> list[NewEvent]:
    """The decision as events: assignments of work, what goes back, reasons that changed, budgets that stood in the way.

    Reviews and rework begin when their specialist takes them up, so they give no event here.

    Args:
        known: the reason text that was last recorded for each sortie; the same reason is not recorded twice.
        usage: by specialist id; a budget that is known there to be used up is not recorded twice either.
    """
    made: list[NewEvent] = []
    for assignment in decision.assignments:
        if assignment.kind == "work":
            made += assign(
                assignment.sortie,
                assignment.specialist,
                by=by,
                now_ms=now_ms,
                candidates=[assignment.specialist.id],
            )
    for sortie in decision.returned:
        why = f"{sortie.assigned_to} takes nothing more"
        made += hand_back(sortie, by=by, now_ms=now_ms, reason=why)
    for wait in decision.waiting:
        if known.get(wait.sortie_id) != wait.text:
            data = {"sortie_id": wait.sortie_id, "reason": wait.text}
            made.append(NewEvent("dispatch_rejected", "sortie", wait.sortie_id, data, occurred_at=now_ms))
    for who, found in sorted(decision.exhausted.items()):
        if (usage or {}).get(who, Usage()).exhausted != found.budget:
            made.append(budgets.exhausted_event(who, found, now_ms))
    return made

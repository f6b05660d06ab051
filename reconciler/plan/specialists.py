"""The specialists of a plan: which are touched, what each replica gets, and in which order.

A specialist is replaced replica after replica, so that somebody goes on working. One that leaves the file goes when its
replicas have let go of what they work on; `protect` outlives its block.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from reconciler.plan import crew
from reconciler.plan.crew import Verdict, WantedPool
from reconciler.plan.draft import Draft
from reconciler.plan.fields import changes_of
from reconciler.plan.model import DefineSpecialist, DrainProcess, ForgetSpecialist, Reason, ReplaceProcess
from reconciler.plan.naming import specialist_address
from reconciler.plan.reasons import edited
from reconciler.plan.situation import Situation
from reconciler.projections.pools import ProjectedPool, ProjectedProcess

_DUPLICATE = Reason("duplicate", "a second process of its replica, left by an apply that was cut short")
_LEFT = Reason("removed_from_file", "its block has left the file")
_STRANGER = Reason("removed_from_file", "neither the file nor the log knows its specialist")
_PROTECTED = "has left the file and is protected: it stays until its block is back with `protect: false`"
_GRACE_MS = 60_000


def add_specialists(situation: Situation, draft: Draft) -> None:
    """Add what there is to do about every specialist that the file or the log knows."""
    for place, name in enumerate(situation.pools, start=len(situation.order)):
        pool = situation.projected.pools.get(name)
        alive = [one for one in pool.processes if one.alive] if pool is not None else []
        if name in situation.desired.specialists:
            _declared(situation, draft, WantedPool(situation, name), alive, place)
        elif pool is not None:
            _leave(situation, draft, pool, alive, place)


def _untouched(situation: Situation, name: str, replica: int = 0) -> str:
    addresses = [specialist_address(name), *([specialist_address(name, replica)] if replica else [])]
    return situation.suspended_address(*addresses) or situation.selection.why_not(addresses[0], replica)


def _declared(
    situation: Situation, draft: Draft, wanted: WantedPool, alive: Sequence[ProjectedProcess], place: int
) -> None:
    name, replicas = wanted.name, range(1, wanted.spec.replicas + 1)
    why = _untouched(situation, name)
    if why:
        for number in sorted({*replicas, *(one.replica for one in alive)}):
            draft.keep(specialist_address(name, number), why)
        return
    recorded = _define(draft, wanted, place)
    if not wanted.spec.replicas:
        draft.keep(wanted.address, "no replicas are wanted")
    before = ""
    for replica in replicas:
        here = [one for one in alive if one.replica == replica]
        action = _replica(situation, draft, wanted, replica, here, place, recorded)
        if action and isinstance(draft.get(action), ReplaceProcess | DrainProcess):
            if before:
                draft.after(action, before)
            before = action
    seen = set[int]()
    for process in alive:
        if process.replica not in replicas:
            reason = _DUPLICATE if process.replica in seen else _scaled(wanted)
            _remove(situation, draft, wanted, process, reason, place, recorded)
            seen.add(process.replica)


def _replica(
    situation: Situation,
    draft: Draft,
    wanted: WantedPool,
    replica: int,
    alive: Sequence[ProjectedProcess],
    place: int,
    recorded: str,
) -> str:
    """What one replica gets; the action's id, empty for none."""
    address = specialist_address(wanted.name, replica)
    why = _untouched(situation, wanted.name, replica)
    chosen, spare = crew.choose(wanted, alive)
    verdict = Verdict(why=why) if why else crew.judge(wanted, replica, chosen, _last(wanted, replica))
    if verdict.warning:
        draft.warn(wanted.address, verdict.warning)
    removals = [_remove(situation, draft, wanted, one, _DUPLICATE, place, recorded) for one in spare]
    if verdict.action is None:
        draft.keep(address, verdict.why)
        return ""
    action = draft.add(verdict.action, place=place, replica=replica)
    for earlier in (recorded, *removals):
        if earlier:
            draft.after(action, earlier)
    return action


def _last(wanted: WantedPool, replica: int) -> ProjectedProcess | None:
    ended = [one for one in wanted.known.processes if one.replica == replica] if wanted.known is not None else []
    return max(ended, key=lambda one: one.changed_at, default=None)


def _scaled(wanted: WantedPool) -> Reason:
    changes = tuple(one.change for one in wanted.changed if one.change.path == "replicas")
    text = f"replicas {wanted.replicas_before} → {wanted.spec.replicas}" if changes else "more replicas than are wanted"
    return Reason("scaled", text, changes)


def _remove(
    situation: Situation,
    draft: Draft,
    wanted: WantedPool,
    process: ProjectedProcess,
    reason: Reason,
    place: int,
    recorded: str,
) -> str:
    """End a process that is too many; the action's id, empty where it stays."""
    second = reason is _DUPLICATE
    address = crew.process_address(process, second=second)
    why = _untouched(situation, process.pool, process.replica)
    if not why and wanted.spec.protect and not second:
        why = f"protected; {reason.text}"
        draft.warn(address, f"is protected and would be removed: {reason.text}")
    if why:
        draft.keep(address, why)
        return ""
    removal = crew.remove(process, reason, wanted.spec.stop_grace_ms, second=second)
    verdict = crew.first_drained(situation, process, removal)
    if verdict.action is None:
        draft.keep(address, verdict.why)
        return ""
    action = draft.add(verdict.action, place=place, replica=process.replica)
    if recorded:
        draft.after(action, recorded)
    return action


def _define(draft: Draft, wanted: WantedPool, place: int) -> str:
    """Record what the log does not say yet; the record's id, empty when there is none."""
    if wanted.known is not None and not wanted.changed:
        return ""
    reason = Reason("declared", "new in the file")
    if wanted.known is not None:
        reason = structs.replace(edited(wanted.changed), changes=changes_of(wanted.changed))
    action = DefineSpecialist(
        id=f"define {wanted.address}",
        resource=wanted.address,
        reason=reason,
        definition=wanted.spec,
        digest=wanted.digest,
    )
    return draft.add(action, place=place)


def _leave(
    situation: Situation, draft: Draft, pool: ProjectedPool, alive: Sequence[ProjectedProcess], place: int
) -> None:
    address = specialist_address(pool.name)
    why = _untouched(situation, pool.name)
    if not why and pool.document.get("protect", False):
        why = "protected"
        draft.warn(address, _PROTECTED)
    if why:
        for resource in sorted({specialist_address(pool.name, one.replica) for one in alive}) or [address]:
            draft.keep(resource, why)
        return
    grace_ms = pool.document.get("stop_grace_ms", _GRACE_MS)
    removals, kept, seen = [], 0, set[int]()
    for process in alive:
        second = process.replica in seen
        untouched = _untouched(situation, pool.name, process.replica)
        if untouched:
            draft.keep(crew.process_address(process, second=second), untouched)
            seen.add(process.replica)
            kept += 1
            continue
        reason = _DUPLICATE if second else _LEFT if pool.document else _STRANGER
        seen.add(process.replica)
        verdict = crew.first_drained(situation, process, crew.remove(process, reason, grace_ms, second=second))
        if verdict.action is None or isinstance(verdict.action, DrainProcess):
            kept += 1
        if verdict.action is None:
            draft.keep(crew.process_address(process, second=second), verdict.why)
        else:
            removals.append(draft.add(verdict.action, place=place, replica=process.replica))
    if pool.document and not kept:
        forget = ForgetSpecialist(id=f"forget {address}", resource=address, reason=_LEFT, pool=pool.name)
        draft.add(forget, place=place)
        for removal in removals:
            draft.after(forget.id, removal)

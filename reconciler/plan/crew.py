"""What is to be done about one replica of a specialist: the rules of services, for processes.

The order of the questions is the order of precedence: whether it is wanted down, what was edited, what the world changed.
A replica with nothing to do says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from reconciler.decoders import known
from reconciler.plan.fields import UNKNOWN, Changed, compare_specialists
from reconciler.plan.model import (
    AnyAction,
    DrainProcess,
    FieldChange,
    Reason,
    RemoveProcess,
    ReplaceProcess,
    ResumeProcess,
    StartProcess,
    StopProcess,
)
from reconciler.plan.naming import specialist_address
from reconciler.plan.reasons import counted, edited, moment
from reconciler.plan.situation import Situation
from reconciler.projections.pools import ProjectedPool, ProjectedProcess
from reconciler.spec.desired import SpecialistSpec
from reconciler.spec.roles import specialist_digest

AS_DECLARED = "as declared"
_SHORT = 12


class Verdict(NamedTuple):
    """What is to be done, or why nothing is; and what a person should know."""

    action: AnyAction | None = None
    why: str = ""
    warning: str = ""


class WantedPool:
    """A specialist that the file declares.

    Attributes:
        spec: the declared definition.
        digest: what stands for it.
        known: what the log says, None for one that is new or that only processes tell of.
        changed: how the definition differs from the one in the log.
    """

    def __init__(self, situation: Situation, name: str) -> None:
        self.situation = situation
        self.name = name
        self.spec = situation.desired.specialists[name]
        self.digest = specialist_digest(self.spec)
        recorded = situation.projected.pools.get(name)
        self.known: ProjectedPool | None = recorded if recorded is not None and recorded.document else None
        self.changed: tuple[Changed, ...] = ()
        if self.known is not None and self.known.document != msgspec.to_builtins(self.spec):
            before = readable(self.known.document)
            self.changed = compare_specialists(before, self.spec) if before is not None else (UNKNOWN,)

    @property
    def address(self) -> str:
        """`specialist/builder`."""
        return specialist_address(self.name)

    @cached_property
    def edited(self) -> bool:
        """Whether what makes its processes was edited since the log's definition, or is new."""
        return self.known is None or any(one.role == "replace" for one in self.changed)

    @property
    def replicas_before(self) -> int:
        """How many replicas the log's definition wants."""
        before = self.known.document.get("replicas", 1) if self.known is not None else 0
        return before if isinstance(before, int) else 0

    def differences(self, process: ProjectedProcess) -> tuple[Changed, ...]:
        """What a process would have to be started anew for; empty when it is as declared."""
        if process.digest == self.digest:
            return ()
        before = readable(process.definition) if process.definition is not None else None
        if before is None:
            return (UNKNOWN,)
        return tuple(one for one in compare_specialists(before, self.spec) if one.role == "replace")

    def down(self, replica: int) -> bool:
        """Whether somebody asked for this replica to be stopped."""
        return self.known is not None and self.known.is_down(replica)

    def drains(self, replica: int) -> bool:
        """Whether it goes down when it has finished what it works on, and not before."""
        return self.known is not None and self.known.drains(replica)


def readable(document: dict[str, Any]) -> SpecialistSpec | None:
    """A definition from the log; None when this release cannot read it any more."""
    try:
        return msgspec.convert(document, known(SpecialistSpec))
    except msgspec.ValidationError:
        return None


def choose(
    wanted: WantedPool, alive: Sequence[ProjectedProcess]
) -> tuple[ProjectedProcess | None, Sequence[ProjectedProcess]]:
    """The process that stays a replica's, and those that are too many: one that is as declared, else the eldest."""
    if not alive:
        return None, ()
    best = min(alive, key=lambda one: (bool(wanted.differences(one)), one.started_at, one.process_id))
    return best, [one for one in alive if one is not best]


def judge(wanted: WantedPool, replica: int, alive: ProjectedProcess | None, last: ProjectedProcess | None) -> Verdict:
    """What is to be done about a replica.

    Args:
        alive: the process that stands for it, None when none runs.
        last: the one that has ended last, where none runs.
    """
    if wanted.down(replica):
        return _down(wanted, alive)
    if alive is not None:
        return _alive(wanted, alive)
    if last is not None:
        return _ended(wanted, last)
    return _absent(wanted, replica)


def _absent(wanted: WantedPool, replica: int) -> Verdict:
    if wanted.known is None:
        return Verdict(start(wanted, replica, Reason("declared", "new in the file")))
    held = _held_back(wanted, replica)
    if held is not None:
        return held
    before, now = wanted.replicas_before, wanted.spec.replicas
    if replica > before:
        reason = Reason("scaled", f"replicas {before} → {now}", (FieldChange("replicas", before, now),))
    else:
        reason = Reason("not_started", "declared and not started yet")
    return Verdict(start(wanted, replica, reason))


def _down(wanted: WantedPool, alive: ProjectedProcess | None) -> Verdict:
    if alive is None:
        return Verdict(why="stopped on request")
    if wanted.drains(alive.replica):
        return Verdict(why="drains: ends when it has finished what it works on")
    action = stop(wanted, alive, Reason("requested", "stopped on request"))
    return first_drained(wanted.situation, alive, action)


def _alive(wanted: WantedPool, process: ProjectedProcess) -> Verdict:
    changed = wanted.differences(process)
    if changed:
        if wanted.spec.protect:
            text = edited(changed).text
            told = f"is protected and would be replaced: {text}; `protect: false` in its block allows it"
            return Verdict(why=f"protected; {text}", warning=told)
        return first_drained(wanted.situation, process, replace(wanted, process, edited(changed)))
    if process.state == "paused":
        held = _held_back(wanted, process.replica)
        if held is not None:
            return held
        reason = Reason("world_changed", "paused outside of fleet")
        return _heal(wanted, process.replica, resume(wanted, process, reason))
    return Verdict(why=AS_DECLARED)


def _ended(wanted: WantedPool, last: ProjectedProcess) -> Verdict:
    changed = wanted.differences(last)
    if changed:
        return Verdict(start(wanted, last.replica, edited(changed), last))
    if not last.external:
        return Verdict(start(wanted, last.replica, Reason("requested", "wanted up again"), last))
    policy = wanted.spec.restart.policy
    code = "" if last.exit_code is None else f" (exit code {last.exit_code})"
    if policy == "no" or (policy == "on-failure" and last.exit_code == 0):
        return Verdict(why=f"has ended{code} and its restart policy is {policy}")
    held = _held_back(wanted, last.replica)
    if held is not None:
        return held
    reason = Reason("stopped_outside", f"ended outside of fleet{code}")
    return _heal(wanted, last.replica, start(wanted, last.replica, reason, last))


def _heal(wanted: WantedPool, replica: int, action: AnyAction) -> Verdict:
    """Put right what the world changed, unless that is to be left alone."""
    ignored = wanted.situation.ignored_address("state", wanted.address, specialist_address(wanted.name, replica))
    if ignored:
        return Verdict(why=f"{action.reason.text}; {ignored}")
    if not wanted.situation.options.heal:
        return Verdict(why=f"{action.reason.text}; self-healing is off")
    return Verdict(action)


def _held_back(wanted: WantedPool, replica: int) -> Verdict | None:
    """A replica that keeps failing is left alone for a while or for good; an edit overrides both."""
    situation = wanted.situation
    found = situation.projected.backoffs.get(specialist_address(wanted.name, replica))
    if found is None or wanted.edited:
        return None
    failures = counted(found.failures, "failure")
    if found.abandoned:
        text = f"was given up after {failures}; `fleet specialists start {wanted.name}` tries again"
        return Verdict(why=f"given up after {failures}", warning=text)
    if not found.holds(situation.options.now_ms):
        return None
    return Verdict(why=f"waits until {moment(found.until or 0)} after {failures}")


Going = StopProcess | ReplaceProcess | RemoveProcess


def first_drained(situation: Situation, process: ProjectedProcess, action: Going) -> Verdict:
    """The way in which a replica goes: at once, or, for who looks again, when it has finished what it works on."""
    pool = situation.projected.pools[process.pool]
    worker = pool.workers.get(process.replica)
    busy = worker is not None and worker.status == "busy" and process.state == "running"
    if not (busy and situation.options.drain_first) or action.reason.code == "duplicate":
        return Verdict(action)
    if process.drains_until is None:
        common = {field: getattr(action, field) for field in ("resource", "reason", "pool", "replica", "grace_ms")}
        address = action.id.partition(" ")[2]
        drained = DrainProcess(id=f"drain {address}", process_id=process.process_id, pid=process.pid, **common)
        return Verdict(drained)
    if process.drains_until > situation.options.now_ms:
        return Verdict(why=f"{action.reason.text}; goes when it has finished what it works on")
    return Verdict(action)


def start(wanted: WantedPool, replica: int, reason: Reason, last: ProjectedProcess | None = None) -> StartProcess:
    """Start a replica, the first time or after its last process has ended."""
    return StartProcess(
        **_common(wanted.name, "start", replica, reason),
        digest=wanted.digest,
        first=last is None,
        process_id=last.process_id if last is not None else "",
        pid=last.pid if last is not None else 0,
    )


def resume(wanted: WantedPool, process: ProjectedProcess, reason: Reason) -> ResumeProcess:
    """Let it go on."""
    return ResumeProcess(
        **_common(wanted.name, "resume", process.replica, reason), process_id=process.process_id, pid=process.pid
    )


def replace(wanted: WantedPool, process: ProjectedProcess, reason: Reason) -> ReplaceProcess:
    """Start it anew, when it has let go of what it works on."""
    return ReplaceProcess(
        **_common(wanted.name, "replace", process.replica, reason),
        process_id=process.process_id,
        pid=process.pid,
        digest=wanted.digest,
        old_digest=process.digest,
        grace_ms=wanted.spec.stop_grace_ms,
    )


def stop(wanted: WantedPool, process: ProjectedProcess, reason: Reason) -> StopProcess:
    """End it and keep its place."""
    return StopProcess(
        **_common(wanted.name, "stop", process.replica, reason),
        process_id=process.process_id,
        pid=process.pid,
        grace_ms=wanted.spec.stop_grace_ms,
    )


def remove(process: ProjectedProcess, reason: Reason, grace_ms: int, *, second: bool = False) -> RemoveProcess:
    """End it for good; a second one of its replica is told apart by its own id."""
    common = _common(process.pool, "delete", process.replica, reason)
    common["id"] = f"delete {process_address(process, second=second)}"
    return RemoveProcess(**common, process_id=process.process_id, pid=process.pid, grace_ms=grace_ms)


def process_address(process: ProjectedProcess, *, second: bool = False) -> str:
    """The address of a process; of a second one of its replica with its own id."""
    address = specialist_address(process.pool, process.replica)
    return f"{address}+{process.process_id[-_SHORT:]}" if second else address


def _common(pool: str, verb: str, replica: int, reason: Reason) -> dict[str, Any]:
    return {
        "id": f"{verb} {specialist_address(pool, replica)}",
        "resource": specialist_address(pool),
        "reason": reason,
        "pool": pool,
        "replica": replica,
    }

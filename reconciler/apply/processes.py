"""Actions on specialists: starting, replacing and ending the processes that are their replicas.

One that has to go is drained first: it gets nothing more, and has its grace period to finish the sortie that it holds.
What is left then goes back, and the process is asked to end. The next one starts when the last one, with everything it
had started, is gone, so that no replica is ever two.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from reconciler.apply.intents import Intent
from reconciler.apply.means import Means
from reconciler.apply.readiness import now_ms, passed_ms
from reconciler.apply.reporting import must_report
from reconciler.errors import ActionFailed, FleetError
from reconciler.events.envelope import NewEvent
from reconciler.plan.model import (
    DrainProcess,
    RemoveProcess,
    ReplaceProcess,
    ResumeProcess,
    StartProcess,
    StopProcess,
)
from reconciler.runtime.model import LABEL_DIGEST, LABEL_PROTECT, LABEL_REPLICA
from reconciler.runtime.process.model import ObservedProcess, ProcessOrder
from reconciler.spec.desired import SecretUse, SpecialistSpec

Outcomes = list[NewEvent]
ProcessAction = StartProcess | ResumeProcess | DrainProcess | ReplaceProcess | StopProcess | RemoveProcess
_Ending = ReplaceProcess | StopProcess | RemoveProcess

# From being asked to end until being made to.
_END_MS = 15_000
_LOOK_AGAIN_MS = 100


def carry_out_process(means: Means, action: ProcessAction, intent: Intent) -> Outcomes:
    """Do what an action says; what came of it.

    Raises:
        FleetError: it did not work.
    """
    means.journal.check()
    match action:
        case StartProcess():
            return [_start(means, action, intent)]
        case ResumeProcess():
            process = ObservedProcess(action.process_id, action.pid, {})
            means.processes.resume(process)
            return [intent.outcome("specialist_process_resumed", _named(action, intent, action.process_id))]
        case DrainProcess():
            means.crew.drain(action.pool, action.replica, intent.event.event_id)
            until = _named(action, intent, action.process_id, until=now_ms() + action.grace_ms)
            return [intent.outcome("specialist_process_drained", until)]
        case ReplaceProcess():
            means.journal.record(_end(means, action, intent))
            means.journal.record(_start(means, action, intent))
            # The next replica is not taken away before this one works: one that cannot must stay the only one.
            must_report(means, action.pool, action.replica)
            return []
        case StopProcess() | RemoveProcess():
            return [_end(means, action, intent)]


def _named(action: ProcessAction, intent: Intent, process_id: str, **more: Any) -> dict[str, Any]:
    data = {"pool": action.pool, "replica": action.replica, "process_id": process_id, **more}
    return {**{name: value for name, value in data.items() if value is not None}, "intent_id": intent.label}


def _start(means: Means, action: StartProcess | ReplaceProcess, intent: Intent) -> NewEvent:
    spec = means.specialist(action.pool)
    if action.pid:
        # What the last process had started may have outlived it, and would work beside the new one.
        means.processes.stop(action.pid, action.process_id, 0)
    labels = {
        **means.labels(action.resource, intent.label),
        LABEL_REPLICA: str(action.replica),
        LABEL_DIGEST: action.digest,
        LABEL_PROTECT: "true" if spec.protect else "false",
    }
    order = ProcessOrder(
        command=means.crew.command(action.pool, action.replica),
        environment=environment(means, spec),
        working_dir=Path(spec.working_dir) if spec.working_dir else means.project,
        labels=labels,
        log=means.crew.log(action.pool, action.replica),
    )
    began = now_ms()
    process = means.processes.start(order)
    means.now_at_work(action.pool, action.replica, process, began)
    data = _named(action, intent, intent.label, pid=process.pid, digest=action.digest, log=str(order.log))
    return intent.outcome("specialist_process_started", data)


def environment(means: Means, spec: SpecialistSpec) -> dict[str, str]:
    """Everything that a specialist's process finds in its environment, values of its secrets included.

    Variables that secrets come from are for who resolves them: a specialist sees those that it uses, under its own names.

    Raises:
        FleetError: a secret has no value.
    """
    sources = {source.env for source in means.desired.secrets.values() if source.env}
    values = {name: value for name, value in means.environ.items() if name not in sources}
    for name, value in spec.environment.items():
        text = os.fsdecode(means.secret(value.secret)) if isinstance(value, SecretUse) else value
        if "\0" in text:
            raise ActionFailed(f"the variable {name} of specialist/{spec.name} would hold a zero byte")
        values[name] = text
    return values


def _end(means: Means, action: _Ending, intent: Intent) -> NewEvent:
    spec = means.desired.specialists.get(action.pool)
    if spec is not None and spec.protect and not isinstance(action, StopProcess) and action.reason.code != "duplicate":
        raise ActionFailed(
            f"specialist/{action.pool} is protected and its process is left alone",
            hint="set `protect: false` for it and apply that first",
        )
    second = action.reason.code == "duplicate"
    if not second:
        _let_go(means, action, intent)
    code = means.processes.stop(action.pid, action.process_id, _END_MS)
    if not second:
        means.crew.hand_back(action.pool, action.replica, intent.event.event_id)
    return intent.outcome("specialist_process_stopped", _named(action, intent, action.process_id, exit_code=code))


def _let_go(means: Means, action: _Ending, intent: Intent) -> None:
    """Wait until it holds nothing any more, its grace period is over, or it has ended by itself."""
    crew, until = means.crew, passed_ms() + action.grace_ms
    if not crew.drain(action.pool, action.replica, intent.event.event_id):
        return
    while crew.works_on(action.pool, action.replica) and passed_ms() < until:
        there = means.processes.observe(means.desired.project)
        if action.process_id not in {one.process_id for one in there.processes} and action.pid not in there.unknown:
            return
        means.halt.sleep(_LOOK_AGAIN_MS)


def obstacles(means: Means, action: ProcessAction) -> list[str]:
    """What can be known beforehand to go wrong with starting a process. Changes nothing."""
    if not isinstance(action, StartProcess | ReplaceProcess):
        return []
    try:
        spec = means.specialist(action.pool)
        environment(means, spec)
    except FleetError as error:
        return [error.what]
    folder = Path(spec.working_dir) if spec.working_dir else means.project
    return [] if folder.is_dir() else [f"the working directory {folder} of specialist/{action.pool} does not exist"]

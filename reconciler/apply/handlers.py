"""Handlers: what a change asked for (`notify`), once, at the end.

A notification is recorded with the change itself, so that a run which ends early leaves it pending for the next.
"""

from __future__ import annotations

from reconciler.apply.actions import Outcomes, running_since_now
from reconciler.apply.intents import Intent
from reconciler.apply.means import Means
from reconciler.apply.owned import owned
from reconciler.errors import ActionFailed
from reconciler.events.envelope import NewEvent
from reconciler.plan.model import (
    AnyAction,
    CreateContainer,
    ReplaceContainer,
    RestartContainer,
    RunHandler,
    UpdateContainer,
)

_CHANGES = (CreateContainer, ReplaceContainer, UpdateContainer)
_LONGEST_OUTPUT = 500


def notifications(means: Means, action: AnyAction, after: NewEvent) -> Outcomes:
    """What a change that was just made asks for."""
    if not isinstance(action, _CHANGES):
        return []
    spec = means.desired.services.get(action.service)
    return [
        NewEvent(
            "handler_notified",
            "fleet",
            means.desired.name,
            {"handler": handler, "service": action.service},
            causation_id=after.event_id,
        )
        for handler in (spec.notify if spec is not None else ())
    ]


def run_handler(means: Means, action: RunHandler, intent: Intent) -> Outcomes:
    """Restart a service or run a command inside one.

    Raises:
        ActionFailed: it did not work; recorded here as `handler_failed`, so that it stays pending.
    """
    handler = action.handler
    try:
        outcomes = _restart(means, action, intent) if handler.restart else _command(means, action)
    except ActionFailed as error:
        data = {"handler": handler.name, "error": means.mask(error.what)}
        means.journal.record(intent.outcome("handler_failed", data))
        raise
    return [*outcomes, intent.outcome("handler_completed", {"handler": handler.name})]


def _restart(means: Means, action: RunHandler, intent: Intent) -> Outcomes:
    service = action.handler.restart
    grace_ms = means.service(service).stop_grace_ms
    outcomes: Outcomes = []
    for replica, running in means.replicas(service).items():
        owned(means, running.container_id, running.name)
        means.runtime.restart(running.container_id, grace_ms)
        restart = RestartContainer(
            id=action.id,
            resource=f"service/{service}",
            reason=action.reason,
            service=service,
            replica=replica,
            container_id=running.container_id,
            name=running.name,
        )
        outcomes.append(running_since_now(means, restart, intent, running.container_id, digest=running.digest))
    return outcomes


def _command(means: Means, action: RunHandler) -> Outcomes:
    handler = action.handler
    replicas = means.replicas(handler.service)
    if not replicas:
        raise ActionFailed(f"handler {handler.name} cannot run: service/{handler.service} does not run")
    running = next(iter(replicas.values()))
    code, printed = means.runtime.exec(running.container_id, handler.command)
    if code:
        said = means.mask(printed.decode("utf-8", "replace").strip())[-_LONGEST_OUTPUT:]
        raise ActionFailed(f"handler {handler.name} ended with exit code {code}" + (f": {said}" if said else ""))
    return []

"""Replacing: a new container in the place of an old one.

Both ways make the new one first, under a temporary name, so that whatever is wrong with it is found while the old one
still runs. `stop-first` then stops the old one before the new one starts; `start-first` stops it when the new one is
ready. With `auto_revert` the old one is kept until the new one is ready, and comes back if that never happens.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.apply.actions import Outcomes, Replica, launch, make_container, take_away
from reconciler.apply.intents import Intent
from reconciler.apply.means import Means, Running
from reconciler.apply.owned import expendable
from reconciler.apply.readiness import STEADY_MS, Wait, own_gate, passed_ms, wait_until_ready
from reconciler.errors import ActionFailed, FleetError, LeaseHeld, NotFound, RuntimeUnreachable
from reconciler.events.envelope import NewEvent
from reconciler.plan.model import ReplaceContainer
from reconciler.spec.desired import to_document

_SUFFIX = 8


@dataclass(frozen=True, slots=True)
class _Old:
    """The container that is to go, as it is right now; `there` is False when somebody has removed it meanwhile."""

    replica: Replica
    running: bool
    there: bool = True


def replace_container(means: Means, action: ReplaceContainer, intent: Intent) -> Outcomes:
    """Make the new container, then go the way that the plan says."""
    old = _old(means, action)
    created = make_container(means, action, intent, name=_temporary_name(action, intent))
    means.journal.record(created)
    if action.order == "start-first":
        return _start_first(means, action, intent, old, created)
    if action.auto_revert:
        return _stop_first_on_trial(means, action, intent, old, created)
    return _stop_first(means, action, intent, old, created)


def _old(means: Means, action: ReplaceContainer) -> _Old:
    replica = Replica(action.service, action.replica, action.container_id)
    try:
        container = expendable(means, action.container_id, action.old_name, action.service)
    except NotFound:
        return _Old(replica, running=False, there=False)
    return _Old(replica, running=container.state in ("running", "paused"))


def _temporary_name(action: ReplaceContainer, intent: Intent) -> str:
    return f"{action.name}-{intent.event.event_id.hex[-_SUFFIX:]}"


def _stop_first(means: Means, action: ReplaceContainer, intent: Intent, old: _Old, created: NewEvent) -> Outcomes:
    means.journal.record(*_remove_old(means, action, intent, old))
    renamed = _take_name(means, action, intent, created)
    means.journal.record(renamed)
    return [launch(means, action, intent, renamed)]


def _stop_first_on_trial(
    means: Means, action: ReplaceContainer, intent: Intent, old: _Old, created: NewEvent
) -> Outcomes:
    if old.running:
        means.runtime.stop(old.replica.container_id, action.grace_ms)
        means.journal.record(intent.outcome("container_stopped", old.replica.data(intent)))
    try:
        started = launch(means, action, intent, created)
        means.journal.record(started)
        _must_become_ready(means, action)
    except (LeaseHeld, RuntimeUnreachable):
        # Somebody else is the writer now, or nobody knows what is: not the moment to take anything away.
        raise
    except FleetError as error:
        _back_to(means, action, intent, old, created, why=means.mask(error.what))
        raise
    return _settle(means, action, intent, old, started)


def _start_first(means: Means, action: ReplaceContainer, intent: Intent, old: _Old, created: NewEvent) -> Outcomes:
    try:
        started = launch(means, action, intent, created)
        means.journal.record(started)
        _must_become_ready(means, action)
    except (LeaseHeld, RuntimeUnreachable):
        # Somebody else is the writer now, or nobody knows what is: not the moment to take anything away.
        raise
    except FleetError as error:
        _back_to(means, action, intent, old, created, why=means.mask(error.what))
        raise
    return _settle(means, action, intent, old, started)


def _settle(means: Means, action: ReplaceContainer, intent: Intent, old: _Old, started: NewEvent) -> Outcomes:
    """The new one is ready: the old one goes and the new one takes its name."""
    means.journal.record(*_remove_old(means, action, intent, old))
    return [_take_name(means, action, intent, started)]


def _remove_old(means: Means, action: ReplaceContainer, intent: Intent, old: _Old) -> Outcomes:
    if not old.there:
        return [intent.outcome("container_removed", old.replica.data(intent))]
    container = expendable(means, old.replica.container_id, action.old_name, action.service)
    running = container.state in ("running", "paused")
    return take_away(means, intent, old.replica, running=running, grace_ms=action.grace_ms)


def _take_name(means: Means, action: ReplaceContainer, intent: Intent, after: NewEvent) -> NewEvent:
    new = Replica(action.service, action.replica, after.data["container_id"])
    means.runtime.rename(new.container_id, action.name)
    return intent.outcome("container_renamed", new.data(intent, name=action.name), after=after)


def _must_become_ready(means: Means, action: ReplaceContainer) -> None:
    spec = means.service(action.service)
    if spec.kind == "job":
        return
    wait = Wait(means, action.service, own_gate(spec), replica=action.replica, steady_ms=STEADY_MS)
    verdict = wait_until_ready(wait, means.halt)
    if verdict.state == "failed":
        raise ActionFailed(verdict.detail)


def _back_to(
    means: Means,
    action: ReplaceContainer,
    intent: Intent,
    old: _Old,
    created: NewEvent,
    *,
    why: str,
) -> None:
    """What was begun is undone: the new one goes, the old one runs again, and with `auto_revert` its definition holds again."""
    new = Replica(action.service, action.replica, created.data["container_id"])
    state = means.runtime.inspect(new.container_id).container.state
    outcomes = take_away(means, intent, new, running=state in ("running", "paused"), grace_ms=action.grace_ms)
    if old.there:
        if action.order == "stop-first" or not old.running:
            means.runtime.start(old.replica.container_id)
            outcomes.append(intent.outcome("container_started", old.replica.data(intent)))
        running = Running(old.replica.container_id, action.old_digest, action.old_name, passed_ms())
        means.now_running(action.service, action.replica, running)
    good = means.definition(action.old_digest)
    if action.auto_revert and good is not None:
        data = {
            "service": action.service,
            "digest": action.digest,
            "to_digest": action.old_digest,
            "definition": to_document(good),
            "why": why,
            "intent_id": intent.label,
        }
        outcomes.append(intent.outcome("service_reverted", data))
        means.reverted.append(action.service)
    means.journal.record(*outcomes)

"""Handlers: what a change asks for, once, after everything that asked for it and everything that it is about.

A change is a container that is made, replaced or given other limits; a container that was merely started again asks for
nothing. What was asked for in an earlier apply and did not come to pass is still pending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.plan.draft import Draft
from reconciler.plan.gates import Standing, gate_needs, shut
from reconciler.plan.model import CreateContainer, Need, Reason, ReplaceContainer, RunHandler, UpdateContainer
from reconciler.plan.naming import service_address
from reconciler.plan.reasons import listed
from reconciler.plan.services import Looked
from reconciler.plan.situation import Situation
from reconciler.spec.desired import Handler


def add_handlers(
    situation: Situation, draft: Draft, looked: Mapping[str, Looked], standing: Mapping[str, Standing]
) -> None:
    """Add the handlers that this plan asks for, and those that are pending."""
    pending = situation.projected.handlers
    changing = _changing(looked)
    for name in sorted(changing.keys() | pending.keys()):
        handler = situation.desired.handlers.get(name)
        if handler is None:
            draft.keep(f"handler/{name}", "no longer declared")
            continue
        service = handler.restart or handler.service
        why = (
            situation.suspended(service) or situation.selection.why_not(service) or shut({service: "started"}, standing)
        )
        if why:
            draft.keep(f"handler/{name}", why)
            continue
        _run(draft, handler, changing.get(name, {}), pending.get(name, ()), standing)


def _changing(looked: Mapping[str, Looked]) -> dict[str, dict[str, list[str]]]:
    """Handler to the services that ask for it in this plan, with the actions that are their change."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, each in looked.items():
        if not each.wanted.spec.notify:
            continue
        changes = [
            action.id
            for verdict in each.verdicts.values()
            for action in verdict.actions
            if isinstance(action, CreateContainer | ReplaceContainer | UpdateContainer)
        ]
        if changes:
            for handler in each.wanted.spec.notify:
                found.setdefault(handler, {})[name] = changes
    return found


def _run(
    draft: Draft,
    handler: Handler,
    changing: Mapping[str, Sequence[str]],
    pending: Sequence[str],
    standing: Mapping[str, Standing],
) -> None:
    asking = [service_address(service) for service in sorted({*changing, *pending})]
    text = f"asked for by {listed(asking)}" + ("" if changing else " in an earlier apply")
    action = RunHandler(
        id=f"run handler/{handler.name}",
        resource=f"handler/{handler.name}",
        reason=Reason("notified", text),
        needs=tuple(gate_needs({handler.restart or handler.service: "started"}, standing)),
        handler=handler,
    )
    draft.add(action)
    for changes in changing.values():
        for change in changes:
            if not any(need.action == change for need in action.needs):
                draft.need(action.id, Need(change))

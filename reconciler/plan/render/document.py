"""A plan as a JSON document, by the published schema `plan.v1.json`: for programs, and for carrying it out later."""

from __future__ import annotations

from typing import Any

import msgspec

from reconciler.decoders import known
from reconciler.errors import PlanStale
from reconciler.plan.model import PLAN_VERSION, Plan
from reconciler.spec.masked import masked

_AGAIN = "make the plan again"


def document(plan: Plan) -> dict[str, Any]:
    """The plan for everybody's eyes: what looks like a secret in the definitions is covered, so it cannot be applied."""
    shown = saved_document(plan)
    for action in shown["actions"]:
        if "definition" in action:
            action["definition"] = masked(action["definition"])
    return {**shown, "masked": True}


def saved_document(plan: Plan) -> dict[str, Any]:
    """The plan whole, as it can be carried out later. It holds what the file holds: keep it as private."""
    whole: dict[str, Any] = msgspec.to_builtins(plan)
    return whole


def plan_from_document(value: dict[str, Any]) -> Plan:
    """The plan that `saved_document` was given.

    Raises:
        PlanStale: it was made by a newer release, is not whole, or is no plan at all.
    """
    version = value.get("version")
    if isinstance(version, int) and version > PLAN_VERSION:
        raise PlanStale(f"the saved plan is of version {version} and this release reads {PLAN_VERSION}", hint=_AGAIN)
    try:
        plan = msgspec.convert(value, known(Plan))
    except msgspec.ValidationError as error:
        raise PlanStale(f"the saved plan cannot be read: {error}", hint=_AGAIN) from None
    if plan.masked:
        raise PlanStale("the saved plan is one for reading, with values covered", hint=_AGAIN)
    return plan

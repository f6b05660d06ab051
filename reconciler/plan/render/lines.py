"""A plan as lines, one an item, whole and exact: what tests compare and what a person greps.

[needs] -> #number resource, operation, reason {fields}
= resource, why it stays
~ resource, why its edit waits for its next run {fields}
! resource, what to see before saying yes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.plan.counts import thing_of
from reconciler.plan.model import AnyAction, Counts, FieldChange, Need, Plan, ReplaceContainer
from reconciler.plan.render.values import change_text


def lines(plan: Plan) -> str:
    """The whole plan: actions in their order, what stays, what waits for a next run, warnings, and the counts."""
    numbers = {action.id: number for number, action in enumerate(plan.actions, start=1)}
    text = [_action(action, numbers) for action in plan.actions]
    text += [f"= {one.resource}, {one.why}" for one in plan.unchanged]
    text += [f"~ {one.resource}, {one.why}{_changes(one.changes)}" for one in plan.later]
    text += [f"! {one.resource}, {one.text}" for one in plan.warnings]
    return "\n".join([*text, counts_line(plan)])


def counts_line(plan: Plan) -> str:
    """The counts that are not zero, in the order of their weight, and how many containers would be destroyed."""
    numbers = [f"{name} {number}" for name, number in _numbers(plan.counts)]
    return ", ".join([*numbers, f"destroys {plan.destroys}"])


def operation(action: AnyAction) -> str:
    """The kind of an action in words: `create container`, `pull image`."""
    return str(type(action).__struct_config__.tag).replace("_", " ")


def _numbers(counts: Counts) -> Iterator[tuple[str, int]]:
    for name in counts.__struct_fields__:
        number = getattr(counts, name)
        if number:
            yield name, number


def _action(action: AnyAction, numbers: dict[str, int]) -> str:
    needs = " ".join(_need(need, numbers) for need in sorted(action.needs, key=lambda need: _place(need, numbers)))
    what = operation(action) + (f" {action.order}" if isinstance(action, ReplaceContainer) else "")
    fields = _changes(action.reason.changes)
    return f"[{needs}] -> #{numbers[action.id]} {thing_of(action)}, {what}, {action.reason.text}{fields}"


def _changes(changes: Sequence[FieldChange]) -> str:
    return f" {{{', '.join(change_text(change) for change in changes)}}}" if changes else ""


def _place(need: Need, numbers: dict[str, int]) -> tuple[int, str, str, int]:
    return numbers.get(need.action, 0), need.service, need.gate, need.replica


def _need(need: Need, numbers: dict[str, int]) -> str:
    number = f"#{numbers[need.action]}" if need.action in numbers else need.action
    replica = f"/{need.replica}" if need.replica else ""
    gate = f"{need.service}{replica}:{need.gate}" if need.gate else ""
    return f"{number}({gate})" if number and gate else number or gate

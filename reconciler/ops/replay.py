"""Replay: whether this release, and perhaps another file, would have planned what was planned then.

For each apply in the log the state is folded up to its beginning and the plan computed anew; what it would have done is
compared with what was decided. Pure but for reading the events: no engine is asked, no file is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec

from reconciler.apply.intents import action_word, replica_of
from reconciler.errors import FleetError
from reconciler.events.envelope import Event
from reconciler.plan.diff import diff
from reconciler.plan.model import AnyAction, PlanOptions, verb_of
from reconciler.projections.fleet import revision_key
from reconciler.projections.fold import fold
from reconciler.projections.projected import Projected, project
from reconciler.projections.rows import MemoryRows
from reconciler.spec.desired import Desired, desired_from_document

# What Fleet does to the desired state before it plans, given what the log says.
Adjust = Callable[[Desired, Projected], Desired]

_WORKED = frozenset({"succeeded", "failed"})
_DECIDED = frozenset({"action_intended", "action_skipped"})
_IMAGES = frozenset({"container_created", "container_adopted", "container_found"})
_BROUGHT = frozenset({"pull_image", "build_image"})


class Step(NamedTuple):
    """One action as both sides know it; `replica` 0 for a whole resource. `why` is not compared."""

    action: str
    resource: str
    replica: int
    why: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What is compared."""
        return self[:3]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One apply, as it was and as it would be.

    Attributes:
        verdict: `passed over` for one that cannot be judged, with the reason in `note`.
        only_planned: what would be done and was not.
        only_recorded: what was done and would not be.
    """

    apply_id: str
    sequence: int
    at: int
    revision: int
    verdict: Literal["same", "different", "passed over"]
    steps: int = 0
    only_planned: tuple[Step, ...] = ()
    only_recorded: tuple[Step, ...] = ()
    note: str = ""


@dataclass(slots=True)
class _Apply:
    """An apply whose end has not been read yet: what was known when it began, and what was decided since."""

    started: Event
    projected: Projected
    document: dict[str, Any] | None
    steps: dict[tuple[str, str, int], Step] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    brought: set[str] = field(default_factory=set)
    restarts: list[str] = field(default_factory=list)

    def note(self, event: Event) -> None:
        data = event.data
        if event.event_type in _IMAGES:
            self.images[data["image"]] = data["image_id"]
        if event.event_type not in _DECIDED or data["apply_id"] != self.started.data["apply_id"]:
            return
        reason = data.get("reason") or {}
        step = Step(data["action"], data["resource"], data.get("replica") or 0, reason.get("text", ""))
        self.steps[step.key] = step
        if step.action in _BROUGHT:
            self.brought.add(step.resource.partition("/")[2])
        if step.action == "restart" and reason.get("code") == "requested":
            self.restarts.append(f"{step.resource}/{step.replica}")


def replay(
    events: Iterable[Event],
    *,
    against: Desired | None = None,
    adjust: Adjust = lambda desired, _: desired,
    since: int = 0,
) -> Iterator[Replayed]:
    """Every apply of the log in turn.

    Args:
        events: the log from its first event on.
        against: what is wanted instead of what each revision said.
        adjust: what else decides about the desired state.
        since: applies that began before this sequence number are passed over silently.
    """
    rows = MemoryRows()
    current: _Apply | None = None
    for event in events:
        if event.event_type == "apply_started":
            if current is not None:
                yield _judged(current, "", against, adjust)
            current = _begun(event, rows) if event.sequence_number >= since else None
        fold(event, rows)
        if current is None:
            continue
        current.note(event)
        if event.event_type == "apply_completed" and event.data["apply_id"] == current.started.data["apply_id"]:
            yield _judged(current, event.data["status"], against, adjust)
            current = None
    if current is not None:
        yield _judged(current, "", against, adjust)


def _begun(started: Event, rows: MemoryRows) -> _Apply:
    row = rows.get("revisions", revision_key(started.data["revision"]))
    projected = project(rows, sequence=started.sequence_number - 1)
    return _Apply(started, projected, row["document"] if row is not None else None)


def _judged(apply: _Apply, status: str, against: Desired | None, adjust: Adjust) -> Replayed:
    data = apply.started.data
    about = (data["apply_id"], apply.started.sequence_number, apply.started.occurred_at, data["revision"])
    if any(step.action == "adopt" for step in apply.steps.values()):
        return Replayed(*about, "passed over", note="it took over containers that the log knows nothing more about")
    desired = against
    if desired is None:
        if apply.document is None:
            return Replayed(*about, "passed over", note="its revision is not in the log")
        try:
            desired = desired_from_document(apply.document)
        except msgspec.ValidationError as error:
            return Replayed(*about, "passed over", note=f"its revision cannot be read by this release: {error}")
    try:
        planned = _planned(apply, adjust(desired, apply.projected))
    except FleetError as error:
        return Replayed(*about, "passed over", note=f"it cannot be planned: {error}")
    return _compared(apply, planned, about, complete=status in _WORKED)


def _planned(apply: _Apply, desired: Desired) -> dict[tuple[str, str, int], Step]:
    images = {one.image: one.image_id for one in apply.projected.all_containers() if one.image_id}
    images.update({image: image_id for image, image_id in apply.images.items() if image not in apply.brought})
    options = PlanOptions(
        targets=tuple(apply.started.data.get("target") or ()),
        restart=tuple(apply.restarts),
        images=images,
        now_ms=apply.started.occurred_at,
    )
    steps = [_step(action) for action in diff(desired, apply.projected, options).actions if verb_of(action) != "record"]
    return {step.key: step for step in steps}


def _step(action: AnyAction) -> Step:
    return Step(action_word(action), action.resource, replica_of(action) or 0, action.reason.text)


def _compared(
    apply: _Apply, planned: dict[tuple[str, str, int], Step], about: tuple[str, int, int, int], *, complete: bool
) -> Replayed:
    """An apply that was cut short did not come to everything; what it did must have been planned all the same."""
    only_planned = _without(planned, apply.steps) if complete else ()
    only_recorded = _without(apply.steps, planned)
    return Replayed(
        *about,
        "different" if only_planned or only_recorded else "same",
        len(apply.steps),
        only_planned,
        only_recorded,
        "" if complete else "it was cut short: only what it came to was compared",
    )


def _without(steps: dict[tuple[str, str, int], Step], others: dict[tuple[str, str, int], Step]) -> tuple[Step, ...]:
    return tuple(steps[key] for key in sorted(steps.keys() - others.keys()))

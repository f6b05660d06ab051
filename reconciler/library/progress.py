"""Progress as values: what is told, while something is carried out, to a function of the caller's.

Each kind of step has a type of its own. The function may be called from several threads, one call at a time; what it raises
is nobody's to catch, so it should not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.apply.report import ActionState, GateState, Reporter
    from reconciler.control.look import Look
    from reconciler.control.watch.teller import Level
    from reconciler.plan.model import AnyAction


@dataclass(frozen=True, slots=True)
class Problems:
    """What stands in the way of a plan, found before anything was touched, all at once."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ActionStep:
    """An action of the plan changed its state.

    Attributes:
        detail: an error, why it was skipped, or what it is doing; never a secret.
        seconds: how long it has taken so far.
    """

    action: AnyAction
    state: ActionState
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class GateStep:
    """A service is waited for: `gate` is `healthy`, `started` or `completed`."""

    service: str
    gate: str
    state: GateState
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the loop says while it watches: a sentence for people, and facts for programs."""

    level: Level
    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Step = Problems | ActionStep | GateStep | Told
Progress = Callable[[Step], None]


class Steps:
    """A reporter and a teller that hands on what it is told as values."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_problems(self, problems: Sequence[str]) -> None:
        self._progress(Problems(tuple(problems)))

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        self._progress(ActionStep(action, state, detail, seconds))

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        self._progress(GateStep(service, gate, state, detail, seconds))

    def tell(self, level: Level, what: str, **facts: Any) -> None:
        self._progress(Told(level, what, facts))

    def looked(self, seen: Look) -> None:
        pass

    def reporter(self, seen: Look) -> Reporter:
        return self


def nobody(step: Step) -> None:
    """Progress for who does not want to know."""

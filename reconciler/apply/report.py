"""Progress: what is told, while a plan is carried out, to whoever watches.

A reporter is told and never asked. It may be called from several threads, one call at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from reconciler.plan.model import AnyAction

ActionState = Literal["waiting", "running", "done", "failed", "skipped"]
GateState = Literal["wait", "open", "failed"]


class Reporter(Protocol):
    """What the executor tells while it works."""

    def on_problems(self, problems: Sequence[str]) -> None:
        """What stands in the way of the plan, found before anything was touched, all at once."""

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        """An action of the plan changed its state.

        Args:
            detail: an error, why it was skipped, or what it is doing; never a secret.
            seconds: how long it has taken so far.
        """

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        """A service is waited for: `gate` is `healthy`, `started` or `completed`."""


class Silent:
    """A reporter that tells nobody."""

    def on_problems(self, problems: Sequence[str]) -> None:
        pass

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        pass

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        pass


class Both:
    """Tells two reporters."""

    def __init__(self, first: Reporter, second: Reporter) -> None:
        self._all = (first, second)

    def on_problems(self, problems: Sequence[str]) -> None:
        for one in self._all:
            one.on_problems(problems)

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        for one in self._all:
            one.on_action(action, state, detail, seconds)

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        for one in self._all:
            one.on_gate(service, gate, state, detail, seconds)

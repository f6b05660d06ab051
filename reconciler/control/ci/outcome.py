"""What became of a run, collected while it goes on: the plan, the actions, the waits, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.apply.report import ActionState, GateState
from reconciler.errors import FleetError, Problem, SpecInvalid
from reconciler.plan.model import AnyAction

if TYPE_CHECKING:
    from reconciler.apply.model import ApplyResult
    from reconciler.control.reading import Reading
    from reconciler.plan.model import Plan
    from reconciler.spec.desired import Desired


@dataclass(slots=True)
class Wait:
    """A service that was waited for: `state` is `wait` where the end came first."""

    service: str
    gate: str
    state: GateState = "wait"
    detail: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Outcome:
    """A reporter that remembers.

    Attributes:
        fleet: its name; the folder's until the file was read.
        plan: None when it did not come to one.
        error: what ended the run.
        places: resource address to its place in the file.
        warnings: of the file.
    """

    fleet: str
    plan: Plan | None = None
    result: ApplyResult | None = None
    error: FleetError | None = None
    places: Mapping[str, tuple[str, int, int]] = field(default_factory=dict)
    warnings: Sequence[Problem] = ()
    obstacles: list[str] = field(default_factory=list)
    waits: dict[tuple[str, str], Wait] = field(default_factory=dict)

    def saw(self, desired: Desired, plan: Plan, reading: Reading) -> None:
        """The file was read, and this is what is to be done."""
        self.fleet, self.plan, self.warnings = desired.name, plan, reading.warnings
        names = (f"service/{name}" for name in desired.services)
        self.places = {name: tuple(place) for name in names if (place := reading.places.get(name)) is not None}

    def on_problems(self, problems: Sequence[str]) -> None:
        self.obstacles.extend(problems)

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        """Actions are in the result."""

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        wait = self.waits.setdefault((service, gate), Wait(service, gate))
        wait.state, wait.detail, wait.seconds = state, detail, seconds

    @property
    def status(self) -> str:
        """How it ended, in a word."""
        if self.error is not None:
            return self.error.code
        if self.result is not None:
            return self.result.status
        return "unchanged"

    def errors(self) -> list[Problem]:
        """Everything that went wrong, each with its place in the file where it has one."""
        if isinstance(self.error, SpecInvalid):
            return list(self.error.problems)
        found = [] if self.error is None else [Problem("", 0, 0, "", self.error.what, self.error.hint)]
        failures = self.result.failures if self.result is not None else ()
        for failure in failures:
            if not failure.skipped:
                file, line, column = self.places.get(_service(failure.resource), ("", 0, 0))
                found.append(Problem(file, line, column, failure.resource, failure.why))
        for wait in self.waits.values():
            if wait.state == "failed":
                file, line, column = self.places.get(f"service/{wait.service}", ("", 0, 0))
                text = f"did not become {wait.gate}" + (f": {wait.detail}" if wait.detail else "")
                found.append(Problem(file, line, column, f"service/{wait.service}", text))
        return found


def _service(resource: str) -> str:
    """The address that has a place in the file: that of a replica is its service's."""
    return "/".join(resource.split("/")[:2])

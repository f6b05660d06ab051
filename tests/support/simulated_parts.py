"""The parts of the simulated engine's world: containers, faults, and how they are named and read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder, ContainerState, Health, ObservedContainer
from reconciler.spec.desired import Resources
from tests.support.pretend import Line, run


class Crashed(BaseException):
    """The process that used the runtime died here. Not an `Exception`: nothing may catch it by accident."""


@dataclass
class Fault:
    """The nth next call of a verb goes wrong, before its effect or after it."""

    verb: str
    nth: int
    error: BaseException
    when: Literal["before", "after"]


@dataclass
class SimulatedContainer:
    """One container, as the engine keeps it."""

    container_id: str
    order: ContainerOrder
    image_id: str
    name: str
    resources: Resources
    state: ContainerState = "created"
    exit_code: int | None = None
    started_at: int = 0
    exited_at: int = 0
    health: Health = ""
    failures: int = 0
    oom_killed: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    lines: list[tuple[int, Line]] = field(default_factory=list)
    ports: tuple[tuple[str, int, int, str], ...] = ()
    networks: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.networks = set(self.order.networks)

    def seen(self) -> ObservedContainer:
        """As a list shows it."""
        return ObservedContainer(
            container_id=self.container_id,
            name=self.name,
            state=self.state,
            labels=dict(self.order.labels),
            image=self.order.image,
            image_id=self.image_id,
            exit_code=self.exit_code if self.state == "exited" else None,
            started_at=self.started_at,
            exited_at=self.exited_at,
            health=self.health if self.state in {"running", "paused"} else "",
        )


def identity_of(kind: str, name: str) -> str:
    return hashlib.sha256(f"{kind} {name}".encode()).hexdigest()


def owned_by(made: Mapping[str, Mapping[str, str]], project: str) -> tuple[str, ...]:
    return tuple(sorted(name for name, labels in made.items() if labels.get(LABEL_PROJECT) == project))


def words(order: ContainerOrder) -> tuple[str, ...]:
    return (order.service.entrypoint or ()) + (order.service.command or ())


def passes(test: tuple[str, ...]) -> bool:
    words = ("sh", "-c", test[1]) if test[0] == "CMD-SHELL" else test[1:]
    return run(words, {}, {})[1] in (0, None)

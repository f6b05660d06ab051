"""The plan while it is being made: actions, the edges between them, what stays and what to warn of.

Edges are of two kinds. A hard one must hold (a container cannot start on a port that another still holds, or before its
definition is recorded). A soft one is good manners (dependants go before what they depend on) and yields where both
cannot be had.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, overload

from msgspec import structs

from reconciler.plan.graph import ordered
from reconciler.plan.model import (
    AnyAction,
    BuildImage,
    CancelMission,
    CreateNetwork,
    CreateVolume,
    DefineService,
    DefineSpecialist,
    ForgetService,
    ForgetSpecialist,
    Later,
    MoveService,
    Need,
    Notice,
    PullImage,
    RemoveNetwork,
    ReplaceNetwork,
    RunHandler,
    StartMission,
    Unchanged,
    UpdateMission,
)

_PHASES: dict[type[object], int] = {
    CreateNetwork: 0,
    ReplaceNetwork: 0,
    CreateVolume: 0,
    PullImage: 0,
    BuildImage: 0,
    MoveService: 1,
    DefineService: 1,
    DefineSpecialist: 1,
    ForgetService: 3,
    ForgetSpecialist: 3,
    RemoveNetwork: 4,
    RunHandler: 5,
    CancelMission: 6,
    UpdateMission: 6,
    StartMission: 6,
}
_CONTAINERS = 2

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class Draft:
    """What the parts of the difference add to, in any order; `actions` puts it in the one order."""

    def __init__(self) -> None:
        self.unchanged: list[Unchanged] = []
        self.later: list[Later] = []
        self._actions: dict[str, AnyAction] = {}
        self._needs: dict[str, list[Need]] = {}
        self._soft: set[tuple[str, str]] = set()
        self._ranks: dict[str, tuple[int, int, int]] = {}
        self._warnings: dict[tuple[str, str], None] = {}

    def add(self, action: AnyAction, *, place: int = 0, replica: int = 0) -> str:
        """Take an action in; its id.

        Args:
            place: where its service stands in the order of services.
            replica: for the order within a service.
        """
        self._actions[action.id] = action
        self._needs[action.id] = list(action.needs)
        self._ranks[action.id] = (_PHASES.get(type(action), _CONTAINERS), place, replica)
        return action.id

    def replace(self, action: AnyAction) -> None:
        """Put another version of an action in its place; its edges stay."""
        self._actions[action.id] = action

    def keep(self, resource: str, why: str) -> None:
        """Note a resource that stays as it is."""
        self.unchanged.append(Unchanged(resource, why))

    def unkeep(self, resource: str) -> None:
        """Take back that a resource stays."""
        self.unchanged = [one for one in self.unchanged if one.resource != resource]

    def warn(self, resource: str, text: str) -> None:
        """Note something that a person should see; the same thing is said once."""
        self._warnings[(resource, text)] = None

    def need(self, action: str, need: Need) -> None:
        """Make an action wait."""
        self._needs[action].append(need)

    def after(self, action: str, earlier: str, *, soft: bool = False) -> None:
        """Make an action wait for another one."""
        if action == earlier:
            return
        if not soft:
            self._soft.discard((action, earlier))
        if not any(need.action == earlier for need in self._needs[action]):
            self._needs[action].append(Need(earlier))
            if soft:
                self._soft.add((action, earlier))

    def unneed(self, action: str, earlier: str) -> None:
        """Take a bare edge back."""
        self._needs[action] = [need for need in self._needs[action] if need != Need(earlier)]

    def get(self, action: str) -> AnyAction:
        """The action of an id."""
        return self._actions[action]

    @overload
    def of_type(self, one: type[A], /) -> Iterator[A]: ...
    @overload
    def of_type(self, one: type[A], two: type[B], /) -> Iterator[A | B]: ...
    @overload
    def of_type(self, one: type[A], two: type[B], three: type[C], /) -> Iterator[A | B | C]: ...
    def of_type(self, *types: type[Any]) -> Iterator[Any]:
        """The actions of these types taken in so far, by id."""
        for _, action in sorted(self._actions.items()):
            if isinstance(action, types):
                yield action

    def stuck(self) -> set[str]:
        """The actions that a cycle keeps from being ordered, once soft edges between them have yielded."""
        _, stuck = ordered(self._edges(), self._ranks)
        if not stuck:
            return stuck
        for action, earlier in sorted(self._soft):
            if action in stuck and earlier in stuck:
                self.unneed(action, earlier)
                self._soft.discard((action, earlier))
        return ordered(self._edges(), self._ranks)[1]

    def actions(self) -> tuple[AnyAction, ...]:
        """All of them, each after those it needs."""
        stuck = self.stuck()
        while stuck:
            first = min(stuck)
            self._needs[first] = [need for need in self._needs[first] if need.action not in stuck]
            stuck = self.stuck()
        order, _ = ordered(self._edges(), self._ranks)
        return tuple(self._with_needs(name) for name in order)

    def warnings(self) -> tuple[Notice, ...]:
        """All of them, by resource."""
        return tuple(Notice(resource, text) for resource, text in sorted(self._warnings))

    def _edges(self) -> dict[str, list[str]]:
        return {name: [need.action for need in needs if need.action] for name, needs in self._needs.items()}

    def _with_needs(self, name: str) -> AnyAction:
        action, needs = self._actions[name], self._needs[name]
        return structs.replace(action, needs=tuple(sorted(needs, key=_need_order))) if needs else action


def _need_order(need: Need) -> tuple[str, str, str, int]:
    return need.action, need.service, need.gate, need.replica

"""The schedule: which action may begin, in values only. It knows no runtime, no clock and no thread.

An action waits for keys: other actions that it needs, and gates of services. A key that fails takes everything with it
that waits for it, directly or not; everything else goes on.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.plan.model import (
    AnyAction,
    CreateContainer,
    Need,
    Plan,
    ReplaceContainer,
    RestartContainer,
    StartContainer,
)
from reconciler.spec.desired import Gate

Bringing = CreateContainer | StartContainer | RestartContainer | ReplaceContainer


@dataclass(frozen=True, slots=True)
class GateKey:
    """A service that something waits for. `replica` 0 means all of them."""

    service: str
    gate: Gate
    replica: int = 0


Key = str | GateKey


class Schedule:
    """The plan's graph while it is walked.

    Attributes:
        gates: those that must be open, each with the actions that come before it is looked at.
    """

    def __init__(self, plan: Plan) -> None:
        self._actions = {action.id: action for action in plan.actions}
        self._place = {action.id: number for number, action in enumerate(plan.actions)}
        self._bringing = _bringing(plan.actions)
        self._unmet: dict[Key, set[Key]] = {}
        self._waiting: dict[Key, list[Key]] = {}
        self._ready: list[int] = []
        self._order = [action.id for action in plan.actions]
        self._ended: set[Key] = set()
        self._failed: set[Key] = set()
        self.opening: list[GateKey] = []
        for action in plan.actions:
            self._add(action.id, [key for need in action.needs for key in self._keys(action, need)])

    def _keys(self, action: AnyAction, need: Need) -> Iterator[Key]:
        if need.action in self._actions:
            yield need.action
        if need.service and need.gate:
            key = GateKey(need.service, need.gate, need.replica)
            if key not in self._unmet:
                before = [
                    other.id
                    for other in self._bringing.get(need.service, ())
                    if other.id != action.id and need.replica in (0, other.replica)
                ]
                self._add(key, before)
            yield key

    def _add(self, key: Key, needs: Iterable[Key]) -> None:
        unmet = set(needs)
        self._unmet[key] = unmet
        for need in unmet:
            self._waiting.setdefault(need, []).append(key)
        if not unmet:
            self._release(key)

    def _release(self, key: Key) -> None:
        if isinstance(key, GateKey):
            self.opening.append(key)
        else:
            heapq.heappush(self._ready, self._place[key])

    def next_action(self) -> AnyAction | None:
        """An action that may begin now, in the plan's order; it is given once."""
        while self._ready:
            action = self._actions[self._order[heapq.heappop(self._ready)]]
            if action.id not in self._ended:
                return action
        return None

    def next_gate(self) -> GateKey | None:
        """A gate that is to be looked at from now on; it is given once."""
        while self.opening:
            key = self.opening.pop(0)
            if key not in self._ended:
                return key
        return None

    def succeeded(self, key: Key) -> None:
        """An action is done, or a gate is open."""
        self._ended.add(key)
        for waiting in self._waiting.get(key, ()):
            unmet = self._unmet[waiting]
            unmet.discard(key)
            if not unmet and waiting not in self._ended:
                self._release(waiting)

    def failed(self, key: Key) -> list[AnyAction]:
        """An action or a gate failed; the actions that are skipped for it, in the plan's order."""
        lost: list[str] = []
        doomed: list[Key] = [key]
        while doomed:
            current = doomed.pop()
            if current in self._ended:
                continue
            self._ended.add(current)
            self._failed.add(current)
            if isinstance(current, str) and current != key:
                lost.append(current)
            doomed.extend(self._waiting.get(current, ()))
        return [self._actions[action_id] for action_id in sorted(lost, key=self._place.__getitem__)]

    @property
    def unfinished(self) -> list[AnyAction]:
        """Actions that have neither ended nor been skipped."""
        return [self._actions[action_id] for action_id in self._order if action_id not in self._ended]


def _bringing(actions: Iterable[AnyAction]) -> dict[str, list[Bringing]]:
    """By service, the actions after which it runs."""
    found: dict[str, list[Bringing]] = {}
    for action in actions:
        if isinstance(action, Bringing):
            found.setdefault(action.service, []).append(action)
    return found

"""Orders: services after those they depend on, actions after those they need. Ties go by name, so there is one order.

Cycles are refused long before, when the file is read. Should one arrive all the same, the order is still complete: it is
cut at the smallest name that is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any


def dependencies_first(depends_on: Mapping[str, Iterable[str]]) -> list[str]:
    """Names so that each comes after everything it depends on; names that are not keys are passed over."""
    order: list[str] = []
    done: set[str] = set()
    for start in sorted(depends_on):
        if start in done:
            continue
        done.add(start)
        path = [(start, iter(sorted(depends_on[start])))]
        while path:
            name, rest = path[-1]
            for other in rest:
                if other in depends_on and other not in done:
                    done.add(other)
                    path.append((other, iter(sorted(depends_on[other]))))
                    break
            else:
                order.append(name)
                path.pop()
    return order


def closure(names: Iterable[str], depends_on: Mapping[str, Iterable[str]]) -> set[str]:
    """The names and everything that they depend on, near or far."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(depends_on.get(name, ()))
    return found


def ordered(needs: Mapping[str, Iterable[str]], rank: Mapping[str, Any]) -> tuple[list[str], set[str]]:
    """Ids so that each comes after those it needs, the lowest rank first; and the ids that a cycle keeps from that.

    Args:
        needs: id to the ids that it needs; those that are not keys are passed over.
        rank: id to what decides among those that are ready; then the id does.
    """
    open_needs = {one: {other for other in others if other in needs and other != one} for one, others in needs.items()}
    wanted_by: dict[str, list[str]] = {}
    for one, others in open_needs.items():
        for other in others:
            wanted_by.setdefault(other, []).append(one)
    ready = [(rank[one], one) for one, others in open_needs.items() if not others]
    heapify(ready)
    order: list[str] = []
    while ready:
        _, one = heappop(ready)
        order.append(one)
        for other in wanted_by.get(one, ()):
            open_needs[other].discard(one)
            if not open_needs[other]:
                heappush(ready, (rank[other], other))
    return order, needs.keys() - set(order)

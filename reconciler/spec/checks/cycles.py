"""Circles in graphs of names: found without recursion, named in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.spec.reading import Reading
from reconciler.spec.tree import Placed

Graph = Mapping[str, Iterable[str]]


def check_cycles(graph: Graph, what: str, place: Callable[[str, str], tuple[Placed, str]], reading: Reading) -> None:
    """Report one circle of every group of names that depend on each other, at its first edge.

    Args:
        graph: each name with those that it depends on.
        what: the kind of things, for the message.
        place: where an edge stands in the file, and its path.
        reading: where to report.
    """
    for cycle in cycles(graph):
        at, path = place(cycle[0], cycle[1])
        reading.wrong(at, path, f"{what} depend on each other in a circle: {' → '.join(cycle)}")


def cycles(graph: Graph) -> list[list[str]]:
    """One shortest circle of every strongly connected group, from its first name back to it."""
    edges = {name: sorted(other for other in others if other in graph) for name, others in graph.items()}
    return sorted(_shortest(min(group), group, edges) for group in _groups(edges))


def _shortest(start: str, group: set[str], edges: dict[str, list[str]]) -> list[str]:
    came_from: dict[str, str] = {}
    front = [start]
    while start not in came_from:
        ahead = []
        for name in front:
            for other in edges[name]:
                if other in group and other not in came_from:
                    came_from[other] = name
                    ahead.append(other)
        front = ahead
    steps = [start]
    at = came_from[start]
    while at != start:
        steps.append(at)
        at = came_from[at]
    return [*steps, start][::-1]


def _groups(edges: dict[str, list[str]]) -> list[set[str]]:
    """Strongly connected groups that hold a circle (Tarjan's algorithm with a stack of its own)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_names: dict[str, None] = {}
    groups = []
    for start in sorted(edges):
        work = [] if start in index else [_visit(start, edges, index, low, open_names)]
        while work:
            name, others = work[-1]
            other = next(others, None)
            if other is None:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[name])
                if low[name] == index[name]:
                    group = _closed(name, open_names)
                    if len(group) > 1 or name in edges[name]:
                        groups.append(group)
            elif other not in index:
                work.append(_visit(other, edges, index, low, open_names))
            elif other in open_names:
                low[name] = min(low[name], index[other])
    return groups


def _visit(
    name: str,
    edges: dict[str, list[str]],
    index: dict[str, int],
    low: dict[str, int],
    open_names: dict[str, None],
) -> tuple[str, Iterator[str]]:
    index[name] = low[name] = len(index)
    open_names[name] = None
    return name, iter(edges[name])


def _closed(name: str, open_names: dict[str, None]) -> set[str]:
    group: set[str] = set()
    while name not in group:
        group.add(open_names.popitem()[0])
    return group

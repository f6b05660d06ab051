"""A mission as a graph of sorties: what is ready, in which order, and how it looks.

An edge leads from a sortie to one that depends on it. The drawing for the terminal goes by levels; Mermaid text is for
documents and pull requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from reconciler.work.state import ENDED, Sortie

SIGNS: dict[str, str] = {
    "pending": "·",
    "assigned": "→",
    "in_progress": "▶",
    "blocked": "■",
    "review": "?",
    "completed": "✔",
    "failed": "✘",
    "cancelled": "-",
}


class Readiness(NamedTuple):
    """Whether a sortie's dependencies let it run: now, later, or never; and why not, in words."""

    state: Literal["ready", "waiting", "unreachable"]
    text: str = ""


_READY = Readiness("ready")


def readiness(sortie: Sortie, statuses: Mapping[str, str]) -> Readiness:
    """What the outcomes of its dependencies mean for a sortie; a dependency that is unknown counts as open.

    `success` (the default) needs all of them completed, `failure` needs all ended and one failed, `always` needs all
    ended.
    """
    depends_on = sortie.plan.depends_on
    if not depends_on:
        return _READY
    when = sortie.plan.when or "success"
    open_ones: list[str] = []
    spoilt: list[str] = []
    failed = False
    for name in depends_on:
        status = statuses.get(name, "pending")
        if status not in ENDED:
            open_ones.append(name)
        elif status != "completed":
            spoilt.append(name)
            failed = failed or status == "failed"
    if when == "success" and spoilt:
        return Readiness("unreachable", f"{spoilt[0]} is {statuses[spoilt[0]]}")
    if open_ones:
        return Readiness("waiting", f"it comes after {', '.join(open_ones[:3])}" + (" …" if open_ones[3:] else ""))
    if when == "failure" and not failed:
        return Readiness("unreachable", "nothing that it depends on has failed")
    return _READY


def ready(sorties: Iterable[Sortie], statuses: Mapping[str, str] | None = None) -> tuple[Sortie, ...]:
    """Pending sorties whose dependencies let them run, in the given order."""
    sorties = list(sorties)
    known = statuses if statuses is not None else {sortie.id: sortie.status for sortie in sorties}
    return tuple(s for s in sorties if s.status == "pending" and readiness(s, known).state == "ready")


def order(edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Names so that each comes after everything it depends on; ties in the order of the mapping.

    Args:
        edges: a name to the names that it depends on; names that are not keys are passed over.

    Raises:
        ValueError: with the cycle in words; `cycle` finds it beforehand.
    """
    found = cycle(edges)
    if found:
        raise ValueError(f"a cycle: {' → '.join(found)}")
    return tuple(name for level in levels(edges) for name in level)


def levels(edges: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The names by their longest distance from a root; those of one level can run at the same time.

    Names inside a cycle, or behind one, are left out.
    """
    remaining = {name: {d for d in depends_on if d in edges} for name, depends_on in edges.items()}
    found: list[tuple[str, ...]] = []
    while True:
        level = tuple(name for name, depends_on in remaining.items() if not depends_on)
        if not level:
            return tuple(found)
        found.append(level)
        for name in level:
            del remaining[name]
        done = set(level)
        for depends_on in remaining.values():
            depends_on -= done


def cycle(edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """One cycle, first name repeated at the end; empty when there is none."""
    settled = {name for level in levels(edges) for name in level}
    stuck = [name for name in edges if name not in settled]
    if not stuck:
        return ()
    path: list[str] = []
    name = stuck[0]
    while name not in path:
        path.append(name)
        # Every stuck name has a stuck dependency, otherwise a level would have taken it.
        name = next(d for d in edges[name] if d in edges and d not in settled)
    return (*reversed(path[path.index(name) :]), path[-1])


def _edges(sorties: Sequence[Sortie]) -> dict[str, tuple[str, ...]]:
    return {sortie.id: sortie.plan.depends_on for sortie in sorties}


def _label(sortie: Sortie) -> str:
    return sortie.plan.name or sortie.title or sortie.id


def draw(sorties: Sequence[Sortie]) -> str:
    """The graph for a terminal: one line a sortie, a level below the other, with what each comes after.

    A sortie's line is `sign name (status) ← dependencies`.
    """
    by_id = {sortie.id: sortie for sortie in sorties}
    width = max((len(_label(sortie)) for sortie in sorties), default=0)
    lines: list[str] = []
    for number, level in enumerate(levels(_edges(sorties))):
        for position, name in enumerate(level):
            sortie = by_id[name]
            rail = f"{number + 1:>2} " if position == 0 else "   "
            after = ", ".join(_label(by_id[d]) for d in sortie.plan.depends_on if d in by_id)
            when = f" [when {sortie.plan.when}]" if sortie.plan.when in ("failure", "always") else ""
            doing = f"{sortie.status.replace('_', ' ')}{_share(sortie)}"
            tail = f" ← {after}{when}" if after else ""
            lines.append(f"{rail}{SIGNS[sortie.status]} {_label(sortie):<{width}}  {doing}{tail}")
    return "\n".join(lines)


def _share(sortie: Sortie) -> str:
    return f" {sortie.progress} %" if sortie.status == "in_progress" and sortie.progress else ""


def mermaid(sorties: Sequence[Sortie]) -> str:
    """The graph as a Mermaid flowchart, statuses as classes."""
    number = {sortie.id: f"s{index}" for index, sortie in enumerate(sorties)}
    lines = ["flowchart TD"]
    for sortie in sorties:
        text = _label(sortie).replace('"', "#quot;").replace("\n", " ")
        lines.append(f'    {number[sortie.id]}["{text}"]:::{sortie.status}')
    for sortie in sorties:
        arrow = {"failure": "-. on failure .->", "always": "-. always .->"}.get(sortie.plan.when, "-->")
        for name in sortie.plan.depends_on:
            if name in number:
                lines.append(f"    {number[name]} {arrow} {number[sortie.id]}")
    colours = (
        ("completed", "fill:#d3f9d8,stroke:#2b8a3e"),
        ("in_progress", "fill:#d0ebff,stroke:#1864ab"),
        ("review", "fill:#fff3bf,stroke:#e67700"),
        ("blocked", "fill:#ffe8cc,stroke:#d9480f"),
        ("failed", "fill:#ffe3e3,stroke:#c92a2a"),
        ("cancelled", "fill:#f1f3f5,stroke:#868e96"),
    )
    used = {sortie.status for sortie in sorties}
    lines.extend(f"    classDef {name} {colour}" for name, colour in colours if name in used)
    return "\n".join(lines)

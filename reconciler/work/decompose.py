"""Decomposition: from a goal in words to proposed sorties, without any agent's help.

The strategy follows from the goal's words, the sorties from the project's files and their imports, which are passed in.
A proposal is checked before a person sees it: no file in two sorties, dependencies that exist and make no circle, files
that are there, complexity within 1 to 5.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from reconciler.work.graph import cycle

Strategy = Literal["file-based", "feature-based", "risk-based", "research-based"]

_WORDS: tuple[tuple[Strategy, int, tuple[str, ...]], ...] = (
    ("file-based", 2, ("refactor", "migrate", "rename", "update all", "replace", "convert", "move")),
    ("feature-based", 2, ("add", "implement", "build", "create", "develop", "new", "feature")),
    ("risk-based", 3, ("fix", "bug", "security", "critical", "urgent", "hotfix", "vulnerability", "patch")),
    ("research-based", 2, ("research", "investigate", "explore", "analyze", "understand", "study", "review")),
)
_PATTERNS = tuple(
    (strategy, points, tuple(re.compile(rf"\b{word.replace(' ', chr(92) + 's+')}\b", re.IGNORECASE) for word in words))
    for strategy, points, words in _WORDS
)
LARGEST_GROUP = 5
HIGHEST_COMPLEXITY = 5
_LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("tests", ("test", "tests", "spec", "specs", "e2e", "__tests__")),
    ("data", ("models", "model", "schema", "schemas", "migrations", "db", "database", "entities", "store")),
    ("interface", ("api", "routes", "routers", "cli", "ui", "views", "pages", "components", "handlers", "web")),
    ("documentation", ("docs", "doc")),
)
_LAYER_ORDER = ("data", "logic", "interface", "tests", "documentation")
_NO_WORD = frozenset(
    {"the", "and", "for", "with", "from", "into", "onto", "all", "our", "its", "this", "that", "file", "files", "code"}
    | {"project", "new", "add", "fix", "use", "using"}
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The strategy, and the points that each one got."""

    strategy: Strategy
    scores: Mapping[Strategy, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One proposed sortie. `complexity` is 1 (minutes) to 5 (hours)."""

    name: str
    title: str
    prompt: str = ""
    files: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    complexity: int = 1
    review: Literal["", "code", "security", "general"] = ""


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A whole proposal: how the sorties were found, whether they may run side by side, and what is wrong with them."""

    goal: str
    choice: Choice
    sorties: tuple[Proposal, ...]
    parallel: bool
    problems: tuple[str, ...] = ()


def choose(goal: str) -> Choice:
    """The strategy with the most points; feature-based when no word is known. Ties go to the one listed first."""
    scores: dict[Strategy, int] = {
        strategy: points * sum(bool(pattern.search(goal)) for pattern in patterns)
        for strategy, points, patterns in _PATTERNS
    }
    best = max(scores.values())
    if not best:
        return Choice("feature-based", scores)
    return Choice(next(strategy for strategy, points in scores.items() if points == best), scores)


def decompose(
    goal: str,
    files: Sequence[str],
    imports: Mapping[str, Collection[str]] | None = None,
    *,
    strategy: Strategy | None = None,
) -> Decomposition:
    """Propose sorties for a goal.

    Args:
        files: the project's files, relative POSIX paths.
        imports: a file to the project's files that it imports.
        strategy: overrides the choice by words.
    """
    choice = choose(goal)
    if strategy is not None:
        choice = replace(choice, strategy=strategy)
    known = sorted(set(files))
    uses = imports or {}
    match choice.strategy:
        case "file-based":
            sorties = _by_files(goal, _concerned(goal, known, fallback=known), uses)
        case "feature-based":
            sorties = _by_feature(goal, _concerned(goal, known), uses)
        case "risk-based":
            sorties = _by_risk(goal, _concerned(goal, known))
        case "research-based":
            sorties = _by_research(goal)
    return Decomposition(goal, choice, sorties, choice.strategy == "file-based", check(sorties, known))


def check(sorties: Sequence[Proposal], files: Collection[str]) -> tuple[str, ...]:
    """What is wrong with proposed sorties, in sentences; empty when they can be used.

    The order is right when no sortie depends on one behind it in the list.
    """
    problems: list[str] = []
    known = set(files)
    owner: dict[str, str] = {}
    seen: set[str] = set()
    names = {sortie.name for sortie in sorties}
    for sortie in sorties:
        if sortie.name in seen:
            problems.append(f"two sorties are called {sortie.name}")
        for path in sortie.files:
            if path in owner and owner[path] != sortie.name:
                problems.append(f"{path} is in {owner[path]} and in {sortie.name}")
            owner.setdefault(path, sortie.name)
            if path not in known:
                problems.append(f"{path} of {sortie.name} does not exist")
        for other in sortie.depends_on:
            if other not in names:
                problems.append(f"{sortie.name} depends on {other}, which is not proposed")
            elif other not in seen:
                problems.append(f"{sortie.name} comes before {other}, which it depends on")
        if not 1 <= sortie.complexity <= HIGHEST_COMPLEXITY:
            problems.append(f"the complexity {sortie.complexity} of {sortie.name} is outside 1 to {HIGHEST_COMPLEXITY}")
        seen.add(sortie.name)
    circle = cycle({sortie.name: sortie.depends_on for sortie in sorties})
    if circle:
        problems.append(f"the sorties depend on each other: {' → '.join(circle)}")
    return tuple(problems)


def _concerned(goal: str, files: Sequence[str], fallback: Sequence[str] = ()) -> tuple[str, ...]:
    """Files that the goal speaks of: by path, by name, or by a word of the path."""
    words = {word.lower() for word in re.findall(r"[A-Za-z0-9_]{3,}", goal)} - _NO_WORD
    words |= {word[:-1] for word in words if word.endswith("s") and len(word) > 4}
    found = tuple(path for path in files if path in goal or not words.isdisjoint(re.split(r"[/._\-]+", path.lower())))
    return found or tuple(fallback)


def _by_files(goal: str, files: Sequence[str], imports: Mapping[str, Collection[str]]) -> tuple[Proposal, ...]:
    """Groups of at most five files that lie together or import each other; all can be worked on at the same time."""
    if not files:
        return (Proposal(name="change", title=_title(goal), prompt=goal, complexity=2),)
    groups = _groups(files, imports)
    return tuple(
        Proposal(
            name=name,
            title=f"{_title(goal)}: {_place(group)}",
            prompt=f"{goal}\n\nOnly in these files: {', '.join(group)}",
            files=group,
            complexity=_complexity(group),
        )
        for name, group in zip(_unique(_place(group) for group in groups), groups, strict=True)
    )


def _groups(files: Sequence[str], imports: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """Split each folder's files into groups, those that import each other next to each other."""
    folders: dict[str, list[str]] = {}
    for path in files:
        folders.setdefault(str(PurePosixPath(path).parent), []).append(path)
    groups: list[tuple[str, ...]] = []
    for folder in sorted(folders):
        line = _together(folders[folder], imports)
        groups += [tuple(line[start : start + LARGEST_GROUP]) for start in range(0, len(line), LARGEST_GROUP)]
    return groups


def _together(files: Sequence[str], imports: Mapping[str, Collection[str]]) -> list[str]:
    """The files of a folder so that whatever is connected by imports stands together."""
    here = set(files)
    linked: dict[str, set[str]] = {path: set() for path in files}
    for path in files:
        for other in imports.get(path, ()):
            if other in here:
                linked[path].add(other)
                linked[other].add(path)
    line: list[str] = []
    placed: set[str] = set()
    for first in files:
        todo = [first]
        while todo:
            path = todo.pop()
            if path not in placed:
                placed.add(path)
                line.append(path)
                todo.extend(sorted(linked[path] - placed, reverse=True))
    return line


def _by_feature(goal: str, files: Sequence[str], imports: Mapping[str, Collection[str]]) -> tuple[Proposal, ...]:
    """One sortie a layer, from data to interface, the tests after the code."""
    layers: dict[str, list[str]] = {name: [] for name in _LAYER_ORDER}
    for path in files:
        layers[_layer(path)].append(path)
    sorties: list[Proposal] = []
    for name in _LAYER_ORDER:
        # A feature has code and tests even where no file of them is known yet.
        if not layers[name] and name not in ("logic", "tests"):
            continue
        group = tuple(_together(layers[name], imports))
        before = (
            tuple(sortie.name for sortie in sorties)
            if name in ("tests", "documentation")
            else ((sorties[-1].name,) if sorties else ())
        )
        sorties.append(
            Proposal(
                name=name,
                title=f"{_title(goal)}: {name}",
                prompt=f"{goal}\n\nThis sortie is about the {name} only.",
                files=group,
                depends_on=before,
                complexity=_complexity(group, least=2),
                review="code" if name == "interface" else "",
            )
        )
    return tuple(sorties)


def _layer(path: str) -> str:
    parts = {part.lower() for part in PurePosixPath(path).parts}
    stem = PurePosixPath(path).stem.lower()
    if stem.startswith("test_") or stem.endswith(("_test", ".test", ".spec")) or path.endswith(".md"):
        return "documentation" if path.endswith(".md") else "tests"
    return next((name for name, words in _LAYERS if stem in words or not parts.isdisjoint(words)), "logic")


def _by_risk(goal: str, files: Sequence[str]) -> tuple[Proposal, ...]:
    """One minimal change with a way back, one after the other, a review between change and check."""
    touched = tuple(files[:LARGEST_GROUP])
    security = bool(re.search(r"\b(security|vulnerability)\b", goal, re.IGNORECASE))
    return (
        Proposal(
            name="rollback-plan",
            title=f"Write the rollback plan for: {_title(goal)}",
            prompt=f"Goal: {goal}\n\nWrite down how to undo the change completely, before anything is changed.",
        ),
        Proposal(
            name="fix",
            title=_title(goal),
            prompt=f"{goal}\n\nMake the smallest change that does it, and nothing else.",
            files=touched,
            depends_on=("rollback-plan",),
            complexity=_complexity(touched, least=2),
            review="security" if security else "code",
        ),
        Proposal(
            name="verify",
            title=f"Verify: {_title(goal)}",
            prompt=f"Goal: {goal}\n\nShow that it is reached and that nothing else has changed. Change no files.",
            depends_on=("fix",),
        ),
    )


def _by_research(goal: str) -> tuple[Proposal, ...]:
    """Rounds of looking, each on top of the one before; no file is touched."""
    rounds = (
        ("survey", "Survey", "Find out what there is, and write down the open questions.", 2),
        ("deepen", "Answer the open questions", "Take up the open questions of the round before.", 3),
        ("conclude", "Conclude", "Write the findings, with evidence, and what to do next.", 2),
    )
    sorties: list[Proposal] = []
    for name, title, prompt, complexity in rounds:
        sorties.append(
            Proposal(
                name=name,
                title=f"{title}: {_title(goal)}",
                prompt=f"Goal: {goal}\n\n{prompt} Change no files.",
                depends_on=(sorties[-1].name,) if sorties else (),
                complexity=complexity,
            )
        )
    return tuple(sorties)


def _complexity(files: Sequence[str], least: int = 1) -> int:
    return min(max(len(files), least), HIGHEST_COMPLEXITY)


def _title(goal: str) -> str:
    line = " ".join(goal.split())
    return line if len(line) <= 72 else line[:71].rstrip() + "…"


def _place(group: Sequence[str]) -> str:
    """A short name for a group: its folder, or its one file."""
    if len(group) == 1:
        return PurePosixPath(group[0]).name
    folder = str(PurePosixPath(group[0]).parent)
    return "root" if folder == "." else folder


def _unique(places: Iterable[str]) -> list[str]:
    """Names that fit as keys of fleet.yaml, numbered where they would repeat."""
    counts: dict[str, int] = {}
    names: list[str] = []
    for place in places:
        name = re.sub(r"[^a-z0-9]+", "-", place.lower()).strip("-") or "files"
        counts[name] = counts.get(name, 0) + 1
        names.append(name if counts[name] == 1 else f"{name}-{counts[name]}")
    return names if len(set(names)) == len(names) else [f"group-{i + 1}" for i in range(len(names))]

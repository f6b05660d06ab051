"""What is wrong with a fleet's files, collected while they are read, so that one run tells all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from reconciler.errors import Problem
from reconciler.spec.tree import Placed
from reconciler.spec.wording import quoted, visible

MOST_PROBLEMS = 1_000
MOST_COMPARISONS = 100_000


class Problems:
    """The collector. Both lists are free of duplicates and in the order in which they were found.

    Attributes:
        found: what makes the files wrong.
        warnings: what a person should know although the files are right.
        incomplete: some file could not be parsed, so that a name that is not found proves nothing.
    """

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}
        self.incomplete = False
        self._compared = 0

    @property
    def found(self) -> list[Problem]:
        return list(self._found)

    @property
    def warnings(self) -> list[Problem]:
        return list(self._warnings)

    @property
    def full(self) -> bool:
        """Whether no further problem is kept, so that looking for more is in vain."""
        return len(self._found) >= MOST_PROBLEMS

    def hint(self, word: str, known: Collection[str]) -> str:
        """`did_you_mean`, while all comparisons of one load stay within a second or so."""
        self._compared += len(known)
        return "" if self.full or self._compared > MOST_COMPARISONS else did_you_mean(word, known)

    def wrong(self, at: Placed, path: str, message: str, hint: str = "") -> None:
        """Report something wrong at a node."""
        self.add(Problem(at.source.shown, at.line, at.column, path, message, hint))

    def warn(self, at: Placed, path: str, message: str, hint: str = "") -> None:
        """Report something that is no error."""
        problem = _shown(Problem(at.source.shown, at.line, at.column, path, message, hint))
        if len(self._warnings) < MOST_PROBLEMS:
            self._warnings[problem] = None

    def add(self, problem: Problem) -> None:
        """Report something that has its place already. Beyond a thousand nobody reads them, so no more are kept."""
        if not self.full:
            self._found[_shown(problem)] = None


def _shown(problem: Problem) -> Problem:
    """The problem with nothing hidden in its words, which may hold any text of the file."""
    return replace(problem, message=visible(problem.message), hint=visible(problem.hint))


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one; empty when none is."""
    import difflib

    words = list(known)
    folded = {candidate.casefold().replace("-", "_"): candidate for candidate in words}
    same = folded.get(word.casefold().replace("-", "_"))
    if same is not None:
        return same
    near = difflib.get_close_matches(word[:100], words, n=1, cutoff=0.6)
    return near[0] if near else ""


def did_you_mean(word: str, known: Collection[str]) -> str:
    """`did you mean 'x'?` for the nearest known word, else the known ones where they are few."""
    words = sorted(known)
    near = nearest(word, words)
    if near:
        return f"did you mean {quoted(near)}?"
    if not words:
        return ""
    few = ", ".join(words[:12])
    return f"known: {few}" + (", …" if len(words) > 12 else "")

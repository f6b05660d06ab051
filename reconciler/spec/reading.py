"""Readers: small functions from a node to a value, out of which the shape of the file is put together.

A reader takes the node, its path and the `Reading` it is part of. What is wrong it reports there and returns None, as it
does for nothing at all: the field then keeps its default, and everything else of the file is still read and checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from reconciler.spec.inputs import Inputs
from reconciler.spec.problems import Problems
from reconciler.spec.tree import UNUSABLE, Node, Placed, Scalar, kind_of
from reconciler.spec.wording import quoted
from reconciler.units import parse_duration, parse_size

MAX_DURATION_MS = 100 * 365 * 86_400_000
MAX_SIZE = 1 << 60
MAX_WHOLE = (1 << 53) - 1

_BOOLEAN_LIKE = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(slots=True)
class Reading:
    """One reading of a fleet's files.

    Attributes:
        problems: collects what is wrong.
        inputs: collects what was looked at.
        project: the project's folder.
        file: the fleet's main file.
        fleet: the fleet's name, the beginning of engine names.
        key: the key of digests of what may be secret; empty means that none are made.
        looks: whether config files, env files and build contexts are read; not for services of profiles that are not
            active, whose files need not be there.
        totals: counts of things that are limited for the whole fleet.
    """

    problems: Problems
    inputs: Inputs
    project: Path
    file: Path
    fleet: str = ""
    key: bytes = b""
    looks: bool = True
    totals: dict[str, int] = field(default_factory=dict)

    def wrong(self, at: Placed, path: str, message: str, hint: str = "") -> None:
        """Report something wrong at a node."""
        self.problems.wrong(at, path, message, hint)

    def warn(self, at: Placed, path: str, message: str, hint: str = "") -> None:
        """Report something that is no error."""
        self.problems.warn(at, path, message, hint)

    def count(self, what: str, more: int, most: int, at: Placed, path: str) -> bool:
        """Count things that are limited for the whole fleet; false, reported once, when there are too many.

        A few lines may stand for millions of ports or containers.
        """
        before = self.totals.get(what, 0)
        self.totals[what] = before + more
        if before <= most < before + more:
            self.wrong(at, path, f"with this the fleet has more than {most:,} {what}")
        return before + more <= most

    def expect(
        self, spot: Callable[[], tuple[Placed, str]], what: str, name: str, known: Collection[str], hint: str = ""
    ) -> None:
        """Report a name that nothing bears, unless it may be defined in a file that could not be read.

        Args:
            spot: finds place and path of where the name stands; asked only when there is something to report.
            what: the kind of thing that is named.
            name: the name.
            known: names that there are.
            hint: what to write instead when no name is like this one.
        """
        if name not in known and not self.problems.incomplete and not self.problems.full:
            at, path = spot()
            self.wrong(at, path, f"there is no {what} {quoted(name)}", self.problems.hint(name, known) or hint)


T = TypeVar("T")
Reader: TypeAlias = Callable[[Node, str, Reading], T | None]


class Field(NamedTuple):
    """A key of a mapping: the attribute it fills, and how it is read."""

    attribute: str
    read: Reader[Any]


Fields: TypeAlias = Table[str, Field]


def scalar(node: Node, path: str, reading: Reading, wanted: str) -> Scalar | None:
    """The node as a scalar; anything else is reported, except what was reported already."""
    if isinstance(node, Scalar):
        if node.value is UNUSABLE:
            return None
        if node.value is not None:
            return node
    reading.wrong(node, path, f"this is {kind_of(node)} where {wanted} is wanted")
    return None


def text(node: Node, path: str, reading: Reading) -> str | None:
    """Text, or a number as it is written."""
    found = scalar(node, path, reading, "text")
    if found is None:
        return None
    if isinstance(found.value, bool):
        reading.wrong(node, path, f"this is the boolean {found.text} where text is wanted", "put it in quotes")
        return None
    return _clean(found, path, reading)


def any_text(node: Node, path: str, reading: Reading) -> str | None:
    """Any scalar as it is written: `5432`, `true` and `1.10` are text here."""
    found = scalar(node, path, reading, "text")
    return None if found is None else _clean(found, path, reading)


def filled_text(node: Node, path: str, reading: Reading) -> str | None:
    """Text that is not empty."""
    found = text(node, path, reading)
    if found is not None and not found.strip():
        reading.wrong(node, path, "this is empty")
        return None
    return found


def _clean(found: Scalar, path: str, reading: Reading) -> str | None:
    if "\0" in found.text:
        reading.wrong(found, path, "this text holds a NUL character, which no container can be given")
        return None
    return found.text


def boolean(node: Node, path: str, reading: Reading) -> bool | None:
    """`true` or `false`."""
    found = scalar(node, path, reading, "true or false")
    if found is None:
        return None
    if isinstance(found.value, bool):
        return found.value
    instead = _BOOLEAN_LIKE.get(found.text.lower(), "")
    hint = f"YAML 1.2 reads {found.text} as text; write {instead}" if instead else "write it without quotes"
    is_word = instead or found.text.lower() in {"true", "false"}
    reading.wrong(node, path, f"this is {kind_of(node)} where true or false is wanted", hint if is_word else "")
    return None


def whole(minimum: int = 0, maximum: int = MAX_WHOLE) -> Reader[int]:
    """A reader of whole numbers within bounds."""

    def read(node: Node, path: str, reading: Reading) -> int | None:
        found = scalar(node, path, reading, "a whole number")
        if found is None:
            return None
        if not isinstance(found.value, int) or isinstance(found.value, bool):
            digits = isinstance(found.value, str) and found.value.isdecimal() and not found.plain
            hint = "write it without quotes" if digits else ""
            reading.wrong(node, path, f"this is {kind_of(node)} where a whole number is wanted", hint)
            return None
        if not minimum <= found.value <= maximum:
            limits = f"at least {minimum}" if found.value < minimum else f"at most {maximum}"
            reading.wrong(node, path, f"{found.text} is out of range: it must be {limits}")
            return None
        return found.value

    return read


def number(minimum: float = 0.0, maximum: float = 1e12) -> Reader[float]:
    """A reader of numbers within bounds."""

    def read(node: Node, path: str, reading: Reading) -> float | None:
        found = scalar(node, path, reading, "a number")
        if found is None:
            return None
        if not isinstance(found.value, int | float) or isinstance(found.value, bool):
            reading.wrong(node, path, f"this is {kind_of(node)} where a number is wanted")
            return None
        if not minimum <= found.value <= maximum:
            limits = f"at most {maximum:g}" if found.value > maximum else f"at least {minimum:g}"
            reading.wrong(node, path, f"{found.text} is out of range: it must be {limits}")
            return None
        return float(found.value)

    return read


def _measure(wanted: str, parse: Callable[[Any], int], limit: int, examples: str) -> Reader[int]:
    def read(node: Node, path: str, reading: Reading) -> int | None:
        found = scalar(node, path, reading, wanted)
        if found is None:
            return None
        try:
            amount = parse(found.value)
        except (ValueError, OverflowError):
            amount = -1
        if not 0 <= amount <= limit:
            reading.wrong(node, path, f"{quoted(found.text)} is not {wanted}", f"such as {examples}")
            return None
        return amount

    return read


duration: Reader[int] = _measure(
    "a duration", parse_duration, MAX_DURATION_MS, "30s, 1m30s or PT30S; a number is seconds"
)
size: Reader[int] = _measure("a size", parse_size, MAX_SIZE, "256m or 1g; a number is bytes")


def above_zero(read: Reader[int]) -> Reader[int]:
    """A reader that takes what another takes, except 0."""

    def reader(node: Node, path: str, reading: Reading) -> int | None:
        found = read(node, path, reading)
        if found == 0:
            reading.wrong(node, path, "this must be more than 0")
            return None
        return found

    return reader


def choice(*words: str, also: Table[str, str] | None = None) -> Reader[str]:
    """A reader of one of the given words; `also` maps other spellings of them."""
    others = also or {}

    def read(node: Node, path: str, reading: Reading) -> str | None:
        found = scalar(node, path, reading, " or ".join(words) if len(words) < 4 else f"one of {', '.join(words)}")
        if found is None:
            return None
        if found.text in words:
            return found.text
        if found.text in others:
            return others[found.text]
        reading.wrong(
            node, path, f"{quoted(found.text)} is none of {', '.join(words)}", _near_only(found.text, words, reading)
        )
        return None

    return read


def _near_only(word: str, words: Collection[str], reading: Reading) -> str:
    hint = reading.problems.hint(word, words)
    return hint if hint.startswith("did") else ""


def matching(pattern: re.Pattern[str], wanted: str, hint: str = "") -> Reader[str]:
    """A reader of text of a given form."""

    def read(node: Node, path: str, reading: Reading) -> str | None:
        found = text(node, path, reading)
        if found is None:
            return None
        if not pattern.fullmatch(found):
            reading.wrong(node, path, f"{quoted(found)} is not {wanted}", hint)
            return None
        return found

    return read

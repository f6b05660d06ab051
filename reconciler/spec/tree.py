"""The positioned tree: YAML after parsing and before it means anything, every node with its file, line and column.

Plain scalars are read by the core schema of YAML 1.2: `true` and `false` are booleans, `null`, `~` and nothing are
null, `12`, `0o17` and `0x1f` are integers, `1.5`, `1e3` and `.inf` are numbers, and everything else is text. So `no`,
`on`, `yes`, `22:22`, `1_000` and `2026-11-24` are text, as a person who reads the file would expect. A scalar keeps its
source text beside the value, so that a version written `1.10` stays `1.10` where text is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from reconciler.spec.source import Source
from reconciler.spec.wording import quoted, visible

Plain: TypeAlias = "str | int | float | bool | None"

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Plain] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_MAYBE_NUMBER = frozenset("+-.0123456789")
_LONGEST_INTEGER = 20


class Unusable:
    """The value of a scalar that was reported already: readers pass it over in silence."""


UNUSABLE: Final = Unusable()


class Scalar:
    """One value. `text` is what was written, `value` what it means; `plain` is false for one in quotes."""

    __slots__ = ("column", "line", "plain", "source", "text", "value")

    def __init__(
        self, source: Source, line: int, column: int, text: str, value: Plain | Unusable, plain: bool = False
    ) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.text = text
        self.value = value
        self.plain = plain


class Sequence:
    """A list of nodes."""

    __slots__ = ("column", "items", "line", "source")

    def __init__(self, source: Source, line: int, column: int, items: list[Node]) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.items = items


class Entry:
    """One key of a mapping, at the place of the key, with its value."""

    __slots__ = ("column", "line", "source", "value")

    def __init__(self, source: Source, line: int, column: int, value: Node) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.value = value


class Mapping:
    """Keys, which are always text, in the order of the file."""

    __slots__ = ("column", "entries", "line", "source")

    def __init__(self, source: Source, line: int, column: int, entries: dict[str, Entry]) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.entries = entries


Node: TypeAlias = Scalar | Sequence | Mapping
Placed: TypeAlias = Node | Entry


def plain_value(text: str) -> Plain:
    """What a plain scalar means in the core schema of YAML 1.2.

    An integer of more than twenty digits stays text: nothing in the file can mean it as a number.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _MAYBE_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= _LONGEST_INTEGER else text
    if _OCTAL.fullmatch(text):
        return int(text, 8) if len(text) <= _LONGEST_INTEGER else text
    if _HEX.fullmatch(text):
        return int(text, 16) if len(text) <= _LONGEST_INTEGER else text
    if _NUMBER.fullmatch(text):
        return float(text)
    return text


def is_null(node: Node) -> bool:
    """Whether the value is null, written or left out."""
    return isinstance(node, Scalar) and node.value is None


def kind_of(node: Node) -> str:
    """What a node is, for a sentence."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return f"the boolean {node.text}"
    if isinstance(node.value, int | float):
        return f"the number {node.text}"
    return f"the text {quoted(node.text)}"


_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


def child(path: str, key: str | int) -> str:
    """The path of a key or an item below `path`: `services.web`, `ports[0]`, `labels["a b"]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _SIMPLE_KEY.fullmatch(key):
        shown = visible(key).replace('"', '\\"')
        return f'{path}["{shown[:60]}"]'
    return f"{path}.{key}" if path else key


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Placed]]:
    """Every key and item below a node with its path."""
    below: list[tuple[str, Node]] = [(path, node)]
    while below:
        path, node = below.pop()
        if isinstance(node, Mapping):
            for key, entry in node.entries.items():
                yield child(path, key), entry
                below.append((child(path, key), entry.value))
        elif isinstance(node, Sequence):
            for index, item in enumerate(node.items):
                yield child(path, index), item
                below.append((child(path, index), item))

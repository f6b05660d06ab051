"""Putting variables' values where `${name}` stands, once: what was put in is never looked at again.

Only declared names count. A scalar that is `${name}` and nothing else takes the variable's type; inside other text the
value is written out. `$$` is a literal `$`, and a `$` that no `{` follows is itself.
"""

from __future__ import annotations

import re

from reconciler.spec.problems import Problems
from reconciler.spec.tree import UNUSABLE, Entry, Mapping, Node, Plain, Scalar, Sequence, child
from reconciler.spec.variables import NAME, Variable, written
from reconciler.spec.wording import quoted

# Sections that are read before variables have values, and those that are read without this loader as well.
LITERAL_SECTIONS = frozenset({"variables", "include"})
EARLY_SECTIONS = frozenset({"database"})

MAX_FILLED = 4 * 1024 * 1024
# What a value of a list counts for beside its text.
_COST = 100

_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)(\})?")
_WHOLE = re.compile(r"\$\{([^}]*)\}")
_COMPOSE_DEFAULT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-?+])(.*)", re.DOTALL)


def fill(root: Mapping, variables: dict[str, Variable], problems: Problems) -> Mapping:
    """The tree with every reference replaced; trees without references are shared with the old one."""
    filler, refuser = _Filler(variables, problems), _Refuser(variables, problems)
    entries = {}
    for key, entry in root.entries.items():
        if key in LITERAL_SECTIONS:
            entries[key] = entry
        else:
            entries[key] = (refuser if key in EARLY_SECTIONS else filler).entry(entry, child("", key))
    return Mapping(root.source, root.line, root.column, entries)


class _Filler:
    def __init__(self, variables: dict[str, Variable], problems: Problems) -> None:
        self._variables = variables
        self._problems = problems
        self._room = MAX_FILLED

    def entry(self, entry: Entry, path: str) -> Entry:
        value = self.node(entry.value, path)
        return entry if value is entry.value else Entry(entry.source, entry.line, entry.column, value)

    def node(self, node: Node, path: str) -> Node:
        if isinstance(node, Scalar):
            return self._scalar(node, path) if "$" in node.text and isinstance(node.value, str) else node
        if isinstance(node, Sequence):
            items = [self.node(item, child(path, index)) for index, item in enumerate(node.items)]
            same = all(new is old for new, old in zip(items, node.items, strict=True))
            return node if same else Sequence(node.source, node.line, node.column, items)
        entries = {key: self.entry(entry, child(path, key)) for key, entry in node.entries.items()}
        same = all(new is old for new, old in zip(entries.values(), node.entries.values(), strict=True))
        return node if same else Mapping(node.source, node.line, node.column, entries)

    def _scalar(self, node: Scalar, path: str) -> Node:
        whole = _WHOLE.fullmatch(node.text)
        if whole is not None:
            variable = self._look_up(whole[1], node, path)
            if variable is None or variable.value is None or not self._fits(variable.value, node, path):
                return _unusable(node)
            return _typed(node, variable.value)
        parts: list[str] = []
        at = 0
        for match in _REFERENCE.finditer(node.text):
            parts.append(node.text[at : match.start()])
            at = match.end()
            part = "$" if match[0] == "$$" else self._part(match, node, path)
            if part is None:
                return _unusable(node)
            parts.append(part)
        text = "".join([*parts, node.text[at:]])
        return Scalar(node.source, node.line, node.column, text, text)

    def _part(self, match: re.Match[str], node: Scalar, path: str) -> str | None:
        if match[2] is None:
            self._problems.wrong(node, path, "a ${ is not closed with }", "write $${ for a literal ${")
            return None
        variable = self._look_up(match[1], node, path)
        if variable is None or variable.value is None:
            return None
        if not self._fits(variable.value, node, path):
            return None
        if isinstance(variable.value, tuple):
            self._problems.wrong(node, path, f"the list {quoted(variable.name)} cannot stand inside of text")
            return None
        return written(variable.value)

    def _fits(self, value: Plain | tuple[Plain, ...], node: Scalar, path: str) -> bool:
        """Whether what variables put in stays within the limit; said once."""
        if self._room < 0:
            return False
        self._room -= (
            sum(len(written(one)) + _COST for one in value) if isinstance(value, tuple) else len(written(value))
        )
        if self._room < 0:
            self._problems.wrong(node, path, f"variables put more than {MAX_FILLED:,} characters into the file")
        return self._room >= 0

    def _look_up(self, name: str, node: Scalar, path: str) -> Variable | None:
        variable = self._variables.get(name)
        if variable is not None:
            return variable
        self._problems.wrong(node, path, *_unknown(name, self._variables, self._problems))
        return None


class _Refuser(_Filler):
    """Reports references in a section that does not know them; `$$` is what it is there."""

    def _scalar(self, node: Scalar, path: str) -> Node:
        if "${" not in node.text:
            return node
        self._problems.wrong(node, path, "variables cannot be used here", "the log is found before they have values")
        return _unusable(node)


def _unknown(name: str, variables: dict[str, Variable], problems: Problems) -> tuple[str, str]:
    """What is wrong with a reference, and what to write instead."""
    shown = quoted("${" + name + "}")
    habit = _COMPOSE_DEFAULT.fullmatch(name)
    if habit is not None and "?" in habit[2]:
        return (
            f"{shown} asks for a value",
            f"declare variables: {{{habit[1]}: {{type: string}}}} and write ${{{habit[1]}}}",
        )
    if habit is not None:
        hint = f"declare variables: {{{habit[1]}: {{default: {habit[3] or '…'}}}}} and write ${{{habit[1]}}}"
        return f"{shown} has a default in it", hint
    if name.startswith("env:"):
        wanted = name.removeprefix("env:") or "NAME"
        return f"{shown} asks for the environment", f"declare a variable with env: {wanted} and write its name"
    if not NAME.fullmatch(name):
        return f"{shown} names no variable", "write $${ for a literal ${"
    hint = problems.hint(name, variables) or "declare it under variables:"
    return f"no variable {quoted(name)} is declared", f"{hint}, or write $${{{name}}} for the literal text"


def _unusable(node: Scalar) -> Scalar:
    return Scalar(node.source, node.line, node.column, node.text, UNUSABLE)


def _typed(node: Scalar, value: Plain | tuple[Plain, ...]) -> Node:
    if isinstance(value, tuple):
        items: list[Node] = [Scalar(node.source, node.line, node.column, written(one), one) for one in value]
        return Sequence(node.source, node.line, node.column, items)
    return Scalar(node.source, node.line, node.column, written(value), value)

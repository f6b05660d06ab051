"""Compose's interpolation (`$X`, `${X:-default}`, `${X:?why}`, `${X:+other}`, `$$`) as declared variables of a fleet.

`${X:-5432}` becomes `${X}` with `variables: {X: {env: X, default: 5432}}`, so that the environment still decides. What a
declared variable cannot say (`:+`, a default inside a default) is decided now and noted. A scalar that held a `$` comes
back with `text` as the fleet's template and `value` as what it is now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.spec.composefile.notes import Notes
from reconciler.spec.tree import Entry, Mapping, Node, Scalar, Sequence, child, plain_value

Type = Literal["string", "integer", "number", "boolean"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\{(\w+)\}")
_OPERATOR = re.compile(r":?[-?+]")
_SECRET_WORD = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
_LONGEST_NAME = 60


class Unclosed(ValueError):
    """A `${` without its `}`, or a `$` before something that is no name."""


@dataclass(slots=True)
class Variable:
    """One variable of the fleet.

    Attributes:
        env: the environment variable that it reads.
        default: None when it has to be given.
        at: where it was met first, and the path of that.
        hidden: its value lies in `.env` and is not copied, because it looks like a secret.
    """

    env: str
    default: str | None
    at: tuple[Node, str]
    type: Type = "string"
    hidden: bool = False


def evaluated(node: Node) -> str:
    """What a scalar says now; empty for anything else."""
    if not isinstance(node, Scalar):
        return ""
    return node.value if isinstance(node.value, str) else node.text


def literal(text: str) -> str:
    """Text as a template that stands for exactly it, whatever follows."""
    return re.sub(r"\$(?=[{$]|\Z)", "$$", text)


class Variables:
    """The variables that a conversion has come upon."""

    def __init__(self, environ: Table[str, str], dotenv: Table[str, str], notes: Notes) -> None:
        self.known = {**dotenv, **environ}
        self.dotenv = dotenv
        self.declared: dict[str, Variable] = {}
        self._notes = notes

    def fill(self, node: Node, path: str) -> Node:
        """The tree with every interpolation turned into ours."""
        if isinstance(node, Scalar):
            return self._scalar(node, path) if "$" in node.text else node
        if isinstance(node, Sequence):
            items = [self.fill(item, child(path, index)) for index, item in enumerate(node.items)]
            return Sequence(node.source, node.line, node.column, items)
        entries = {
            key: Entry(entry.source, entry.line, entry.column, self.fill(entry.value, child(path, key)))
            for key, entry in node.entries.items()
        }
        return Mapping(node.source, node.line, node.column, entries)

    def _scalar(self, node: Scalar, path: str) -> Node:
        template, value, at = "", "", 0
        text = node.text
        while (dollar := text.find("$", at)) >= 0:
            before = text[at:dollar]
            template, value = template + before, value + before
            try:
                at, part, now = self._reference(text, dollar, node, path)
            except Unclosed as error:
                self._notes.changed(node, path, f"{error}; it is taken as it is written")
                at, part, now = dollar + 1, "$", "$"
            # `$` before `{` or `$` would be read as the beginning of something.
            if part == "$" and text[at : at + 1] in ("{", "$"):
                part = "$$"
            template, value = template + part, value + now
        rest = text[at:]
        return Scalar(node.source, node.line, node.column, template + rest, value + rest)

    def _reference(self, text: str, dollar: int, node: Scalar, path: str) -> tuple[int, str, str]:
        """Where it ends, what it is in the fleet's file, and what it stands for now.

        Raises:
            Unclosed: it is none.
        """
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            return dollar + 2, "$", "$"
        if following != "{":
            match = _NAME.match(text, dollar + 1)
            if match is None:
                raise Unclosed("a $ stands before something that is no variable")
            return match.end(), *self._use(match[0], "", "", node, path)
        match = _NAME.match(text, dollar + 2)
        end = _closing(text, dollar + 1)
        if match is None or end < 0:
            raise Unclosed("a ${ is not closed, or holds no variable's name")
        operator = _OPERATOR.match(text, match.end(), end)
        if operator is None and match.end() != end:
            raise Unclosed("a ${ holds something else than a variable with a default")
        argument = text[operator.end() : end] if operator else ""
        return end + 1, *self._use(match[0], operator[0] if operator else "", argument, node, path)

    def _use(self, name: str, operator: str, argument: str, node: Scalar, path: str) -> tuple[str, str]:
        now = self.known.get(name)
        given = now is not None and (now != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            chosen = self._argument(argument, node, path) if given else ""
            self._notes.changed(node, path, f"${{{name}{operator}…}} was decided now: {chosen!r}")
            return literal(chosen), chosen
        default: str | None = None
        if operator.endswith("-"):
            default = self._argument(argument, node, path)
        elif not operator:
            default = ""
            if not given:
                self._notes.changed(node, path, f"{name} is not set here; without it this is empty, as in Compose")
        own = self._declare(name, default, node, path)
        return f"${{{own}}}", (now or "") if given else (default or "")

    def _argument(self, argument: str, node: Scalar, path: str) -> str:
        if "$" not in argument:
            return argument
        inner = Scalar(node.source, node.line, node.column, argument, argument)
        found = evaluated(self._scalar(inner, path))
        self._notes.changed(node, path, f"the nested {argument} was decided now")
        return found

    def _declare(self, env: str, default: str | None, node: Node, path: str) -> str:
        """A variable that reads `env` with this default: the one there is, or another name for another default."""
        wanted = self._variable(env, default, node, path)
        name, count = env[:_LONGEST_NAME], 1
        while (present := self._same_name(name)) is not None:
            if (present.env, present.default) == (wanted.env, wanted.default):
                return next(known for known, variable in self.declared.items() if variable is present)
            count += 1
            name = f"{env[:_LONGEST_NAME]}_{count}"
        self.declared[name] = wanted
        return name

    def _variable(self, env: str, default: str | None, node: Node, path: str) -> Variable:
        hidden = env in self.dotenv and _SECRET_WORD.search(env) is not None
        return Variable(env, None if hidden else self.dotenv.get(env, default), (node, path), hidden=hidden)

    def _same_name(self, name: str) -> Variable | None:
        return next((variable for known, variable in self.declared.items() if known.upper() == name.upper()), None)

    def bare(self, name: str, node: Node, path: str) -> str | None:
        """The template of a variable that is passed on from the environment; None when it is not set."""
        if name not in self.known:
            return None
        where = next((known for known, variable in self.declared.items() if variable.env == name), None)
        return f"${{{where or self._declare(name, '', node, path)}}}"

    def typed(self, template: str, kind: Type) -> str:
        """A template in a place that wants a number or a boolean; a variable that it is all of takes that type."""
        variable = self.declared.get(template.removeprefix("${").removesuffix("}"))
        if variable is not None and (variable.default is None or _is(variable.default, kind)):
            variable.type = kind
        return template

    def hidden_name(self, template: str) -> str:
        """The environment variable that a template is, if its value lies in `.env` and is not copied."""
        variable = self.declared.get(template.removeprefix("${").removesuffix("}"))
        return variable.env if variable is not None and variable.hidden else ""

    def document(self, *users: Any) -> dict[str, Any]:
        """The fleet's `variables:` section: those that the other sections use."""
        used = {name for user in users for name in _references(user)}
        section: dict[str, Any] = {}
        for name, variable in self.declared.items():
            if name not in used:
                continue
            if variable.hidden:
                why = "lies in .env and was not copied; export it before fleet runs"
                self._notes.changed(*variable.at, f"the value of {variable.env} {why}")
            section[name] = {"type": variable.type, "env": variable.env}
            if variable.default is not None:
                typed = variable.type != "string"
                section[name]["default"] = plain_value(variable.default) if typed else variable.default
        return section


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _references(inner)


def _is(text: str, kind: Type) -> bool:
    value = plain_value(text)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _closing(text: str, brace: int) -> int:
    """The place of the brace that closes the one at `brace`; -1 when none does."""
    depth = 0
    for place in range(brace, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return place
    return -1

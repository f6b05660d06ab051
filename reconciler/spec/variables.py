"""Variables: declared with a type, given a value from outside or by default.

A value comes from, the first that has one: `--var`, the `--var-file`s (later ones first), `FLEET_VAR_<NAME>` of the
environment, the variable named by `env:`, `default:`. Defaults and given values are taken as they are: nothing in them is
looked up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors import Problem
from reconciler.spec.compose import compose
from reconciler.spec.inputs import Inputs, LoadOptions
from reconciler.spec.masked import is_secret_name
from reconciler.spec.problems import Problems, nearest
from reconciler.spec.source import Unreadable, read_source, shown_path
from reconciler.spec.tree import (
    Entry,
    Mapping,
    Node,
    Placed,
    Plain,
    Scalar,
    Sequence,
    Unusable,
    child,
    is_null,
    kind_of,
    plain_value,
)
from reconciler.spec.wording import quoted

ENVIRONMENT_PREFIX = "FLEET_VAR_"
TYPES = ("string", "integer", "number", "boolean", "list")
DECLARATION_KEYS = ("type", "default", "description", "env", "choices")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable with its value; `value` is None when there is none, which was reported then."""

    name: str
    type: str
    value: Plain | tuple[Plain, ...]


@dataclass(frozen=True, slots=True)
class _Declaration:
    entry: Entry
    type: str
    default: Node | None
    env: str
    choices: list[Plain]


def collect(root: Mapping, options: LoadOptions, inputs: Inputs, problems: Problems) -> dict[str, Variable]:
    """The declared variables with their values; every problem with them is reported."""
    declared = _declarations(root, problems)
    files = _var_files(declared, options, inputs, problems)
    _check_given(declared, options, problems)
    variables = {}
    for name, declaration in declared.items():
        value = _value(name, declaration, files.get(name), options, inputs, problems)
        variables[name] = Variable(name, declaration.type, value)
    return variables


def _declarations(root: Mapping, problems: Problems) -> dict[str, _Declaration]:
    section = root.entries.get("variables")
    if section is None or is_null(section.value):
        return {}
    if not isinstance(section.value, Mapping):
        problems.wrong(section.value, "variables", f"this is {kind_of(section.value)} where a mapping is wanted")
        return {}
    declared: dict[str, _Declaration] = {}
    upper: dict[str, str] = {}
    for name, entry in section.value.entries.items():
        path = child("variables", name)
        if not NAME.fullmatch(name):
            problems.wrong(entry, path, f"{quoted(name)} is not a variable's name", "letters, digits and _")
            continue
        same = upper.setdefault(name.upper(), name)
        if same != name:
            problems.wrong(entry, path, f"{quoted(name)} and {quoted(same)} differ in case only")
            continue
        declared[name] = _declaration(entry, path, problems)
    return declared


def _declaration(entry: Entry, path: str, problems: Problems) -> _Declaration:
    node = entry.value
    if not isinstance(node, Mapping):
        return _Declaration(entry, _type_of(node), None if is_null(node) else node, "", [])
    for key, inner in node.entries.items():
        if key not in DECLARATION_KEYS and not key.startswith("x-"):
            hint = problems.hint(key, DECLARATION_KEYS)
            problems.wrong(inner, child(path, key), f"unknown key {quoted(key)}", hint)
    default = node.entries.get("default")
    kind = _word(node, "type", path, problems)
    if kind and kind not in TYPES:
        place = node.entries["type"].value
        problems.wrong(place, child(path, "type"), f"{quoted(kind)} is no type", problems.hint(kind, TYPES))
        kind = ""
    written = None if default is None or is_null(default.value) else default.value
    return _Declaration(
        entry,
        kind or (_type_of(written) if written is not None else "string"),
        written,
        _word(node, "env", path, problems),
        _choices(node, path, problems),
    )


def _word(node: Mapping, key: str, path: str, problems: Problems) -> str:
    entry = node.entries.get(key)
    if entry is None or is_null(entry.value):
        return ""
    if isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
        return entry.value.value
    problems.wrong(entry.value, child(path, key), f"this is {kind_of(entry.value)} where text is wanted")
    return ""


def _choices(node: Mapping, path: str, problems: Problems) -> list[Plain]:
    entry = node.entries.get("choices")
    if entry is None or is_null(entry.value):
        return []
    items = entry.value.items if isinstance(entry.value, Sequence) else []
    found = [item.value for item in items if isinstance(item, Scalar) and not isinstance(item.value, Unusable)]
    if not found or len(found) != len(items):
        problems.wrong(entry.value, child(path, "choices"), "choices are a list of values, at least one")
    return found


def _type_of(node: Node) -> str:
    if isinstance(node, Sequence):
        return "list"
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"


def _var_files(
    declared: dict[str, _Declaration], options: LoadOptions, inputs: Inputs, problems: Problems
) -> dict[str, tuple[Node, str]]:
    given: dict[str, tuple[Node, str]] = {}
    for written in options.var_files:
        path = Path(os.path.abspath(written))
        try:
            source = read_source(path)
        except Unreadable as error:
            inputs.file(path, "")
            place = (error.line, error.column)
            problems.add(Problem(shown_path(path), *place, "", _unreadable(path, error)))
            continue
        inputs.file(path, source.digest)
        tree = compose(source, problems)
        for name, entry in tree.entries.items() if tree is not None else ():
            if name in declared:
                given[name] = (entry.value, name)
            else:
                hint = _near(name, declared, problems)
                problems.wrong(entry, child("", name), f"no variable {quoted(name)} is declared", hint)
    return given


def _unreadable(path: Path, error: Unreadable) -> str:
    return f"this file of variables {error}" if path.exists() else "there is no such file of variables"


def _near(name: str, declared: dict[str, _Declaration], problems: Problems) -> str:
    return problems.hint(name, declared) or "declare it under variables:"


def _check_given(declared: dict[str, _Declaration], options: LoadOptions, problems: Problems) -> None:
    for name in options.variables:
        if name not in declared:
            message = f"no variable {quoted(name)} is declared"
            problems.add(Problem("--var", 0, 0, "", message, _near(name, declared, problems)))
    names = {ENVIRONMENT_PREFIX + name.upper() for name in declared}
    for name in sorted(options.environ):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in names and declared:
            near = nearest(name, names)
            if near:
                place = next(iter(declared.values())).entry
                problems.warn(place, "variables", f"the environment variable {quoted(name)} sets nothing", f"{near}?")


def _value(
    name: str,
    declaration: _Declaration,
    from_file: tuple[Node, str] | None,
    options: LoadOptions,
    inputs: Inputs,
    problems: Problems,
) -> Plain | tuple[Plain, ...]:
    path = child("variables", name)
    from_environment = inputs.variable(ENVIRONMENT_PREFIX + name.upper())
    from_named = inputs.variable(declaration.env) if declaration.env else None
    for origin, given in (
        (f"--var {name}", options.variables.get(name)),
        ("", from_file),
        (f"the environment variable {ENVIRONMENT_PREFIX}{name.upper()}", from_environment),
        (f"the environment variable {declaration.env}", from_named),
    ):
        if isinstance(given, str):
            return _from_text(given, declaration, path, origin, problems)
        if given is not None:
            return _from_node(given[0], declaration, given[1], problems)
    if declaration.default is not None:
        return _from_node(declaration.default, declaration, path, problems)
    problems.wrong(
        declaration.entry,
        path,
        f"the variable {quoted(name)} has no value and no default",
        f"give it with --var {name}=… or {ENVIRONMENT_PREFIX}{name.upper()}",
    )
    return None


def _from_text(
    given: str, declaration: _Declaration, path: str, origin: str, problems: Problems
) -> Plain | tuple[Plain, ...]:
    """A value from the command line or the environment, read by the variable's type."""
    try:
        given.encode()
    except UnicodeEncodeError:
        problems.wrong(declaration.entry, path, f"{origin} is not UTF-8 text")
        return None
    value: Plain | tuple[Plain, ...] = given
    if declaration.type == "list":
        inner = given.strip().removeprefix("[").removesuffix("]")
        value = tuple(part.strip() for part in inner.split(",") if part.strip())
    elif declaration.type != "string":
        value = plain_value(given.strip())
    shown = "not to be shown" if is_secret_name(path) else quoted(given)
    return _checked(value, declaration, declaration.entry, path, f"{origin} is {shown}", problems)


def _from_node(node: Node, declaration: _Declaration, path: str, problems: Problems) -> Plain | tuple[Plain, ...]:
    value: Any = None
    if isinstance(node, Scalar):
        value = node.text if declaration.type == "string" and not isinstance(node.value, bool) else node.value
    elif isinstance(node, Sequence) and all(isinstance(item, Scalar) for item in node.items):
        value = tuple(item.value for item in node.items if isinstance(item, Scalar))
    what = "this" if is_secret_name(path) else f"this is {kind_of(node)}"
    return _checked(value, declaration, node, path, what, problems)


_FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, tuple),
}


def _checked(
    value: Any, declaration: _Declaration, at: Placed, path: str, what: str, problems: Problems
) -> Plain | tuple[Plain, ...]:
    if declaration.type == "list" and isinstance(at, Sequence) and value is None:
        problems.wrong(at, path, "a list holds plain values, no lists or mappings")
        return None
    if not _FITS[declaration.type](value):
        problems.wrong(at, path, f"{what}, which is no {declaration.type}")
        return None
    if declaration.choices and value not in declaration.choices:
        known = ", ".join(written(choice) for choice in declaration.choices)
        problems.wrong(at, path, f"{what}, which is none of the choices", f"choices: {known}")
        return None
    found: Plain | tuple[Plain, ...] = value
    return found


def written(value: Plain) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)

"""Readers of what has parts: lists, command lines, mappings with known keys, and paths of files."""

from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Mapping as Table
from typing import Any

from reconciler.spec.desired import AnyValue, make
from reconciler.spec.reading import Fields, Reader, Reading, T, any_text, filled_text, text
from reconciler.spec.tree import UNUSABLE, Entry, Mapping, Node, Placed, Scalar, Sequence, child, is_null, kind_of
from reconciler.spec.wording import quoted


def list_of(read: Reader[T], *, single: bool = False) -> Reader[list[T]]:
    """A reader of lists; with `single`, one scalar stands for a list of one."""

    def reader(node: Node, path: str, reading: Reading) -> list[T] | None:
        if isinstance(node, Sequence):
            found = [read(item, child(path, index), reading) for index, item in enumerate(node.items)]
            return [value for value in found if value is not None]
        if isinstance(node, Scalar) and node.value is UNUSABLE:
            return None
        if single and isinstance(node, Scalar) and node.value is not None:
            value = read(node, path, reading)
            return None if value is None else [value]
        reading.wrong(node, path, f"this is {kind_of(node)} where a list is wanted")
        return None

    return reader


def sorted_set(read: Reader[str]) -> Reader[tuple[str, ...]]:
    """A reader of a list in which neither order nor repetition means anything."""
    inner = list_of(read, single=True)

    def reader(node: Node, path: str, reading: Reading) -> tuple[str, ...] | None:
        found = inner(node, path, reading)
        return None if found is None else tuple(sorted(set(found)))

    return reader


def words(node: Node, path: str, reading: Reading) -> tuple[str, ...] | None:
    """A command line: a list, or one text that is split as a shell would, with nothing expanded."""
    if isinstance(node, Sequence):
        return tuple(list_of(any_text)(node, path, reading) or ())
    found = text(node, path, reading)
    if found is None:
        return None
    import shlex

    try:
        return tuple(shlex.split(found))
    except ValueError as error:
        reason = "a quote is not closed" if "quot" in str(error) else "a backslash ends it"
        reading.wrong(node, path, f"this command cannot be split into words: {reason}", "write it as a list")
        return None


def command(node: Node, path: str, reading: Reading) -> tuple[str, ...] | None:
    """A command line of at least one word."""
    found = words(node, path, reading)
    if found is not None and not found:
        reading.wrong(node, path, "this command is empty")
        return None
    return found


def mapping(node: Node, path: str, reading: Reading, wanted: str = "a mapping") -> Mapping | None:
    """The node as a mapping; anything else is reported, except what was reported already."""
    if isinstance(node, Mapping):
        return node
    if not (isinstance(node, Scalar) and node.value is UNUSABLE):
        reading.wrong(node, path, f"this is {kind_of(node)} where {wanted} is wanted")
    return None


def fields_of(
    node: Node, path: str, reading: Reading, fields: Fields, other_words: Table[str, str] | None = None
) -> dict[str, Any] | None:
    """The attributes that the keys of a mapping give; a key whose value is null is as good as not there.

    Args:
        node: the mapping.
        path: its path.
        reading: what this is part of.
        fields: the keys that there are.
        other_words: what to write instead of keys that people bring from elsewhere.
    """
    found = mapping(node, path, reading)
    if found is None:
        return None
    values: dict[str, Any] = {}
    for key, entry in found.entries.items():
        known = fields.get(key)
        if known is None:
            unknown_key(entry, key, path, reading, fields, other_words)
        elif not is_null(entry.value):
            value = known.read(entry.value, child(path, key), reading)
            if value is not None:
                values[known.attribute] = value
    return values


def unknown_key(
    entry: Entry,
    key: str,
    path: str,
    reading: Reading,
    known: Collection[str],
    other_words: Table[str, str] | None = None,
) -> None:
    """Report a key that has no meaning here; keys that begin with `x-` are the person's own."""
    if key.startswith("x-"):
        return
    hint = (other_words or {}).get(key) or reading.problems.hint(key, known)
    reading.wrong(entry, child(path, key), f"unknown key {quoted(key)}", hint)


def record(kind: type[AnyValue], fields: Fields, *required: str) -> Reader[AnyValue]:
    """A reader of a mapping into a value of a kind; `required` are keys that must be there."""

    def read(node: Node, path: str, reading: Reading) -> AnyValue | None:
        values = fields_of(node, path, reading, fields)
        if values is None or not require(node, path, reading, *required):
            return None
        missing = [key for key in required if fields[key].attribute not in values]
        return None if missing else make(kind, **values)

    return read


def has(node: Node, key: str) -> bool:
    """Whether a mapping gives a key a value; null is none."""
    return isinstance(node, Mapping) and key in node.entries and not is_null(node.entries[key].value)


def require(node: Node, path: str, reading: Reading, *keys: str) -> bool:
    """Whether all these keys are there; each that is not is reported."""
    missing = [key for key in keys if not has(node, key)]
    for key in missing:
        reading.wrong(node, path, f"the key {key} is missing")
    return not missing


def absolute_path(written: str, at: Placed, reading: Reading) -> str:
    """A path as it is written, relative to its file's folder or to the home folder (`~/`), made absolute."""
    if written == "~" or written.startswith("~/"):
        home = reading.inputs.variable("HOME")
        written = home + written[1:] if home else written
    return os.path.normpath(os.path.join(at.source.folder, written))


def file_path(node: Node, path: str, reading: Reading) -> str | None:
    """A path on this machine, made absolute."""
    found = filled_text(node, path, reading)
    return None if found is None else absolute_path(found, node, reading)

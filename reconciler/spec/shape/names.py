"""Names: what may be one, and sections whose keys are names.

Two names that differ only in case or in `_` against `-` are one name to DNS, to environment variables or to a hurried
reader, so a section may not hold both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from reconciler.spec.reading import Reading
from reconciler.spec.structures import mapping
from reconciler.spec.tree import Entry, Mapping, Node, Placed, Scalar, Sequence, child, is_null
from reconciler.spec.wording import has_hidden, quoted

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
ENGINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
NAME_RULE = "letters, digits, _ and -, beginning with a letter or digit, at most 63"
ENGINE_NAME_RULE = "letters, digits, _, . and -, beginning with a letter or digit"


def folded(name: str) -> str:
    """The form in which names are compared."""
    return name.lower().replace("_", "-")


def named_entries(node: Node, path: str, reading: Reading) -> Iterator[tuple[str, Entry, str]]:
    """The name, entry and path of each well-named key of a section; others are reported."""
    found = mapping(node, path, reading)
    seen: dict[str, tuple[str, Entry]] = {}
    for name, entry in found.entries.items() if found is not None else ():
        below = child(path, name)
        if not NAME.fullmatch(name):
            hint = "it holds control or direction characters" if has_hidden(name) else NAME_RULE
            reading.wrong(entry, below, f"{quoted(name)} cannot be a name", hint)
            continue
        other, first = seen.setdefault(folded(name), (name, entry))
        if first is not entry:
            place = f"{first.source.shown}:{first.line}:{first.column}"
            reading.wrong(entry, below, f"{quoted(name)} and {quoted(other)} are too alike", f"the other is at {place}")
        yield name, entry, below


def section(
    root: Mapping, key: str, reading: Reading, read: Callable[[str, Entry, str, Reading], Any]
) -> dict[str, Any]:
    """A section's values by name, sorted; one that is missing or null is empty."""
    entry = root.entries.get(key)
    if entry is None or is_null(entry.value):
        return {}
    values: dict[str, Any] = {}
    for name, inner, path in named_entries(entry.value, key, reading):
        value = read(name, inner, path, reading)
        if value is not None:
            values[name] = value
    return dict(sorted(values.items()))


def names_in(root: Mapping, key: str) -> set[str]:
    """The names that a section defines, well-formed or not: what refers to them is no second problem."""
    entry = root.entries.get(key)
    return set(entry.value.entries) if entry is not None and isinstance(entry.value, Mapping) else set()


def spot(start: Placed, path: str, *keys: str) -> tuple[Placed, str]:
    """The place and path of a key below a node; of the nearest one above it where it is not there.

    In a list of texts a key is the item that begins with it, so that `depends_on` is found in both of its forms.
    """
    place = start
    for key in keys:
        node = place.value if isinstance(place, Entry) else place
        if isinstance(node, Mapping) and key in node.entries:
            place, path = node.entries[key], child(path, key)
            continue
        items = node.items if isinstance(node, Sequence) else []
        at = next((index for index, item in enumerate(items) if isinstance(item, Scalar) and item.text == key), None)
        if at is None:
            break
        place, path = items[at], child(path, at)
    return place, path

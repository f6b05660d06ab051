"""How Compose lays one definition over another, for several files and for `extends`.

Mappings are merged key by key and lists are joined, with the exceptions that the Compose specification names: commands
and tests are replaced, and what is unique (a port, a mount's target) is replaced where it is the same.
"""

from __future__ import annotations

from reconciler.spec.composefile.variables import evaluated
from reconciler.spec.tree import Entry, Mapping, Node, Scalar, Sequence, is_null

# Lists of NAME=value (or NAME:value), which mean the same as mappings.
_TABLES = {"environment": "=", "labels": "=", "annotations": "=", "sysctls": "=", "args": "=", "extra_hosts": "=:"}
_NAMES = frozenset({"depends_on", "networks"})
_REPLACED = frozenset({"command", "entrypoint", "test"})
_UNIQUE = frozenset({"volumes", "configs", "secrets"})


def canonical(service: Node) -> Node:
    """A service whose lists that mean mappings are mappings; anything else stays as it is."""
    if not isinstance(service, Mapping):
        return service
    entries: dict[str, Entry] = {}
    for key, entry in service.entries.items():
        value = entry.value
        if key in _TABLES and isinstance(value, Sequence):
            value = _table(value, _TABLES[key])
        elif key in _NAMES and isinstance(value, Sequence):
            value = _names(value)
        elif key == "build":
            value = canonical(_build(value))
        entries[key] = Entry(entry.source, entry.line, entry.column, value)
    return Mapping(service.source, service.line, service.column, entries)


def _build(value: Node) -> Node:
    if not isinstance(value, Scalar) or is_null(value):
        return value
    entry = Entry(value.source, value.line, value.column, value)
    return Mapping(value.source, value.line, value.column, {"context": entry})


def _table(value: Sequence, signs: str) -> Mapping:
    """`[A=1, B]` as `{A: 1, B: null}`; the sign is looked for in the text, never inside a reference."""
    entries: dict[str, Entry] = {}
    for item in value.items:
        text, now = (item.text, evaluated(item)) if isinstance(item, Scalar) else ("", "")
        at = min((place for sign in signs if (place := text.find(sign)) >= 0), default=-1)
        name = text if at < 0 else text[:at]
        inner: Node = Scalar(item.source, item.line, item.column, "", None)
        if at >= 0:
            # The name holds no reference, so that both texts are parted at the same sign.
            held = now[at + 1 :] if now[: at + 1] == text[: at + 1] else now.partition(text[at])[2]
            inner = Scalar(item.source, item.line, item.column, text[at + 1 :], held)
        entries[name.strip()] = Entry(item.source, item.line, item.column, inner)
    return Mapping(value.source, value.line, value.column, entries)


def _names(value: Sequence) -> Mapping:
    entries = {
        evaluated(item): Entry(
            item.source, item.line, item.column, Scalar(item.source, item.line, item.column, "", None)
        )
        for item in value.items
    }
    return Mapping(value.source, value.line, value.column, entries)


def lay_over(base: Node, over: Node, key: str = "") -> Node:
    """What `base` becomes when `over` is laid over it. Null leaves what is there."""
    if is_null(over):
        return base
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        entries = dict(base.entries)
        for name, entry in over.entries.items():
            present = entries.get(name)
            value = entry.value if present is None else lay_over(present.value, entry.value, name)
            entries[name] = Entry(entry.source, entry.line, entry.column, value)
        return Mapping(over.source, over.line, over.column, entries)
    if isinstance(base, Sequence) and isinstance(over, Sequence) and key not in _REPLACED:
        return Sequence(over.source, over.line, over.column, _joined(base.items, over.items, key))
    return over


def _joined(base: list[Node], over: list[Node], key: str) -> list[Node]:
    marks = {_mark(item, key) for item in over}
    return [*(item for item in base if _mark(item, key) not in marks), *over]


def _mark(item: Node, key: str) -> object:
    """By what an item is the same as another; an object of its own where nothing is the same."""
    if isinstance(item, Mapping):
        entry = item.entries.get("target") or item.entries.get("path") or item.entries.get("source")
        return evaluated(entry.value) if entry is not None and key != "ports" else id(item)
    text = evaluated(item)
    if key == "volumes":
        return text.split(":")[1] if ":" in text else text
    return text if key in _UNIQUE or isinstance(item, Scalar) else id(item)

"""A fleet's document as YAML text that a person goes on editing: short lists on one line, remarks where they belong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.spec.tree import plain_value

_PLAIN = re.compile(r"[A-Za-z0-9_./~+-](?:[A-Za-z0-9_./ +=@%~:,-]*[A-Za-z0-9_./+=@%~-])?")
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_WIDTH = 100
_WORDS_OF_OLD_YAML = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"})


def scalar(value: Any) -> str:
    """One value as YAML, in quotes wherever a reader of any YAML version could take it for something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    plain = (
        _PLAIN.fullmatch(text)
        and plain_value(text) == text
        and text.lower() not in _WORDS_OF_OLD_YAML
        and not re.search(r": |, |:$| #|,$", text)
        and not re.fullmatch(r"(?=.*\d)[\d:._-]+", text)
        and not text.startswith(("- ", "-"))
    )
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes, with escapes for what YAML does not take as it is."""
    written = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], written)


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return _flow_scalar(value)


def _flow_scalar(value: Any) -> str:
    text = scalar(value)
    return _quoted(text) if not text.startswith('"') and re.search(r"[,\[\]{}]", text) else text


def _is_flat(value: Any) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value
    return not any(isinstance(one, Mapping) or (isinstance(one, list) and len(one) > 3) for one in inner)


def _is_one_line(value: Any, room: int) -> bool:
    if not value:
        return True
    several = isinstance(value, Mapping) and len(value) > 3
    return not several and _is_flat(value) and len(_flow(value)) <= room and "\n" not in _flow(value)


def lines(
    value: Mapping[str, Any], indent: int = 0, remarks: Mapping[str, Sequence[str]] | None = None
) -> Iterator[str]:
    """The lines of a mapping in block style; `remarks` are comments above a key."""
    space = " " * indent
    for key, inner in value.items():
        for remark in (remarks or {}).get(key, ()):
            yield f"{space}# {remark}"
        head = f"{space}{scalar(key)}:"
        if not isinstance(inner, Mapping | list):
            yield from _text(head, inner, indent)
        elif _is_one_line(inner, _WIDTH - len(head)):
            yield f"{head} {_flow(inner)}"
        elif isinstance(inner, Mapping):
            yield head
            yield from lines(inner, indent + 2)
        else:
            yield head
            yield from (f"{space}  - {_flow(item)}" for item in inner)


def _text(head: str, value: Any, indent: int) -> Iterator[str]:
    """Text of several lines stands as it is where YAML lets it."""
    text = value if isinstance(value, str) else ""
    block = "\n" in text and not text.startswith((" ", "\n")) and not _UNPRINTABLE.search(text.replace("\n", ""))
    if not block or any(line != line.rstrip() for line in text.split("\n")):
        yield f"{head} {scalar(value)}"
        return
    keep = "" if text.endswith("\n") and not text.endswith("\n\n") else "-" if not text.endswith("\n") else "+"
    yield f"{head} |{keep}"
    for line in text.removesuffix("\n").split("\n"):
        yield f"{' ' * (indent + 2)}{line}" if line else ""

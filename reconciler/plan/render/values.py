"""Values of fields as people write them: `256m`, `30s`, a port mapping, a list; long ones cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from reconciler.plan.fields import CONTENT_CHANGED
from reconciler.plan.model import FieldChange
from reconciler.units import format_duration, format_size

_SIZES = ("resources.memory", "shm_size", ".size")


def change_text(change: FieldChange, *, limit: int = 0) -> str:
    """`path: old → new`, `path: content changed`, `path: added new` or `path: removed old`.

    Args:
        limit: characters that each value may take; 0 means any number.
    """
    if change.new == CONTENT_CHANGED and change.old is None:
        return f"{change.path}: {CONTENT_CHANGED}"
    old, new = (_cut(value_text(change.path, value), limit) for value in (change.old, change.new))
    if change.old is None:
        return f"{change.path}: + {new}"
    if change.new is None:
        return f"{change.path}: - {old}"
    return f"{change.path}: {old} → {new}"


def value_text(path: str, value: Any) -> str:
    """One value; what its field is called tells the unit."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(path, value)
    if isinstance(value, str):
        return value if value and value == value.strip() and "\n" not in value else json.dumps(value)
    if isinstance(value, dict):
        return _mapping(path, value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(path, one) for one in value) + "]"
    return "none" if value is None else str(value)


def _number(path: str, value: int | float) -> str:
    if path.startswith("resources.") and not value:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if path.endswith("_ms"):
        return format_duration(value)
    if path.endswith(_SIZES):
        return format_size(value)
    if path.endswith(".mode"):
        return f"{value:04o}"
    return str(value)


def _mapping(path: str, value: dict[str, Any]) -> str:
    if value.get("from") == "secret":
        return f"secret {value['secret']}"
    form = next((form for start, form in _FORMS if path.startswith(start)), None)
    if form is not None:
        return form(value)
    return "{" + ", ".join(f"{key}: {value_text(f'{path}.{key}', one)}" for key, one in sorted(value.items())) + "}"


def _port(value: dict[str, Any]) -> str:
    host = f"{value.get('host_ip', '')}:" if value.get("host_ip") else ""
    outside = f"{value['host_port']}:" if value.get("host_port") else ""
    protocol = value.get("protocol", "tcp")
    return f"{host}{outside}{value['container_port']}" + (f"/{protocol}" if protocol != "tcp" else "")


def _mount(value: dict[str, Any]) -> str:
    source = f"{value['source']}:" if value.get("source") else f"{value['kind']} "
    return f"{source}{value['target']}" + (":ro" if value.get("read_only") else "")


def _network(value: dict[str, Any]) -> str:
    aliases = ", ".join(value.get("aliases", ()))
    return f"{value['network']} as {aliases}" if aliases else str(value["network"])


_FORMS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("ports[", _port),
    ("mounts[", _mount),
    ("networks[", _network),
    ("configs[", lambda value: str(value["target"])),
    ("secrets[", lambda value: f"{value['secret']} at {value['target']}"),
)


def _cut(text: str, limit: int) -> str:
    return text if not limit or len(text) <= limit else text[: limit - 1] + "…"

"""Specialists (agent workers) and missions (graphs of sorties)."""

from __future__ import annotations

import re
from typing import Any

from reconciler.spec.desired import Budget, Harness, MissionSpec, Review, SecretUse, SortieSpec, SpecialistSpec, make
from reconciler.spec.reading import (
    Field,
    Reading,
    above_zero,
    any_text,
    boolean,
    choice,
    duration,
    filled_text,
    matching,
    number,
    text,
    whole,
)
from reconciler.spec.shape.environment import VARIABLE_NAME, environment, table_of
from reconciler.spec.shape.lifecycle import specialist_restart
from reconciler.spec.shape.names import NAME, NAME_RULE, named_entries
from reconciler.spec.structures import command, fields_of, file_path, has, list_of, sorted_set
from reconciler.spec.tree import Entry, Mapping, Node, child, is_null

MOST_REPLICAS = 1_000
HARNESSES = ("shell", "command", "claude-code", "codex", "opencode", "container")
PRIORITIES = ("low", "medium", "high", "critical")

_name = matching(NAME, "a name", NAME_RULE)
_names = sorted_set(_name)
_abilities = sorted_set(filled_text)


def _list(node: Node, path: str, reading: Reading) -> tuple[str, ...] | None:
    found = list_of(any_text, single=True)(node, path, reading)
    return None if found is None else tuple(found)


HARNESS_FIELDS = {
    "kind": Field("kind", choice(*HARNESSES)),
    "command": Field("command", command),
    "image": Field("image", filled_text),
    "model": Field("model", filled_text),
    "permissions": Field("permissions", filled_text),
    "tools": Field("tools", _list),
}


def _harness(node: Node, path: str, reading: Reading) -> Harness | None:
    """A kind, or a mapping; an image alone means a container, a command alone a command."""
    if not isinstance(node, Mapping):
        kind = HARNESS_FIELDS["kind"].read(node, path, reading)
        values: dict[str, Any] | None = None if kind is None else {"kind": kind}
    else:
        values = fields_of(node, path, reading, HARNESS_FIELDS)
    if values is None:
        return None
    entries = node.entries if isinstance(node, Mapping) else {}
    guessed = "container" if "image" in values else "command" if "command" in values else "shell"
    kind = values.setdefault("kind", guessed)
    for wanted, key in (("command", "command"), ("container", "image")):
        if kind == wanted and not has(node, key):
            reading.wrong(node, path, f"a harness of kind {wanted} needs the key {key}")
    if "image" in values and kind != "container":
        reading.wrong(
            entries["image"], child(path, "image"), f"a harness of kind {kind} has no image", "write kind: container"
        )
    return make(Harness, **values)


HEARTBEAT_FIELDS = {
    "interval": Field("interval", above_zero(duration)),
    "timeout": Field("timeout", above_zero(duration)),
}


def _heartbeat(node: Node, path: str, reading: Reading) -> dict[str, int] | None:
    values = fields_of(node, path, reading, HEARTBEAT_FIELDS)
    if values is not None and values.get("timeout", 60_000) <= values.get("interval", 20_000):
        reading.wrong(
            node, path, "the time-out is not longer than the interval, so that every specialist would be lost"
        )
    return values


BUDGET_FIELDS = {
    "sorties_per_hour": Field("sorties_per_hour", whole(0, 1_000_000)),
    "wall_time": Field("wall_time_ms", duration),
    "tokens": Field("tokens", whole()),
    "cost_usd": Field("cost_usd", number()),
}


def _budget(node: Node, path: str, reading: Reading) -> Budget | None:
    values = fields_of(node, path, reading, BUDGET_FIELDS)
    return None if values is None else make(Budget, **values)


_named_variables = table_of(filled_text, VARIABLE_NAME, "the name of an environment variable")


def _secrets(node: Node, path: str, reading: Reading) -> dict[str, SecretUse] | None:
    """Variables that hold secrets: a mapping to their names, or names alone, `api-key` in the variable `API_KEY`."""
    if isinstance(node, Mapping):
        named = _named_variables(node, path, reading)
        return None if named is None else {variable: SecretUse(secret=name) for variable, name in named.items()}
    names = list_of(filled_text, single=True)(node, path, reading)
    return None if names is None else {_variable(name): SecretUse(secret=name) for name in sorted(set(names))}


def _variable(secret: str) -> str:
    return re.sub(r"\W", "_", secret).upper()


SPECIALIST_FIELDS = {
    "replicas": Field("replicas", whole(0, MOST_REPLICAS)),
    "capabilities": Field("capabilities", _abilities),
    "harness": Field("harness", _harness),
    "heartbeat": Field("heartbeat", _heartbeat),
    "budget": Field("budget", _budget),
    "environment": Field("environment", environment),
    "secrets": Field("secrets", _secrets),
    "working_dir": Field("working_dir", file_path),
    "stop_grace_period": Field("stop_grace_ms", duration),
    "restart": Field("restart", specialist_restart),
    "protect": Field("protect", boolean),
    "tags": Field("tags", _names),
}


def specialist(name: str, entry: Entry, path: str, reading: Reading) -> SpecialistSpec | None:
    """One kind of worker; null declares one with every default."""
    values: dict[str, Any] | None = {}
    if not is_null(entry.value):
        values = fields_of(entry.value, path, reading, SPECIALIST_FIELDS)
    if values is None:
        return None
    heartbeat = values.pop("heartbeat", {})
    for key, value in heartbeat.items():
        values[f"heartbeat_{key}_ms"] = value
    secrets, plain = values.pop("secrets", {}), values.get("environment", {})
    for variable in sorted(secrets.keys() & plain.keys()):
        reading.wrong(entry, path, f"the variable {variable} is given twice, in environment and in secrets")
    if secrets:
        values["environment"] = dict(sorted({**plain, **secrets}.items()))
    return make(SpecialistSpec, name=name, **values)


REVIEW_FIELDS = {
    "kind": Field("kind", choice("code", "design", "security", "general")),
    "by": Field("by", _name),
    "run": Field("run", filled_text),
    "prompt": Field("prompt", filled_text),
}


def _review(node: Node, path: str, reading: Reading) -> Review | None:
    """A kind, or a mapping."""
    if not isinstance(node, Mapping):
        kind = REVIEW_FIELDS["kind"].read(node, path, reading)
        return None if kind is None else make(Review, kind=kind)
    values = fields_of(node, path, reading, REVIEW_FIELDS)
    return None if values is None else make(Review, **values)


SORTIE_FIELDS = {
    "title": Field("title", filled_text),
    "description": Field("description", text),
    "priority": Field("priority", choice(*PRIORITIES)),
    "depends_on": Field("depends_on", sorted_set(filled_text)),
    "requires": Field("requires", _abilities),
    "assigned_to": Field("assigned_to", _name),
    "run": Field("run", filled_text),
    "prompt": Field("prompt", filled_text),
    "files": Field("files", sorted_set(filled_text)),
    "retries": Field("retries", whole(0, 1_000)),
    "retry_delay": Field("retry_delay_ms", duration),
    "timeout": Field("timeout_ms", duration),
    "when": Field("when", choice("success", "failure", "always")),
    "review": Field("review", _review),
}


def _sortie(name: str, entry: Entry, path: str, reading: Reading, priority: str) -> SortieSpec | None:
    values: dict[str, Any] | None = {}
    if not is_null(entry.value):
        values = fields_of(entry.value, path, reading, SORTIE_FIELDS)
    if values is None:
        return None
    values.setdefault("title", name)
    values.setdefault("priority", priority)
    return make(SortieSpec, name=name, **values)


def _sorties(node: Node, path: str, reading: Reading) -> dict[str, tuple[Entry, str]] | None:
    return {name: (entry, below) for name, entry, below in named_entries(node, path, reading)}


MISSION_FIELDS = {
    "title": Field("title", filled_text),
    "description": Field("description", text),
    "priority": Field("priority", choice(*PRIORITIES)),
    "parallel": Field("parallel", whole(0, 1_000)),
    "sorties": Field("sorties", _sorties),
    "tags": Field("tags", _names),
}


def mission(name: str, entry: Entry, path: str, reading: Reading) -> MissionSpec | None:
    """One mission with its sorties, which take its priority unless they have their own."""
    values = fields_of(entry.value, path, reading, MISSION_FIELDS)
    if values is None:
        return None
    declared = values.pop("sorties", {})
    if not declared and not (isinstance(entry.value, Mapping) and _has_names(entry.value)):
        reading.wrong(entry, path, "a mission has at least one sortie", "add sorties:")
    priority = values.get("priority", "medium")
    sorties = {}
    for sortie_name, (inner, below) in sorted(declared.items()):
        found = _sortie(sortie_name, inner, below, reading, priority)
        if found is not None:
            sorties[sortie_name] = found
    return make(MissionSpec, name=name, sorties=sorties, **{"title": name, **values})


def _has_names(node: Mapping) -> bool:
    entry = node.entries.get("sorties")
    return (
        entry is not None
        and not is_null(entry.value)
        and not (isinstance(entry.value, Mapping) and not entry.value.entries)
    )

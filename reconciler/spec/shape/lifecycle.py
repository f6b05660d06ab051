"""How a container lives: health, restarts, updates, dependencies, limits."""

from __future__ import annotations

import re
from typing import Any, cast

from reconciler.spec.desired import Backoff, Gate, HealthCheck, Resources, Restart, Ulimit, Update, make
from reconciler.spec.reading import (
    Field,
    Reading,
    above_zero,
    any_text,
    boolean,
    choice,
    duration,
    filled_text,
    number,
    scalar,
    size,
    text,
    whole,
)
from reconciler.spec.structures import fields_of, has, list_of, mapping, require, unknown_key
from reconciler.spec.tree import Mapping, Node, Sequence, child
from reconciler.spec.wording import quoted


def _test(node: Node, path: str, reading: Reading) -> tuple[str, ...] | None:
    """`["CMD", …]`, `["CMD-SHELL", "…"]`, `["NONE"]`, or one text for a shell."""
    if not isinstance(node, Sequence):
        written = filled_text(node, path, reading)
        return None if written is None else (("NONE",) if written == "NONE" else ("CMD-SHELL", written))
    parts = tuple(list_of(any_text)(node, path, reading) or ())
    first = parts[0] if parts else ""
    if first == "NONE" or (first in {"CMD", "CMD-SHELL"} and len(parts) > 1):
        if first == "CMD-SHELL" and len(parts) > 2:
            reading.wrong(node, path, "CMD-SHELL takes one text", "write CMD for a list of words")
            return None
        return parts
    hint = (
        f"begin with CMD: [CMD, {first}, …]"
        if first and first not in {"CMD", "CMD-SHELL"}
        else "the command is missing"
    )
    reading.wrong(node, path, "a health check's list begins with CMD, CMD-SHELL or NONE", hint)
    return None


HEALTHCHECK_FIELDS = {
    "test": Field("test", _test),
    "interval": Field("interval_ms", above_zero(duration)),
    "timeout": Field("timeout_ms", above_zero(duration)),
    "retries": Field("retries", whole(1, 1_000)),
    "start_period": Field("start_period_ms", duration),
    "disable": Field("disable", boolean),
}


def healthcheck(node: Node, path: str, reading: Reading) -> dict[str, Any] | None:
    """The fields of a health check that are given; the service's template may give the others."""
    values = fields_of(node, path, reading, HEALTHCHECK_FIELDS)
    if values is not None and values.pop("disable", False):
        if len(values) > 0:
            reading.wrong(node, path, "a disabled health check has no other keys")
        return {"test": ("NONE",)}
    return values


def make_healthcheck(values: dict[str, Any], node: Node, path: str, reading: Reading) -> HealthCheck | None:
    """The health check from what file and template give."""
    if "test" not in values:
        if not has(node, "test"):
            reading.wrong(node, path, "the key test is missing", "such as test: [CMD, wget, -qO-, http://localhost/]")
        return None
    return make(HealthCheck, test=("NONE",)) if values["test"][0] == "NONE" else make(HealthCheck, **values)


BACKOFF_FIELDS = {
    "initial": Field("initial_ms", above_zero(duration)),
    "max": Field("max_ms", above_zero(duration)),
    "reset_after": Field("reset_after_ms", above_zero(duration)),
}


def _backoff(node: Node, path: str, reading: Reading) -> Backoff | None:
    values = fields_of(node, path, reading, BACKOFF_FIELDS)
    if values is None:
        return None
    found = make(Backoff, **values)
    if found.initial_ms > found.max_ms:
        reading.wrong(node, path, "the first wait is longer than the longest one", "initial is at most max")
    return found


RESTART_POLICIES = ("no", "on-failure", "always", "unless-stopped")
_POLICY = choice(*RESTART_POLICIES, also={"false": "no", "never": "no"})

RESTART_FIELDS = {
    "policy": Field("policy", _POLICY),
    "supervisor": Field("supervisor", choice("fleet", "engine")),
    "max_attempts": Field("max_attempts", whole(0, 1_000_000)),
    "backoff": Field("backoff", _backoff),
}


def restart(node: Node, path: str, reading: Reading) -> dict[str, Any] | None:
    """A policy's name, `on-failure:5`, or a mapping; the fields that are given."""
    if isinstance(node, Mapping):
        return fields_of(node, path, reading, RESTART_FIELDS)
    found = scalar(node, path, reading, "a restart policy")
    if found is None:
        return None
    name, colon, attempts = found.text.partition(":")
    if colon and name == "on-failure" and attempts.isdecimal() and len(attempts) < 7:
        return {"policy": name, "max_attempts": int(attempts)}
    policy = _POLICY(node, path, reading)
    return None if policy is None else {"policy": policy}


def specialist_restart(node: Node, path: str, reading: Reading) -> Restart | None:
    """The same for specialists, which have no other default."""
    values = restart(node, path, reading)
    return None if values is None else make(Restart, **values)


UPDATE_FIELDS = {
    "order": Field("order", choice("stop-first", "start-first")),
    "max_unavailable": Field("max_unavailable", whole(1, 1_000)),
    "auto_revert": Field("auto_revert", boolean),
}


def update(node: Node, path: str, reading: Reading) -> Update | None:
    """How replicas are replaced."""
    values = fields_of(node, path, reading, UPDATE_FIELDS)
    return None if values is None else make(Update, **values)


_GATES: dict[str, Gate] = {
    "started": "started",
    "healthy": "healthy",
    "completed": "completed",
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}
_GATE = choice("started", "healthy", "completed", also=dict(_GATES))

CONDITION_FIELDS = {"condition": Field("condition", _GATE)}


def depends_on(node: Node, path: str, reading: Reading) -> dict[str, Gate] | None:
    """Names alone (then `started`), or a mapping of name to gate or `{condition: gate}`."""
    if isinstance(node, Mapping):
        found: dict[str, Gate] = {}
        for name, entry in node.entries.items():
            gate = _gate(entry.value, child(path, name), reading)
            if gate is not None:
                found[name] = gate
        return dict(sorted(found.items()))
    names = list_of(filled_text, single=True)(node, path, reading)
    return None if names is None else dict.fromkeys(sorted(set(names)), "started")


def _gate(node: Node, path: str, reading: Reading) -> Gate | None:
    if isinstance(node, Mapping):
        values = fields_of(node, path, reading, CONDITION_FIELDS)
        return None if values is None else values.get("condition", "started")
    return cast("Gate | None", _GATE(node, path, reading))


RESOURCES_FIELDS = {
    "cpus": Field("cpus", number(0.0, 4096.0)),
    "memory": Field("memory", size),
    "pids": Field("pids", whole(0, 4_194_304)),
}
_SMALLEST_MEMORY = 6 << 20


def resources(node: Node, path: str, reading: Reading) -> Resources | None:
    """Limits on processors, memory and processes."""
    values = fields_of(node, path, reading, RESOURCES_FIELDS)
    if values is None:
        return None
    if 0 < values.get("memory", 0) < _SMALLEST_MEMORY:
        reading.wrong(node, child(path, "memory"), "no container starts with less than 6m of memory")
    return make(Resources, **values)


_LIMIT_NAMES = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice"),
    *("nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)
_LIMIT = whole(-1, (1 << 53) - 1)
ULIMIT_FIELDS = {"soft": Field("soft", _LIMIT), "hard": Field("hard", _LIMIT)}


def ulimits(node: Node, path: str, reading: Reading) -> tuple[Ulimit, ...] | None:
    """Limits by name, one number or `{soft, hard}`; sorted by name."""
    found = mapping(node, path, reading)
    if found is None:
        return None
    limits = []
    for name, entry in found.entries.items():
        if name not in _LIMIT_NAMES:
            unknown_key(entry, name, path, reading, _LIMIT_NAMES)
            continue
        limit = _ulimit(name, entry.value, child(path, name), reading)
        if limit is not None:
            limits.append(limit)
    return tuple(sorted(limits, key=lambda limit: limit.name))


def _ulimit(name: str, node: Node, path: str, reading: Reading) -> Ulimit | None:
    if not isinstance(node, Mapping):
        value = _LIMIT(node, path, reading)
        return None if value is None else make(Ulimit, name=name, soft=value, hard=value)
    values = fields_of(node, path, reading, ULIMIT_FIELDS)
    if values is None or not (values or require(node, path, reading, "soft")):
        return None
    soft = values.get("soft", values.get("hard", 0))
    hard = values.get("hard", soft)
    if 0 <= hard < soft or (soft < 0 <= hard):
        reading.wrong(node, path, "the soft limit is above the hard one")
    return make(Ulimit, name=name, soft=soft, hard=hard)


_SIGNAL = re.compile(r"(?:SIG)?(?P<name>[A-Z]+(?:[0-9]+|[+-][0-9]+)?)|(?P<number>[0-9]{1,2})", re.IGNORECASE)


def stop_signal(node: Node, path: str, reading: Reading) -> str | None:
    """A signal by name or number, in one spelling (`SIGTERM`)."""
    import signal

    written = text(node, path, reading)
    if written is None:
        return None
    match = _SIGNAL.fullmatch(written)
    known = {found.name for found in signal.Signals}
    if match and match["number"]:
        name = next((found.name for found in signal.Signals if found.value == int(match["number"])), "")
    else:
        name = f"SIG{match['name'].upper()}" if match else ""
    if name not in known and not re.fullmatch(r"SIGRTM(?:IN\+|AX-)\d{1,2}", name):
        reading.wrong(node, path, f"{quoted(written)} is not a signal", "such as SIGTERM or SIGINT")
        return None
    return name


def is_job_policy(policy: str) -> bool:
    """Whether a container under this policy can end for good."""
    return policy in {"no", "on-failure"}

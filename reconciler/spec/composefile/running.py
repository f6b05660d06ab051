"""How a service runs: deploy, resources, restart, health, dependencies, limits."""

from __future__ import annotations

from typing import Any

from reconciler.spec.composefile.context import Context
from reconciler.spec.composefile.variables import evaluated
from reconciler.spec.tree import Mapping, Node, Scalar, child, is_null

_CONDITIONS = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}
_LIMITS = frozenset(
    [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)
_POLICIES = {"none": "no", "any": "always", "on-failure": "on-failure"}


def restart(node: Node | None, path: str, ctx: Context) -> dict[str, Any] | str:
    """The policy, left to the engine as Compose leaves it; Compose restarts nothing unless it is told to."""
    written = evaluated(node) if node is not None and not is_null(node) else "no"
    policy, _, attempts = written.partition(":")
    if policy in ("no", "false", ""):
        return "no"
    found: dict[str, Any] = {"policy": policy, "supervisor": "engine"}
    if attempts.isdecimal():
        found["max_attempts"] = int(attempts)
    if isinstance(node, Scalar) and "${" in node.text:
        ctx.notes.changed(node, path, "the policy was decided now")
    return found


def resources(entries: dict[str, Node], ctx: Context) -> dict[str, Any]:
    """Limits that stand directly in the service."""
    found: dict[str, Any] = {}
    if "cpus" in entries:
        found["cpus"] = ctx.number(entries["cpus"], "number")
    elif "cpu_quota" in entries and evaluated(entries["cpu_quota"]).isdecimal():
        period = evaluated(entries["cpu_period"]) if "cpu_period" in entries else "100000"
        found["cpus"] = int(evaluated(entries["cpu_quota"])) / int(period if period.isdecimal() else 100_000)
    if "mem_limit" in entries:
        found["memory"] = ctx.text(entries["mem_limit"])
    if "pids_limit" in entries and evaluated(entries["pids_limit"]) != "-1":
        found["pids"] = ctx.number(entries["pids_limit"])
    return found


def deploy(node: Node, path: str, out: dict[str, Any], ctx: Context) -> None:
    """`deploy:` into replicas, resources, restart and update."""
    entries = ctx.entries(node, path)
    known = {"mode", "replicas", "resources", "restart_policy", "update_config"}
    ctx.leave(entries, path, known, "it is for a cluster of machines")
    if "mode" in entries and evaluated(entries["mode"]) not in ("replicated", "replicated-job"):
        ctx.notes.dropped(entries["mode"], f"{path}.mode", "one machine has no global services; replicas count")
    if "replicas" in entries:
        out["replicas"] = ctx.number(entries["replicas"])
    if "resources" in entries:
        _deploy_resources(entries["resources"], f"{path}.resources", out, ctx)
    if "restart_policy" in entries:
        _deploy_restart(entries["restart_policy"], f"{path}.restart_policy", out, ctx)
    if "update_config" in entries:
        _deploy_update(entries["update_config"], f"{path}.update_config", out, ctx)


def _deploy_resources(node: Node, path: str, out: dict[str, Any], ctx: Context) -> None:
    entries = ctx.entries(node, path)
    ctx.leave(entries, path, {"limits"}, "reservations have no counterpart")
    limits = ctx.entries(entries["limits"], f"{path}.limits") if "limits" in entries else {}
    ctx.leave(limits, f"{path}.limits", {"cpus", "memory", "pids"})
    found = out.setdefault("resources", {})
    if "cpus" in limits:
        found["cpus"] = ctx.number(limits["cpus"], "number")
    if "memory" in limits:
        found["memory"] = ctx.text(limits["memory"])
    if "pids" in limits:
        found["pids"] = ctx.number(limits["pids"])


def _deploy_restart(node: Node, path: str, out: dict[str, Any], ctx: Context) -> None:
    """The engine restarts at once and knows no windows."""
    entries = ctx.entries(node, path)
    ctx.leave(entries, path, {"condition", "max_attempts"}, "the engine restarts at once")
    policy = _POLICIES.get(evaluated(entries["condition"]) if "condition" in entries else "any", "always")
    if policy == "no":
        out["restart"] = "no"
        return
    out["restart"] = {"policy": policy, "supervisor": "engine"}
    if "max_attempts" in entries:
        if policy == "on-failure":
            out["restart"]["max_attempts"] = ctx.number(entries["max_attempts"])
        else:
            ctx.notes.dropped(entries["max_attempts"], f"{path}.max_attempts", "the engine counts failures only")


def _deploy_update(node: Node, path: str, out: dict[str, Any], ctx: Context) -> None:
    entries = ctx.entries(node, path)
    ctx.leave(entries, path, {"order", "parallelism", "failure_action"})
    found: dict[str, Any] = {}
    if "order" in entries:
        found["order"] = ctx.text(entries["order"])
    if "parallelism" in entries and evaluated(entries["parallelism"]) != "0":
        found["max_unavailable"] = ctx.number(entries["parallelism"])
    if "failure_action" in entries and evaluated(entries["failure_action"]) == "rollback":
        found["auto_revert"] = True
    if found:
        out["update"] = found


def healthcheck(node: Node, path: str, ctx: Context) -> dict[str, Any] | None:
    """The check; timings alone change the image's own check, which cannot be said here."""
    entries = ctx.entries(node, path)
    if "disable" in entries and ctx.boolean(entries["disable"]) is not False:
        return {"disable": True}
    ctx.leave(entries, path, {"test", "interval", "timeout", "retries", "start_period", "disable"})
    if "test" not in entries or is_null(entries["test"]):
        ctx.notes.dropped(node, path, "without a test it changes the image's own check; write the test too")
        return None
    found: dict[str, Any] = {"test": ctx.command(entries["test"])}
    for key in ("interval", "timeout", "start_period"):
        if key in entries:
            found[key] = ctx.duration(entries[key])
    if "retries" in entries:
        found["retries"] = ctx.number(entries["retries"])
    return found


def depends_on(node: Node, path: str, ctx: Context) -> dict[str, str]:
    """Names with their gates."""
    found: dict[str, str] = {}
    services = ctx.section("services").entries
    for name, value in ctx.entries(node, path).items():
        below = child(path, name)
        entries = ctx.entries(value, below) if isinstance(value, Mapping) else {}
        optional = "required" in entries and ctx.boolean(entries["required"]) is False
        if name not in services:
            ctx.notes.dropped(value, below, "there is no such service" + (", and it is optional" if optional else ""))
            continue
        if "restart" in entries and ctx.boolean(entries["restart"]) is not False:
            ctx.notes.dropped(entries["restart"], f"{below}.restart", "write notify: with a handler in the other one")
        if optional:
            ctx.notes.changed(entries["required"], f"{below}.required", "what is waited for has to take part here")
        condition = evaluated(entries["condition"]) if "condition" in entries else "service_started"
        found[ctx.name("services", name)] = _CONDITIONS.get(condition, "started")
    return found


def ulimits(node: Node, path: str, ctx: Context) -> dict[str, Any]:
    """Limits by name."""
    found: dict[str, Any] = {}
    for name, value in ctx.entries(node, path).items():
        if name not in _LIMITS:
            ctx.notes.dropped(value, child(path, name), "there is no such limit here")
        elif isinstance(value, Mapping):
            found[name] = {key: ctx.number(inner) for key, inner in ctx.entries(value, path).items()}
        else:
            found[name] = ctx.number(value)
    return found

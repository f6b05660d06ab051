"""Mounts, tmpfs, configs and secrets of a service."""

from __future__ import annotations

import re
from typing import Any

from reconciler.spec.checks.allowances import mount_allowance
from reconciler.spec.composefile.context import Context
from reconciler.spec.composefile.variables import evaluated, literal
from reconciler.spec.tree import Mapping, Node, Scalar, Sequence, child

_PATHS = ("/", "./", "../", "~")
_NEEDLESS_OPTIONS = frozenset({"rw", "cached", "delegated", "consistent"})


def _items(node: Node, path: str) -> list[tuple[Node, str]]:
    items = node.items if isinstance(node, Sequence) else [node]
    return [(item, child(path, index)) for index, item in enumerate(items)]


def volumes(node: Node, path: str, service: str, ctx: Context, allow: set[str]) -> list[Any]:
    """The mounts, in the short form where that says all."""
    found = [_mount(item, below, service, ctx, allow) for item, below in _items(node, path)]
    return [mount for mount in found if mount is not None]


def _mount(node: Node, path: str, service: str, ctx: Context, allow: set[str]) -> Any:
    if isinstance(node, Mapping):
        return _long_mount(node, path, service, ctx, allow)
    parts, now = ctx.text(node).split(":"), evaluated(node).split(":")
    if len(parts) != len(now):
        # A variable holds a colon, so that only what it is now can be taken apart.
        ctx.notes.changed(node, path, "its variable holds more than a path, and was decided now")
        parts = [literal(part) for part in now]
    if len(parts) == 1:
        return f"{_anonymous(node, path, now[0], service, ctx)}:{parts[0]}"
    options = [option for option in now[2].split(",") if option] if len(now) > 2 else []
    for option in options:
        if option not in _NEEDLESS_OPTIONS and option != "ro":
            ctx.notes.dropped(node, path, f"the mount option {option} has no counterpart")
    source = Scalar(node.source, node.line, node.column, parts[0], now[0])
    return f"{_source(source, path, ctx, allow)}:{parts[1]}" + (":ro" if "ro" in options else "")


def _source(source: Scalar, path: str, ctx: Context, allow: set[str]) -> str:
    """The left side of a mount: a path relative to the fleet's file, or the name of a volume."""
    now = evaluated(source)
    if not (now.startswith(_PATHS) or now in (".", "..")):
        return ctx.name("volumes", source.text)
    real = ctx.real_path(source)
    found = mount_allowance(str(real))
    if found:
        allow.add(found)
    elif not real.exists():
        ctx.notes.changed(source, path, f"{now} is not there; Compose makes such a folder, here it has to exist")
    return ctx.path(source)


def _anonymous(node: Node, path: str, target: str, service: str, ctx: Context) -> str:
    """A name for a volume that had none, so that its data outlives its container."""
    name = f"{service}-" + (re.sub(r"[^A-Za-z0-9]+", "-", target).strip("-").lower() or "data")
    ctx.volumes[name] = {}
    ctx.notes.changed(node, path, f"the volume without a name is called {name}")
    return name


def _long_mount(node: Mapping, path: str, service: str, ctx: Context, allow: set[str]) -> Any:
    entries = ctx.entries(node, path)
    kind = evaluated(entries["type"]) if "type" in entries else "volume"
    if kind not in ("volume", "bind", "tmpfs"):
        ctx.notes.dropped(node, path, f"a mount of type {kind} has no counterpart")
        return None
    target = ctx.text(entries["target"]) if "target" in entries else ""
    ctx.leave(entries, path, {"type", "source", "target", "read_only", "bind", "volume", "tmpfs"})
    for inner in ("bind", "volume"):
        if inner in entries:
            below = ctx.entries(entries[inner], child(path, inner))
            ctx.leave(below, child(path, inner), {"create_host_path"})
    if kind == "tmpfs":
        options = ctx.entries(entries["tmpfs"], f"{path}.tmpfs") if "tmpfs" in entries else {}
        ctx.leave(options, f"{path}.tmpfs", {"size", "mode"})
        mount: dict[str, Any] = {"type": "tmpfs", "target": target}
        kept = {key: _tmpfs_value(key, value, ctx) for key, value in options.items() if key in ("size", "mode")}
        return {**mount, "tmpfs": kept} if kept else mount
    given = entries.get("source")
    if isinstance(given, Scalar):
        # A bind's path needs no ./ in the long form.
        now = evaluated(given)
        if kind == "bind" and not now.startswith(_PATHS) and now not in (".", ".."):
            given = Scalar(given.source, given.line, given.column, f"./{given.text}", f"./{now}")
        source = _source(given, path, ctx, allow)
    else:
        source = _anonymous(node, path, evaluated(entries["target"]) if "target" in entries else "", service, ctx)
    read_only = "read_only" in entries and ctx.boolean(entries["read_only"]) is not False
    return f"{source}:{target}" + (":ro" if read_only else "")


def _tmpfs_value(key: str, node: Node, ctx: Context) -> Any:
    """A mode is a number in Compose, so that `1777` in decimal digits is not what its octal digits say."""
    if key == "mode" and isinstance(node, Scalar) and isinstance(node.value, int):
        octal = node.text.startswith(("0", "0o"))
        return f"{int(node.text.removeprefix('0o'), 8) if octal else node.value:04o}"
    return ctx.text(node)


def tmpfs(node: Node, path: str, ctx: Context) -> list[str]:
    """`/run`, `/run:size=64m`; options that we do not know are noted."""
    found = []
    for item, below in _items(node, path):
        target, _, options = ctx.text(item).partition(":")
        kept = []
        for option in options.split(",") if options else ():
            if option.partition("=")[0] in ("size", "mode"):
                kept.append(option)
            elif option != "rw":
                ctx.notes.dropped(item, below, f"the tmpfs option {option} has no counterpart")
        found.append(f"{target}:{','.join(kept)}" if kept else target)
    return found


def configs(node: Node, path: str, ctx: Context) -> list[dict[str, Any]]:
    """Configs by their definition at the top of the file."""
    found = []
    for item, below in _items(node, path):
        entries = ctx.long_form(item, below, "source")
        name = evaluated(entries["source"]) if "source" in entries else ""
        content = _config_content(name, item, below, ctx)
        if content is not None:
            target = ctx.text(entries["target"]) if "target" in entries else f"/{name}"
            found.append({**content, "target": target, **_ownership(entries, below, ctx)})
    return found


def _config_content(name: str, item: Node, path: str, ctx: Context) -> dict[str, Any] | None:
    defined = ctx.section("configs").entries.get(name)
    if defined is None:
        ctx.notes.dropped(item, path, f"there is no config {name}")
        return None
    entries = ctx.entries(defined.value, child("configs", name))
    if "file" in entries:
        return {"source": ctx.path(entries["file"])}
    if "content" in entries:
        return {"content": ctx.text(entries["content"])}
    if "environment" in entries:
        template = ctx.variables.bare(evaluated(entries["environment"]), entries["environment"], path)
        if template is not None:
            return {"content": template}
    ctx.notes.dropped(item, path, f"the config {name} is external or not set here; give its file or its content")
    return None


def secrets(node: Node, path: str, ctx: Context) -> list[Any]:
    """Secrets as files. Compose makes them readable for everybody in the container, so that is said."""
    found: list[Any] = []
    for item, below in _items(node, path):
        entries = ctx.long_form(item, below, "source")
        name = ctx.name("secrets", evaluated(entries["source"]) if "source" in entries else "")
        if name not in ctx.secrets:
            ctx.notes.dropped(item, below, f"there is no secret {name} that could be read here")
            continue
        written = {"source": name}
        if "target" in entries:
            written["target"] = ctx.text(entries["target"])
        elif name != evaluated(entries["source"]):
            written["target"] = evaluated(entries["source"])
        found.append({**written, "mode": "0444", **_ownership(entries, below, ctx)})
    return found


def _ownership(entries: dict[str, Node], path: str, ctx: Context) -> dict[str, Any]:
    ctx.leave(entries, path, {"source", "target", "uid", "gid", "mode"})
    found: dict[str, Any] = {key: ctx.number(entries[key]) for key in ("uid", "gid") if key in entries}
    if "mode" in entries:
        found["mode"] = _mode(entries["mode"])
    return found


def _mode(node: Node) -> str:
    """Permission bits as octal digits. YAML 1.1 and Compose read 0440 as octal and 440 as decimal."""
    text = evaluated(node)
    digits = text.removeprefix("0o")
    if text.startswith("0") or not text.isdecimal() or (isinstance(node, Scalar) and not node.plain):
        return f"{int(digits, 8):04o}" if digits and not set(digits) - set("01234567") else text
    return f"{int(text):04o}"

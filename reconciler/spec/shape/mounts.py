"""Volumes, binds and tmpfs: `data:/var/lib/x`, `./web:/srv:ro`, `tmpfs:`, and the long form."""

from __future__ import annotations

import os
from typing import Any

from reconciler.spec.desired import Mount, make
from reconciler.spec.reading import Field, Reading, boolean, choice, filled_text, size, text
from reconciler.spec.shape.names import NAME
from reconciler.spec.structures import absolute_path, fields_of, has, list_of, require
from reconciler.spec.tree import Mapping, Node, Scalar
from reconciler.spec.wording import quoted

_PATH_BEGINNINGS = ("/", "./", "../", "~/")
_EXAMPLES = "such as data:/var/lib/data, ./web:/srv:ro or /etc/x:/etc/x"


def is_path(source: str) -> bool:
    """Whether the left side of a short mount is a path on this machine, not a volume's name."""
    return source.startswith(_PATH_BEGINNINGS) or source in {".", "..", "~"}


def target(node: Node, path: str, reading: Reading) -> str | None:
    """A path inside the container: absolute, in one spelling."""
    found = filled_text(node, path, reading)
    return None if found is None else _inside(found, node, path, reading)


def _inside(written: str, node: Node, path: str, reading: Reading) -> str | None:
    if not written.startswith("/"):
        reading.wrong(node, path, f"{quoted(written)} is not an absolute path inside the container")
        return None
    return "/" + os.path.normpath(written).lstrip("/")


def octal_mode(node: Node, path: str, reading: Reading) -> int | None:
    """Permission bits: digits are octal however they are written (`0440`, `440`, `"0440"`, `0o440`)."""
    written = text(node, path, reading)
    if written is None:
        return None
    digits = written.removeprefix("0o")
    if not digits or set(digits) - set("01234567") or int(digits, 8) > 0o7777:
        reading.wrong(node, path, f"{quoted(written)} are not permission bits", "such as 0440, read as octal")
        return None
    return int(digits, 8)


def volumes(node: Node, path: str, reading: Reading) -> list[tuple[Mount, Node, str]] | None:
    """The mounts under `volumes:`, each with its node and path, for the checks that need the whole file."""
    return list_of(_volume)(node, path, reading)


def tmpfs(node: Node, path: str, reading: Reading) -> list[tuple[Mount, Node, str]] | None:
    """The mounts under `tmpfs:`, `/run` or `/run:size=64m,mode=1777`."""
    return list_of(_tmpfs, single=True)(node, path, reading)


def _volume(node: Node, path: str, reading: Reading) -> tuple[Mount, Node, str] | None:
    if isinstance(node, Mapping):
        return _long(node, path, reading)
    written = text(node, path, reading)
    if written is None:
        return None
    source, colon, rest = written.partition(":")
    inside, _, options = rest.partition(":")
    if not colon or not source or not inside:
        hint = "give the volume a name: name:/path" if written.startswith("/") else _EXAMPLES
        reading.wrong(node, path, f"{quoted(written)} is not a mount", hint)
        return None
    for option in options.split(",") if options else ():
        if option not in {"ro", "rw"}:
            reading.wrong(node, path, f"the mount option {quoted(option)} is not known", "known: ro, rw")
            return None
    return _made("", source, inside, "ro" in options.split(","), node, path, reading)


def _made(
    kind: str, source: str, inside: str, read_only: bool, node: Node, path: str, reading: Reading
) -> tuple[Mount, Node, str] | None:
    goal = _inside(inside, node, path, reading)
    if goal is None:
        return None
    if kind == "bind" or (not kind and is_path(source)):
        full = absolute_path(source, node, reading)
        return make(Mount, kind="bind", target=goal, source=full, read_only=read_only), node, path
    if not NAME.fullmatch(source):
        hint = f"a path begins with ./ or /: ./{source}" if "/" in source else ""
        reading.wrong(node, path, f"{quoted(source)} is not a volume's name", hint)
        return None
    return make(Mount, kind="volume", target=goal, source=source, read_only=read_only), node, path


def _tmpfs(node: Node, path: str, reading: Reading) -> tuple[Mount, Node, str] | None:
    written = filled_text(node, path, reading)
    if written is None:
        return None
    inside, _, options = written.partition(":")
    goal = _inside(inside, node, path, reading)
    values: dict[str, Any] = {}
    for option in options.split(",") if options else ():
        name, _, value = option.partition("=")
        if name not in {"size", "mode"}:
            reading.wrong(node, path, f"the tmpfs option {quoted(name)} is not known", "known: size, mode")
            continue
        part = Scalar(node.source, node.line, node.column, value, value)
        values[name] = (size if name == "size" else octal_mode)(part, path, reading)
    if goal is None or None in values.values():
        return None
    return make(Mount, kind="tmpfs", target=goal, **values), node, path


TMPFS_FIELDS = {"size": Field("size", size), "mode": Field("mode", octal_mode)}


def _tmpfs_options(node: Node, path: str, reading: Reading) -> dict[str, Any] | None:
    return fields_of(node, path, reading, TMPFS_FIELDS)


MOUNT_FIELDS = {
    "type": Field("kind", choice("volume", "bind", "tmpfs")),
    "source": Field("source", filled_text),
    "target": Field("target", target),
    "read_only": Field("read_only", boolean),
    "tmpfs": Field("tmpfs", _tmpfs_options),
}


def _long(node: Mapping, path: str, reading: Reading) -> tuple[Mount, Node, str] | None:
    values = fields_of(node, path, reading, MOUNT_FIELDS)
    if values is None or not require(node, path, reading, "target") or "target" not in values:
        return None
    source = values.get("source", "")
    kind = values.get("kind") or ("bind" if is_path(source) else "volume")
    if kind == "tmpfs":
        if source:
            reading.wrong(node, path, "a tmpfs has no source")
        options = values.get("tmpfs", {})
        return make(Mount, kind="tmpfs", target=values["target"], **options), node, path
    if "tmpfs" in values:
        reading.wrong(node, path, f"tmpfs options have no meaning for a {kind}", "write type: tmpfs")
    if not source:
        if not has(node, "source"):
            reading.wrong(node, path, f"a {kind} needs a source")
        return None
    return _made(kind, source, values["target"], values.get("read_only", False), node, path, reading)

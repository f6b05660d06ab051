"""Configs and secrets as files inside the container, and image builds: what a service names on disk."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from reconciler.spec.contents import file_digest
from reconciler.spec.desired import Build, FileContent, SecretFile, make
from reconciler.spec.reading import Field, Reading, any_text, filled_text, text, whole
from reconciler.spec.shape.environment import arguments
from reconciler.spec.shape.mounts import octal_mode, target
from reconciler.spec.source import Unreadable, content_digest, shown_path
from reconciler.spec.structures import fields_of, file_path, has, list_of, require
from reconciler.spec.tree import Mapping, Node, Scalar
from reconciler.spec.wording import quoted

SECRETS_FOLDER = "/run/secrets"
MAX_ID = (1 << 32) - 2

CONFIG_FIELDS = {
    "source": Field("source", file_path),
    "content": Field("content", any_text),
    "target": Field("target", target),
    "mode": Field("mode", octal_mode),
    "uid": Field("uid", whole(0, MAX_ID)),
    "gid": Field("gid", whole(0, MAX_ID)),
}


def configs(node: Node, path: str, reading: Reading) -> list[tuple[FileContent, Node, str]] | None:
    """Config files, each with its node and path for the checks of targets."""
    return list_of(_config)(node, path, reading)


def _config(node: Node, path: str, reading: Reading) -> tuple[FileContent, Node, str] | None:
    if not isinstance(node, Mapping):
        return _short_config(node, path, reading)
    values = fields_of(node, path, reading, CONFIG_FIELDS)
    if values is None or not require(node, path, reading, "target"):
        return None
    if has(node, "source") == has(node, "content"):
        reading.wrong(node, path, "a config has either a source (a file) or a content (text)")
        return None
    return _with_digest(values, node, path, reading) if "target" in values else None


def _short_config(node: Node, path: str, reading: Reading) -> tuple[FileContent, Node, str] | None:
    written = text(node, path, reading)
    if written is None:
        return None
    source, colon, inside = written.partition(":")
    if not colon or not source or not inside.startswith("/"):
        reading.wrong(node, path, f"{quoted(written)} is not a config", "such as ./web.conf:/etc/web.conf")
        return None
    part = Scalar(node.source, node.line, node.column, source, source)
    goal = Scalar(node.source, node.line, node.column, inside, inside)
    values = {"source": file_path(part, path, reading), "target": target(goal, path, reading)}
    return _with_digest(values, node, path, reading) if all(values.values()) else None


def _with_digest(
    values: dict[str, Any], node: Node, path: str, reading: Reading
) -> tuple[FileContent, Node, str] | None:
    if "content" in values:
        return make(FileContent, **values, digest=content_digest(values["content"].encode())), node, path
    if "source" not in values:
        return None
    digest = ""
    if reading.looks:
        source = Path(values["source"])
        try:
            digest = file_digest(source)
        except Unreadable as error:
            hint = "mount a folder under volumes" if source.is_dir() else ""
            reading.wrong(node, path, f"the config {shown_path(source)} {error}", hint)
            return None
        reading.inputs.content(source, digest)
    return make(FileContent, **values, digest=digest), node, path


def secret_target(node: Node, path: str, reading: Reading) -> str | None:
    """Where a secret's file goes; a name alone is a file under `/run/secrets`."""
    written = filled_text(node, path, reading)
    if written is None:
        return None
    full = posixpath.normpath(posixpath.join(SECRETS_FOLDER, written))
    return "/" + full.lstrip("/")


SECRET_FILE_FIELDS = {
    "source": Field("secret", filled_text),
    "target": Field("target", secret_target),
    "mode": Field("mode", octal_mode),
    "uid": Field("uid", whole(0, MAX_ID)),
    "gid": Field("gid", whole(0, MAX_ID)),
}


def secret_files(node: Node, path: str, reading: Reading) -> list[tuple[SecretFile, Node, str]] | None:
    """Secrets as files, each with its node and path."""
    return list_of(_secret_file)(node, path, reading)


def _secret_file(node: Node, path: str, reading: Reading) -> tuple[SecretFile, Node, str] | None:
    if isinstance(node, Mapping):
        values = fields_of(node, path, reading, SECRET_FILE_FIELDS)
        if values is None or not require(node, path, reading, "source") or "secret" not in values:
            return None
    else:
        written = filled_text(node, path, reading)
        if written is None:
            return None
        values = {"secret": written}
    values.setdefault("target", f"{SECRETS_FOLDER}/{values['secret']}")
    return make(SecretFile, **values), node, path


BUILD_FIELDS = {
    "context": Field("context", file_path),
    "containerfile": Field("containerfile", filled_text),
    "dockerfile": Field("containerfile", filled_text),
    "args": Field("args", arguments),
    "target": Field("target", filled_text),
}


def build(node: Node, path: str, reading: Reading) -> Build | None:
    """An image build: a folder, or a mapping with its options."""
    if isinstance(node, Mapping):
        values = fields_of(node, path, reading, BUILD_FIELDS)
        if values is None or not require(node, path, reading, "context") or "context" not in values:
            return None
        if has(node, "containerfile") and has(node, "dockerfile"):
            reading.wrong(node, path, "containerfile and dockerfile are the same key; write one of them")
    else:
        context = file_path(node, path, reading)
        if context is None:
            return None
        values = {"context": context}
    digest = ""
    if reading.looks:
        context_path = Path(values["context"])
        try:
            digest = reading.inputs.context(context_path, values.get("containerfile", ""))
        except Unreadable as error:
            reading.wrong(node, path, f"the build context {shown_path(context_path)} {error}")
            return None
    return make(Build, digest=digest, **values)

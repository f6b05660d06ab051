"""What a loaded fleet depends on, as a document, and the check whether any of it has changed.

A loop that runs every half minute should not parse a file that is as it was. The document names every file with its
digest, places where a file would be looked for, listings, environment variables, the command's own options, config files,
env files, build contexts and secrets. No value is in it, only digests; those of what may be secret are keyed. Paths are
relative to the project where they lie in it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.errors import FleetError
from reconciler.spec.contents import (
    context_digest,
    context_members,
    context_stamp,
    file_digest,
    newest_change,
    values_digest,
)
from reconciler.spec.desired import SecretSource
from reconciler.spec.env_files import read_env_file
from reconciler.spec.secrets import keyed_digest, resolve
from reconciler.spec.source import MAX_FILE_BYTES, Unreadable, content_digest, read_regular

SCHEME = 1
# A file written this shortly before it was looked at could be written again without any of its times changing.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a file is to be read.

    Attributes:
        env: the overlay's name; empty for none.
        variables: values given on the command line.
        var_files: YAML files of variables' values; of two with one name the later one holds.
        profiles: the active ones.
        environ: the environment.
        key: the key of digests of secret values; empty means that none are made.
    """

    env: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    var_files: tuple[Path, ...] = ()
    profiles: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    key: bytes = b""


def settled(file: Path, project: Path) -> tuple[Path, Path]:
    """File and project without symbolic links above them, so that one project is one however people come to it."""
    return Path(os.path.realpath(file.parent)) / file.name, Path(os.path.realpath(project))


class Inputs:
    """Collects what a load looked at."""

    def __init__(self, file: Path, project: Path, options: LoadOptions) -> None:
        self._project = project
        self._options = options
        self._head = _head(file, project, options)
        self.files: dict[str, str] = {}
        self._globs: dict[str, str] = {}
        self._environ: dict[str, str] = {}
        self._contents: dict[str, str] = {}
        self._env_files: dict[str, str] = {}
        self._contexts: dict[str, dict[str, str]] = {}
        self._links: dict[str, str] = {}
        self._secrets: dict[str, dict[str, Any]] = {}

    def file(self, path: Path, digest: str) -> None:
        """A YAML file that was read; an empty digest for one that was looked for and is not there."""
        self.files[_relative(path, self._project)] = digest

    def listing(self, pattern: str, matches: list[str]) -> None:
        """What a pattern of an include matched."""
        self._globs[_relative(Path(pattern), self._project)] = _listing_digest(matches)

    def variable(self, name: str) -> str | None:
        """An environment variable, from now on one of the inputs."""
        value = self._options.environ.get(name)
        self._environ[name] = _text_digest(value)
        return value

    def content(self, path: Path, digest: str) -> None:
        """A config file that was read."""
        self._contents[_relative(path, self._project)] = digest

    def env_file(self, path: Path, digest: str) -> None:
        """An env file that was read; the digest is keyed."""
        self._env_files[_relative(path, self._project)] = digest

    def context(self, context: Path, containerfile: str) -> str:
        """The digest of a build context.

        Raises:
            Unreadable: when it cannot be listed or read.
        """
        name = f"{_relative(context, self._project)}:{containerfile}"
        if name in self._contexts:
            return self._contexts[name]["digest"]
        members = context_members(context, containerfile)
        digest = context_digest(members)
        settled = newest_change(members) < time.time_ns() - _SETTLED_NS
        self._contexts[name] = {"digest": digest, "stamp": context_stamp(members) if settled else ""}
        return digest

    def link(self, path: str) -> str:
        """Where a path really leads."""
        real = os.path.realpath(path)
        self._links[_relative(Path(path), self._project)] = real
        return real

    def secret(self, source: SecretSource) -> None:
        """A secret with its keyed digest, which is empty when it did not resolve."""
        self._secrets[source.name] = {
            "env": source.env,
            "file": source.file,
            "command": list(source.command),
            "digest": source.digest,
        }

    def document(self) -> dict[str, Any]:
        """Everything collected, as JSON, in a fixed order."""
        parts: dict[str, dict[str, Any]] = {
            "files": self.files,
            "globs": self._globs,
            "environ": self._environ,
            "contents": self._contents,
            "env_files": self._env_files,
            "contexts": self._contexts,
            "links": self._links,
            "secrets": self._secrets,
        }
        return {**self._head, **{name: dict(sorted(part.items())) for name, part in parts.items() if part}}


def unchanged(inputs: dict[str, Any], *, file: Path, project: Path, options: LoadOptions) -> bool:
    """Whether loading now would give what it gave when these inputs were recorded.

    Looks and hashes only; nothing is parsed except env files. False whenever there is doubt.
    """
    file, project = settled(file, project)
    head = _head(file, project, options)
    if any(inputs.get(name) != value for name, value in head.items()):
        return False
    checks: dict[str, Callable[[str, Any], bool]] = {
        "environ": lambda name, digest: _text_digest(options.environ.get(name)) == digest,
        "files": lambda name, digest: _file_now(project / name) == digest,
        "globs": lambda name, digest: _listing_now(project / name) == digest,
        "contents": lambda name, digest: _digest_now(file_digest, project / name) == digest,
        "links": lambda name, real: os.path.realpath(project / name) == real,
        "env_files": lambda name, digest: bool(digest) and _env_file_now(project / name, options.key) == digest,
        "contexts": lambda name, found: _context_is_same(name, found, project),
        "secrets": lambda name, found: _secret_is_same(name, found, project, options),
    }
    try:
        return all(check(name, value) for part, check in checks.items() for name, value in inputs.get(part, {}).items())
    except (AttributeError, KeyError, TypeError, ValueError):
        # A document of another shape was written by another release: load.
        return False


def _head(file: Path, project: Path, options: LoadOptions) -> dict[str, Any]:
    """What is the same for every file: this software, and the command's own options."""
    given = [sorted(options.variables.items()), [os.path.abspath(path) for path in options.var_files]]
    return {
        "scheme": SCHEME,
        "software": __version__,
        "file": _relative(file, project),
        "env": options.env,
        "profiles": sorted(set(options.profiles)),
        "given": hashlib.sha256(repr(given).encode("utf-8", "surrogatepass")).hexdigest()[:32],
        "keyed": bool(options.key),
    }


def _relative(path: Path, project: Path) -> str:
    try:
        return str(path.relative_to(project))
    except ValueError:
        return str(path)


def _text_digest(value: str | None) -> str:
    return "" if value is None else hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def list_pattern(pattern: str) -> list[str]:
    """The paths that a pattern of an include matches, sorted; `**` matches folders below."""
    import glob

    return sorted(glob.glob(pattern, recursive=True))


def _listing_digest(matches: list[str]) -> str:
    return hashlib.sha256(os.fsencode("\0".join(matches))).hexdigest()[:32]


def _listing_now(pattern: Path) -> str:
    return _listing_digest(list_pattern(str(pattern)))


def _digest_now(digest: Callable[[Path], str], path: Path) -> str:
    try:
        return digest(path)
    except Unreadable:
        return ""


def _file_now(path: Path) -> str:
    return _digest_now(lambda found: content_digest(read_regular(found, limit=MAX_FILE_BYTES, commanding=True)), path)


def _env_file_now(path: Path, key: bytes) -> str:
    try:
        return values_digest(read_env_file(path), key)
    except FleetError:
        return ""


def _context_is_same(name: str, found: dict[str, str], project: Path) -> bool:
    context, _, containerfile = name.rpartition(":")
    try:
        members = context_members(project / context, containerfile)
        return context_stamp(members) == found["stamp"] or context_digest(members) == found["digest"]
    except Unreadable:
        return False


def _secret_is_same(name: str, found: dict[str, Any], project: Path, options: LoadOptions) -> bool:
    source = SecretSource(name=name, env=found["env"], file=found["file"], command=tuple(found["command"]))
    digest, _ = secret_digest(source, project=project, environ=options.environ, key=options.key)
    return bool(digest == found["digest"])


def secret_digest(
    source: SecretSource, *, project: Path, environ: Mapping[str, str], key: bytes
) -> tuple[str, FleetError | None]:
    """The keyed digest of a secret and, when there is none, why. Without a key nothing is looked up."""
    if not key:
        return "", None
    try:
        return keyed_digest(resolve(source, project=project, environ=environ), key), None
    except FleetError as error:
        return "", error

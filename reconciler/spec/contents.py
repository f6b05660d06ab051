"""Digests of what the file names but does not hold: config files, env files and build contexts.

A build context's digest covers every file that its ignore file lets through: path, executable bit and content; of a
symbolic link its target, which is never followed. Owners and times do not count, nor does the order in which the file
system lists. `.git` is left out always: every git command changes it and no image should hold it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from reconciler.spec.secrets import keyed_digest
from reconciler.spec.source import MAX_CONTENT_BYTES, Unreadable, content_digest, read_regular

IGNORE_FILES = (".containerignore", ".dockerignore")
CONTAINERFILES = ("Containerfile", "Dockerfile")

_CHUNK = 1 << 20


def file_digest(path: Path) -> str:
    """`sha256:…` of a config file.

    Raises:
        Unreadable: when it is missing, not a regular file or too large.
    """
    return content_digest(read_regular(path, limit=MAX_CONTENT_BYTES))


def values_digest(values: Mapping[str, str], key: bytes) -> str:
    """The keyed digest of an env file's values: comments, order and quoting change nothing."""
    return keyed_digest(msgspec.json.encode(dict(values), order="sorted"), key)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a build context: its path inside, and what the directory says of it."""

    path: str
    full: str
    status: os.stat_result


def context_members(context: Path, containerfile: str = "") -> list[Member]:
    """The files that a build may see, sorted by path, the container file among them.

    Raises:
        Unreadable: when the context is no folder or cannot be listed.
    """
    if not context.is_dir():
        raise Unreadable("is not there" if not context.exists() else "is not a folder")
    ignored = _Ignored(context)
    members = {member.path: member for member in _listed(context, ignored)}
    for name in (containerfile,) if containerfile else CONTAINERFILES:
        full = os.path.normpath(os.path.join(context, name))
        try:
            members.setdefault(name, Member(name, full, os.stat(full)))
        except (OSError, ValueError):
            if containerfile:
                raise Unreadable(f"has no container file {containerfile}") from None
    if not containerfile and not any(name in members for name in CONTAINERFILES):
        raise Unreadable("has neither a Containerfile nor a Dockerfile")
    return [members[path] for path in sorted(members)]


def _listed(context: Path, ignored: _Ignored) -> Iterator[Member]:
    folders = [("", str(context))]
    while folders:
        prefix, folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise Unreadable(f"cannot be listed: {error.strerror}") from None
        for entry in entries:
            path = prefix + entry.name
            if entry.name == ".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                if not ignored.whole_folder(path):
                    folders.append((path + "/", entry.path))
            elif not ignored.match(path):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                    yield Member(path, entry.path, status)


def context_digest(members: list[Member]) -> str:
    """`sha256:…` over paths, executable bits and contents.

    Raises:
        Unreadable: when a file cannot be read.
    """
    total = hashlib.sha256()
    for member in members:
        mode = member.status.st_mode
        try:
            if stat.S_ISLNK(mode):
                kind, body = b"l", hashlib.sha256(os.fsencode(os.readlink(member.full))).digest()
            else:
                kind, body = b"x" if mode & 0o100 else b"f", _hash_file(member.full)
        except OSError as error:
            raise Unreadable(f"holds {member.path}, which cannot be read: {error.strerror}") from None
        total.update(os.fsencode(member.path) + b"\0" + kind + body)
    return f"sha256:{total.hexdigest()}"


def context_stamp(members: list[Member]) -> str:
    """A digest of what the directories say (sizes, times, inodes): equal stamps mean that nothing was written."""
    stamp = hashlib.sha256()
    for member in members:
        found = member.status
        facts = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_mode)
        stamp.update(os.fsencode(member.path) + repr(facts).encode())
    return stamp.hexdigest()[:32]


def newest_change(members: list[Member]) -> int:
    """Nanoseconds of the last change of any of these files; 0 for none."""
    return max((max(member.status.st_mtime_ns, member.status.st_ctime_ns) for member in members), default=0)


def _hash_file(path: str) -> bytes:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0, opener=_without_blocking) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


class _Ignored:
    """The patterns of a context's ignore file; of those that match a path the last one decides."""

    def __init__(self, context: Path) -> None:
        self._patterns: list[tuple[re.Pattern[str], bool]] = []
        for name in IGNORE_FILES:
            try:
                data = read_regular(context / name, limit=MAX_CONTENT_BYTES)
            except Unreadable:
                continue
            self._patterns = list(_patterns(data.decode("utf-8", "replace")))
            break
        self._brings_back = any(negated for _, negated in self._patterns)

    def match(self, path: str) -> bool:
        ignored = False
        for pattern, negated in self._patterns:
            if ignored == negated and pattern.match(path):
                ignored = not negated
        return ignored

    def whole_folder(self, path: str) -> bool:
        """Whether nothing below this folder can be let through."""
        return not self._brings_back and self.match(path)


def _patterns(text: str) -> Iterator[tuple[re.Pattern[str], bool]]:
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        negated = line.startswith("!")
        line = line.removeprefix("!").strip()
        cleaned = os.path.normpath(line).lstrip("/") if line else ""
        if cleaned and cleaned != ".":
            yield re.compile(_as_regex(cleaned)), negated


def _as_regex(pattern: str) -> str:
    """A pattern of an ignore file as a regular expression that also matches everything below what it names."""
    regex = ""
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        if pattern.startswith("**/", at):
            regex += "(?:[^/]+/)*"
            at += 3
            continue
        if pattern.startswith("**", at):
            regex += ".*"
            at += 2
            continue
        closing = pattern.find("]", at + 2) if sign == "[" else -1
        if sign == "*":
            regex += "[^/]*"
        elif sign == "?":
            regex += "[^/]"
        elif closing > 0:
            inner = pattern[at + 1 : closing].replace("\\", "\\\\").replace("[", "\\[")
            regex += f"[{'^' + inner[1:] if inner[:1] in {'^', '!'} else inner}]"
            at = closing
        elif sign == "\\" and at + 1 < len(pattern):
            at += 1
            regex += re.escape(pattern[at])
        else:
            regex += re.escape(sign)
        at += 1
    return f"{regex}(?:/.*)?\\Z"

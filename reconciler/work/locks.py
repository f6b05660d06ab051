"""CTK: reservations of files, so that two specialists never edit the same one at once.

Paths are normalised before they are compared, and a glob overlaps with everything that it could match. A lock ends when
its holder releases it, when its time-out is over, or when its holder is gone.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from reconciler.events.envelope import NewEvent
from reconciler.work.refusals import AlreadyEnded, InputRefused, LockConflict, WrongHolder
from reconciler.work.state import FileLock, iso

DEFAULT_TIMEOUT_MS = 30_000
Purpose = Literal["edit", "read", "delete"]
ReleaseReason = Literal["explicit", "timeout", "crash"]
_PURPOSES = ("edit", "read", "delete")
_WILD = frozenset("*?[")


def normalize(path: str, root: str = "") -> str:
    """One spelling for one file: POSIX separators, no `.` or `..`, relative to the project where it lies inside.

    A trailing slash means everything below that folder.

    Args:
        root: the project's absolute path; empty leaves absolute paths as they are.

    Raises:
        InputRefused: an empty path, or one that leads out of the project.
    """
    text = unicodedata.normalize("NFC", path.strip()).replace("\\", "/")
    if not text or "\0" in text:
        raise InputRefused(f"{path!r} is no path of a file")
    folder = text.endswith("/")
    clean = posixpath.normpath(text)
    if clean.startswith("//"):
        clean = clean[1:]
    base = posixpath.normpath(root.replace("\\", "/")) if root else ""
    if base and (clean == base or clean.startswith(base.rstrip("/") + "/")):
        clean = posixpath.relpath(clean, base)
    if clean == ".." or clean.startswith("../"):
        raise InputRefused(f"{path!r} leads out of the project")
    if folder or clean == ".":
        clean = "**" if clean == "." else f"{clean.rstrip('/')}/**"
    return clean


def is_glob(path: str) -> bool:
    """Whether a normalised path stands for more than one file."""
    return not _WILD.isdisjoint(path)


@lru_cache(maxsize=4096)
def overlaps(one: str, other: str) -> bool:
    """Whether there is a file that both normalised paths or globs match.

    A bracketed set of characters counts as any character, so the answer errs towards a conflict.
    """
    if one == other:
        return True
    if not is_glob(one) and not is_glob(other):
        return False
    return _segments_meet(tuple(one.split("/")), tuple(other.split("/")))


def _segments_meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two lists of segments, in which `**` is any number of them, match a common path."""
    seen: set[tuple[int, int]] = set()
    todo = [(0, 0)]
    while todo:
        i, j = todo.pop()
        if (i, j) in seen:
            continue
        seen.add((i, j))
        if i == len(one) and j == len(other):
            return True
        left, right = one[i] if i < len(one) else None, other[j] if j < len(other) else None
        if left == "**":
            todo.append((i + 1, j))
            if right is not None:
                todo.append((i, j + 1))
        if right == "**":
            todo.append((i, j + 1))
            if left is not None:
                todo.append((i + 1, j))
        if left not in (None, "**") and right not in (None, "**") and _words_meet(str(left), str(right)):
            todo.append((i + 1, j + 1))
    return False


def _tokens(segment: str) -> tuple[str, ...]:
    """The characters of a segment, with a bracketed set as `?`."""
    tokens: list[str] = []
    index = 0
    while index < len(segment):
        end = segment.find("]", index + 2) if segment[index] == "[" else -1
        tokens.append("?" if end > 0 else segment[index])
        index = end + 1 if end > 0 else index + 1
    return tuple(tokens)


def _words_meet(one: str, other: str) -> bool:
    """Whether two segments with `*` and `?` match a common name."""
    if one == other:
        return True
    left, right = _tokens(one), _tokens(other)
    row = [True] + [False] * len(right)
    for j, token in enumerate(right):
        row[j + 1] = row[j] and token == "*"
    for token in left:
        below = [row[0] and token == "*"]
        for j, facing in enumerate(right):
            if token == "*" or facing == "*":
                below.append(row[j + 1] or below[j])
            else:
                below.append(row[j] and (token == facing or "?" in (token, facing)))
        row = below
    return row[-1]


def holding(locks: Iterable[FileLock], path: str, now_ms: int | None = None) -> tuple[FileLock, ...]:
    """Active locks that overlap with a normalised path; with a time, only those whose time-out is not over."""
    return tuple(
        lock
        for lock in locks
        if lock.status == "active"
        and (now_ms is None or lock.expires_at > now_ms)
        and overlaps(lock.normalized_path, path)
    )


def reserve(
    lock_id: str,
    path: str,
    specialist_id: str,
    locks: Sequence[FileLock],
    *,
    now_ms: int,
    purpose: Purpose = "edit",
    timeout_ms: int = DEFAULT_TIMEOUT_MS,
    checksum: str | None = None,
    root: str = "",
) -> list[NewEvent]:
    """Reserve a path or glob; a specialist that holds exactly this path already prolongs its lock.

    Locks in the way whose time-out is over are released first and recorded as stale.

    Args:
        locks: the active locks.

    Raises:
        InputRefused: a malformed path, an unknown purpose, or a time-out that is not positive.
        LockConflict: somebody else holds an overlapping path; carries `ctk_conflict`.
    """
    if purpose not in _PURPOSES:
        raise InputRefused(f"{purpose!r} is no purpose of a lock", hint=", ".join(_PURPOSES))
    if isinstance(timeout_ms, bool) or timeout_ms <= 0:
        raise InputRefused(f"a lock's time-out is a positive number of milliseconds, not {timeout_ms}")
    if not specialist_id:
        raise InputRefused("a lock needs a specialist")
    normalized = normalize(path, root)
    events: list[NewEvent] = []
    own: FileLock | None = None
    for lock in holding(locks, normalized):
        if lock.expires_at <= now_ms:
            if lock.reserved_by != specialist_id:
                events.append(_conflict(path, specialist_id, lock, "stale_lock", now_ms))
            events.append(released_event(lock, "timeout", now_ms))
        elif lock.reserved_by != specialist_id:
            raise LockConflict(
                f"{path} is held by {lock.reserved_by} until {iso(lock.expires_at)}",
                lock_id=lock.id,
                holder=lock.reserved_by,
                expires_at=lock.expires_at,
                hint="wait for its release, or work on something else",
                record=[_conflict(path, specialist_id, lock, "concurrent_edit", now_ms)],
            )
        elif lock.normalized_path == normalized:
            own = lock
    data: dict[str, Any] = {
        "lock_id": own.id if own else lock_id,
        "file_path": path,
        "normalized_path": normalized,
        "specialist_id": specialist_id,
        "purpose": purpose,
        "timeout_ms": timeout_ms,
    }
    if checksum:
        data["checksum"] = checksum
    return [*events, NewEvent("ctk_reserved", "ctk", data["lock_id"], data, occurred_at=now_ms)]


def release(
    lock: FileLock,
    specialist_id: str,
    *,
    now_ms: int,
    force: bool = False,
    final_checksum: str | None = None,
) -> list[NewEvent]:
    """Give a reservation back. A file that was only to be read and has changed is recorded as a conflict.

    Args:
        force: an operator's release of somebody else's lock.

    Raises:
        AlreadyEnded: it is not active.
        WrongHolder: somebody else holds it.
    """
    if lock.status != "active":
        raise AlreadyEnded(f"lock {lock.id} on {lock.file_path} is {lock.status} already")
    if lock.reserved_by != specialist_id and not force:
        raise WrongHolder(f"lock {lock.id} on {lock.file_path} is held by {lock.reserved_by}, not by {specialist_id}")
    events = [released_event(lock, "explicit", now_ms, final_checksum)]
    if lock.purpose == "read" and lock.checksum and final_checksum and lock.checksum != final_checksum:
        events.insert(0, _conflict(lock.file_path, specialist_id, lock, "checksum_mismatch", now_ms))
    return events


def released_event(lock: FileLock, reason: ReleaseReason, now_ms: int, final_checksum: str | None = None) -> NewEvent:
    """The end of a lock."""
    data = {
        "lock_id": lock.id,
        "file_path": lock.file_path,
        "specialist_id": lock.reserved_by,
        "release_reason": reason,
    }
    if final_checksum:
        data["final_checksum"] = final_checksum
    return NewEvent("ctk_released", "ctk", lock.id, data, occurred_at=now_ms)


def expire(lock: FileLock, *, now_ms: int) -> list[NewEvent]:
    """Release a lock whose time-out is over; nothing when it still holds."""
    if lock.status != "active" or lock.expires_at > now_ms:
        return []
    return [released_event(lock, "timeout", now_ms)]


def _conflict(path: str, requester: str, lock: FileLock, kind: str, now_ms: int) -> NewEvent:
    data = {
        "file_path": path,
        "requesting_specialist": requester,
        "holding_specialist": lock.reserved_by,
        "existing_lock_id": lock.id,
        "conflict_type": kind,
    }
    return NewEvent("ctk_conflict", "ctk", lock.id, data, occurred_at=now_ms)


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Specialists that wait for each other in a circle; each wants the path beside it, which the next one holds."""

    specialists: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def text(self) -> str:
        """The circle in a sentence."""
        steps = [
            f"{who} waits for {path} of {self.specialists[(index + 1) % len(self.specialists)]}"
            for index, (who, path) in enumerate(zip(self.specialists, self.paths, strict=True))
        ]
        return "deadlock: " + ", ".join(steps)


def deadlocks(wanted: Mapping[str, Sequence[str]], locks: Sequence[FileLock], now_ms: int) -> tuple[Deadlock, ...]:
    """Circles of specialists that wait for each other's files, each named once, from its smallest id on.

    Args:
        wanted: specialist to the normalised paths that it waits for.
    """
    waits: dict[str, dict[str, str]] = {}
    for who in sorted(wanted):
        for path in wanted[who]:
            for lock in holding(locks, path, now_ms):
                if lock.reserved_by != who:
                    waits.setdefault(who, {}).setdefault(lock.reserved_by, path)
    found: list[Deadlock] = []
    settled: set[str] = set()
    for first in waits:
        for circle in _circles(waits, first, settled):
            start = circle.index(min(circle))
            circle = circle[start:] + circle[:start]
            paths = tuple(waits[who][circle[(i + 1) % len(circle)]] for i, who in enumerate(circle))
            found.append(Deadlock(tuple(circle), paths))
    return tuple(found)


def _circles(waits: Mapping[str, Mapping[str, str]], first: str, settled: set[str]) -> list[list[str]]:
    """The circles that are met on the way from here, depth first; everything on the way is settled afterwards."""
    if first in settled:
        return []
    path = [first]
    stack = [iter(waits[first])]
    found: list[list[str]] = []
    while stack:
        following = next(stack[-1], None)
        if following is None:
            stack.pop()
            settled.add(path.pop())
        elif following in path:
            found.append(path[path.index(following) :])
        elif following not in settled:
            path.append(following)
            stack.append(iter(waits.get(following, ())))
    return found


def deadlock_event(deadlock: Deadlock, now_ms: int) -> NewEvent:
    """A deadlock as an event, in the stream of its first specialist's wait."""
    data = {"specialists": list(deadlock.specialists), "file_paths": list(deadlock.paths)}
    stream = "deadlock-" + "-".join(deadlock.specialists)
    return NewEvent("ctk_deadlock_detected", "ctk", stream, data, occurred_at=now_ms)

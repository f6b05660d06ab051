"""Commands about reservations of files: taken together or not at all, given back, and who waits for whom.

A refused reservation is remembered as a wait for the lock in the way. Waits that close a circle are a deadlock: it is
recorded when it arises, and said to whoever closed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Command, Work
from reconciler.errors import NotFound
from reconciler.projections.rows import Rows
from reconciler.work import locks as rules
from reconciler.work.locks import Deadlock, Purpose
from reconciler.work.refusals import LockConflict
from reconciler.work.state import FileLock

WAITS_FOR_MS = 120_000
"""A refused reservation counts as waiting for so long: who still wants the file asks again."""


def reserve(
    paths: Sequence[str],
    specialist_id: str,
    *,
    purpose: Purpose = "edit",
    timeout_ms: int = rules.DEFAULT_TIMEOUT_MS,
    checksums: Mapping[str, str] | None = None,
    root: str = "",
) -> Command[list[FileLock]]:
    """Reserve paths or globs, all or none; those that the specialist holds already are prolonged.

    Args:
        checksums: of the files as they are, by path.
        root: the project's absolute path.

    Raises:
        InputRefused: a malformed path, an unknown purpose, or a time-out that is not positive.
        LockConflict: somebody else holds an overlapping path; names a deadlock where that closes a circle.
    """

    def command(work: Work) -> list[FileLock]:
        keys: dict[str, None] = {}
        for path in paths:
            held = reading.active_locks(work.rows)
            try:
                events = rules.reserve(
                    work.new_id("lock"),
                    path,
                    specialist_id,
                    held,
                    now_ms=work.now_ms,
                    purpose=purpose,
                    timeout_ms=timeout_ms,
                    checksum=(checksums or {}).get(path),
                    root=root,
                )
            except LockConflict as conflict:
                raise _with_deadlock(work, conflict, specialist_id, path, root) from None
            work.record(events)
            keys.update((event.data["lock_id"], None) for event in events if event.event_type == "ctk_reserved")
        return [reading.lock(work.rows, key) for key in keys]

    return command


def release(
    lock_id: str, specialist_id: str, *, force: bool = False, final_checksum: str | None = None
) -> Command[FileLock]:
    """Give a reservation back.

    Args:
        force: an operator's release of somebody else's lock.
        final_checksum: of the file as it is now; one that was reserved for reading must not have changed.
    """

    def command(work: Work) -> FileLock:
        lock = reading.lock(work.rows, lock_id)
        work.record(rules.release(lock, specialist_id, now_ms=work.now_ms, force=force, final_checksum=final_checksum))
        return reading.lock(work.rows, lock_id)

    return command


def find(rows: Rows, name: str, *, root: str = "") -> FileLock:
    """A lock by its id, or the active one on exactly this path.

    Raises:
        NotFound: there is none.
    """
    row = rows.get("locks", name)
    if row is not None:
        return FileLock.from_row(row)
    path = rules.normalize(name, root)
    for lock in reading.active_locks(rows):
        if path == lock.normalized_path:
            return lock
    raise NotFound(f"nothing called {name} is reserved", hint="fleet locks")


def waits(rows: Rows, now_ms: int, *, root: str = "") -> dict[str, list[str]]:
    """The normalised paths that specialists were refused lately and do not have yet."""
    found: dict[str, list[str]] = {}
    for who, path, _ in _waiting(rows, now_ms):
        found.setdefault(who, []).append(rules.normalize(path, root))
    return found


def deadlocks(rows: Rows, now_ms: int, *, root: str = "") -> tuple[Deadlock, ...]:
    """The circles of specialists that wait for each other now."""
    return rules.deadlocks(waits(rows, now_ms, root=root), reading.active_locks(rows), now_ms)


def _waiting(rows: Rows, now_ms: int) -> Iterator[tuple[str, str, str]]:
    for _, row in rows.scan("lock_waits"):
        if now_ms - row["at"] <= WAITS_FOR_MS:
            yield row["specialist_id"], row["path"], row["lock_id"]


def _with_deadlock(work: Work, conflict: LockConflict, specialist_id: str, path: str, root: str) -> LockConflict:
    """The refusal, with the circle that it closes; it is recorded the first time only, however often somebody asks."""
    held = reading.active_locks(work.rows)
    wanted = waits(work.rows, work.now_ms, root=root)
    known = any(who == specialist_id and lock == conflict.lock_id for who, _, lock in _waiting(work.rows, work.now_ms))
    wanted.setdefault(specialist_id, []).append(rules.normalize(path, root))
    circles = [one for one in rules.deadlocks(wanted, held, work.now_ms) if specialist_id in one.specialists]
    if not circles:
        return conflict
    record = [*conflict.record]
    if not known:
        record += [rules.deadlock_event(one, work.now_ms) for one in circles]
    return LockConflict(
        f"{conflict.what}; {circles[0].text}",
        lock_id=conflict.lock_id,
        holder=conflict.holder,
        expires_at=conflict.expires_at,
        hint="one of them has to release a file: fleet locks release PATH",
        record=record,
    )

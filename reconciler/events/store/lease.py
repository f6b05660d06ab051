"""The writer's lease: one writer at a time, and a fencing token that refuses the one who lost it.

The lease is a row of the database. Taking it gives a token greater than every one before; whoever appends under a lease is
checked in the append's own transaction, so that a writer who slept through its term and wakes up writes nothing. While it
is held, a thread renews it. A holder that died frees it at once where that can be seen, else when its term is over.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from reconciler.errors import FleetError, LeaseHeld, LeaseLost
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.connection import Readers
from reconciler.events.store.faults import translated
from reconciler.events.store.prepared import prepare
from reconciler.events.store.processes import is_dead, this_process
from reconciler.events.store.writer import Writer

_COLUMNS = "token, holder, process, purpose, acquired_at, renewed_at, expires_at"
_RENEWALS_PER_TERM = 3
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.2
STREAM = "lease"


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """Who holds the lease. Times are Unix ms."""

    token: int
    holder: str
    purpose: str
    acquired_at: int
    renewed_at: int
    expires_at: int


class Leases:
    """Taking, watching and breaking the lease of one log."""

    def __init__(self, writer: Writer, connect: Callable[[], sqlite3.Connection]) -> None:
        self._writer = writer
        self._connect = connect
        self._ours: list[Lease] = []

    def take(self, purpose: str, *, holder: str, ttl_ms: int, wait_ms: int, cause: Cause) -> Lease:
        """Become the writer.

        Args:
            holder: who we are; `host:pid` when empty.
            ttl_ms: how long it is held without being renewed.
            wait_ms: how long to wait for another holder to finish.

        Raises:
            LeaseHeld: somebody else holds it; says who, for what and since when.
        """
        deadline = time.monotonic() + wait_ms / 1000
        pause = _SHORTEST_WAIT_S
        while True:
            try:
                info = self._try(purpose, holder or f"{os.uname().nodename}:{os.getpid()}", ttl_ms, cause)
                break
            except LeaseHeld:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_WAIT_S)
        lease = Lease(info, ttl_ms, self, cause)
        self._ours.append(lease)
        return lease

    def _try(self, purpose: str, holder: str, ttl_ms: int, cause: Cause) -> LeaseInfo:
        with self._writer.transaction() as connection:
            now = self._writer.clock()
            row = _row(connection)
            if row is not None and row.held(now):
                raise _held_by(row, now)
            if row is not None and row.holder:
                self._record("lease_broken", {"holder": row.holder, "token": row.token, "by": holder}, cause)
            info = LeaseInfo(row.token + 1 if row is not None else 1, holder, purpose, now, now, now + ttl_ms)
            connection.execute(
                f"INSERT OR REPLACE INTO lease (only_one, {_COLUMNS}) VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
                (info.token, holder, this_process(), purpose, now, now, now + ttl_ms),
            )
            self._record("lease_acquired", {"holder": holder, "purpose": purpose, "token": info.token}, cause)
        return info

    def break_(self, cause: Cause) -> LeaseInfo | None:
        """End whoever's lease it is, on a person's word; the one that was ended, None when nobody held it."""
        with self._writer.transaction() as connection:
            row = _row(connection)
            if row is None or not row.holder:
                return None
            connection.execute("UPDATE lease SET holder = '', expires_at = 0")
            self._record("lease_broken", {"holder": row.holder, "token": row.token, "by": cause.actor}, cause)
        return row.info()

    def check(self, connection: sqlite3.Connection, lease: Lease) -> None:
        """Refuse a holder whose lease is over; inside the transaction of what it wants to do.

        Raises:
            LeaseLost: it ran out, or somebody else has it now.
        """
        row = _row(connection)
        ours = row is not None and row.token == lease.token and row.holder != ""
        if row is None or not ours or row.expires_at <= self._writer.clock():
            raise _lost(row, lease)

    def release(self, lease: Lease) -> None:
        """Give a lease back; one that was lost meanwhile is nobody's business any more."""
        with contextlib.suppress(ValueError):
            self._ours.remove(lease)
        with self._writer.transaction() as connection:
            row = _row(connection)
            if row is None or row.token != lease.token or not row.holder:
                return
            connection.execute("UPDATE lease SET holder = '', expires_at = 0")
            self._record("lease_released", {"holder": row.holder, "token": row.token}, lease.cause)

    def renew(self, lease: Lease) -> None:
        """Hold a lease for another term; on a connection of its own, so that no long append of another thread delays it.

        Raises:
            LeaseLost: somebody else has it, or it was broken.
        """
        with translated(self._writer.path), contextlib.closing(self._connect()) as connection:
            now = self._writer.clock()
            changed = connection.execute(
                "UPDATE lease SET renewed_at = ?, expires_at = ? WHERE token = ? AND holder != ''",
                (now, now + lease.ttl_ms, lease.token),
            ).rowcount
            if not changed:
                raise _lost(_row(connection), lease)
        lease.info = replace(lease.info, renewed_at=now, expires_at=now + lease.ttl_ms)

    def is_over(self, lease: Lease) -> bool:
        """Whether a lease's term is over, as far as its holder knows: it may have slept since it was last renewed."""
        return lease.info.expires_at <= self._writer.clock()

    def release_all(self) -> None:
        """Give back what is still held, before the log is closed."""
        for lease in list(self._ours):
            lease.release()

    def _record(self, event_type: str, data: dict[str, Any], cause: Cause) -> None:
        self._writer.record([prepare(NewEvent(event_type, "system", STREAM, data))], cause)


class Lease:
    """Our hold on the log; renewed in the background, released at the end of the `with` block.

    Attributes:
        info: as it was taken or last renewed.
        lost: somebody else has it; nothing more may be appended under it.
    """

    def __init__(self, info: LeaseInfo, ttl_ms: int, leases: Leases, cause: Cause) -> None:
        self.info = info
        self.ttl_ms = ttl_ms
        self.cause = cause
        self.lost = False
        self._leases = leases
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="fleet-lease", daemon=True)
        self._thread.start()

    @property
    def token(self) -> int:
        """Greater than that of every lease before."""
        return self.info.token

    def check(self) -> None:
        """Nobody else is the writer now, as far as can be known. The log is asked only where the term may be over.

        Raises:
            LeaseLost: somebody else has it, or it was broken.
        """
        if self.lost:
            raise LeaseLost("the lease was lost meanwhile", hint="run the command again: it goes on from here")
        if self._leases.is_over(self):
            try:
                self.renew()
            except LeaseLost:
                self.lost = True
                raise

    def renew(self) -> None:
        """Hold it for another term, counted from now.

        Raises:
            LeaseLost: somebody else has it, or it was broken.
        """
        self._leases.renew(self)

    def release(self) -> None:
        """Give it back; doing so twice is no error."""
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        self._leases.release(self)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def _keep(self) -> None:
        """Renew until it is over. A renewal that fails otherwise than by losing the lease is tried again in time."""
        pause = self.ttl_ms / _RENEWALS_PER_TERM / 1000
        if self._over.wait(pause):
            return
        while True:
            try:
                self.renew()
            except LeaseLost:
                self.lost = True
                return
            except FleetError:
                pass
            if self._over.wait(pause):
                return


@dataclass(frozen=True, slots=True)
class _Row:
    token: int
    holder: str
    process: str
    purpose: str
    acquired_at: int
    renewed_at: int
    expires_at: int

    def held(self, now: int) -> bool:
        return bool(self.holder) and self.expires_at > now and not is_dead(self.process)

    def info(self) -> LeaseInfo:
        return LeaseInfo(self.token, self.holder, self.purpose, self.acquired_at, self.renewed_at, self.expires_at)


def lease_holder(readers: Readers, now: int) -> LeaseInfo | None:
    """Who holds the lease; None when nobody does."""
    with readers.reading() as connection:
        row = _row(connection)
    return row.info() if row is not None and row.held(now) else None


def _row(connection: sqlite3.Connection) -> _Row | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM lease").fetchone()
    return _Row(*row) if row is not None else None


def _held_by(row: _Row, now: int) -> LeaseHeld:
    purpose = f" for {row.purpose}" if row.purpose else ""
    seconds = max(0, now - row.acquired_at) // 1000
    return LeaseHeld(
        f"{row.holder} is writing to this fleet{purpose}, since {seconds} s",
        hint=f"wait for it to finish; its lease runs out {max(0, row.expires_at - now) // 1000 + 1} s after it stops renewing",
    )


def _lost(row: _Row | None, lease: Lease) -> LeaseLost:
    if row is not None and row.token != lease.token:
        what = f"the lease {lease.token} was lost: {row.holder or 'another writer'} has had {row.token} since"
    elif row is not None and row.holder:
        what = f"the lease {lease.token} ran out before it was renewed"
    else:
        what = f"the lease {lease.token} was broken or given back"
    return LeaseLost(what, hint="nothing was recorded; run the command again")

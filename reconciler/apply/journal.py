"""The journal: intents and outcomes on their way into the log.

Several threads act at once and each must know that its intent is on disk before it acts. What they hand in while an
append is under way goes into the next one together, so that four of them pay for one write and not for four.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.store.lease import Lease


class Log(Protocol):
    """The part of a store that an apply writes to."""

    def append(
        self,
        events: Sequence[NewEvent],
        cause: Cause,
        *,
        expected_version: int | None = None,
        lease: Lease | None = None,
    ) -> list[Event]: ...


@dataclass(slots=True)
class _Batch:
    events: tuple[NewEvent, ...]
    settled: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Journal:
    """Appends under one lease and in one name. Safe from any thread."""

    def __init__(self, log: Log, cause: Cause, lease: Lease | None) -> None:
        self._log = log
        self._cause = cause
        self._lease = lease
        self._lock = threading.Lock()
        self._waiting: list[_Batch] = []
        self._writing = False

    def check(self) -> None:
        """Raises `LeaseLost` when somebody else is the writer now, as far as can be known."""
        if self._lease is not None:
            self._lease.check()

    def record(self, *events: NewEvent) -> None:
        """Append events in one transaction; on return they are durable.

        Raises:
            LeaseLost: somebody else is the writer now.
            EventInvalid: one of these events does not fit its model.
        """
        if not events:
            return
        batch = _Batch(events)
        with self._lock:
            self._waiting.append(batch)
            leads = not self._writing
            self._writing = True
        if leads:
            self._write_all()
        batch.settled.wait()
        if batch.error is not None:
            raise batch.error

    def _write_all(self) -> None:
        while True:
            with self._lock:
                group, self._waiting = self._waiting, []
                if not group:
                    self._writing = False
                    return
            self._write(group)

    def _write(self, group: list[_Batch]) -> None:
        try:
            self._append([event for batch in group for event in batch.events])
        except BaseException as error:
            if len(group) == 1:
                group[0].error = error
            else:
                # One thread's bad event must not take the others' with it.
                for batch in group:
                    self._write([batch])
        for batch in group:
            batch.settled.set()

    def _append(self, events: Sequence[NewEvent]) -> None:
        self._log.append(events, self._cause, lease=self._lease)

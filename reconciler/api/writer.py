"""The one writer: commands of all requests, run by one thread, as many as wait in one transaction.

While a commit waits for the disk the next requests gather, and share the commit after it. So the disk is waited for once
for all of them, and the event loop never waits at all.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reconciler.control.desk.desk import Command, Desk, Done, Work
from reconciler.errors import LogUnusable, TimedOut
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.projections.store import Store

T = TypeVar("T")
MOST_TOGETHER = 256
_NOBODY = Cause("fleet", "api")


class Closing(LogUnusable):
    """The server ends; nothing more is written."""

    code = "closing"


@dataclass(slots=True)
class _Waiting:
    """A request that waits for its turn: a command for the desk, or something to do with the store alone."""

    cause: Cause
    answer: asyncio.Future[Any]
    command: Command[Any] | None = None
    alone: Callable[[], Any] | None = None


class Writer:
    """Takes commands from the event loop and answers when they are in the log.

    Args:
        told: called in the writer's thread after each transaction, with how many commands shared it, how many events they
            recorded and how many seconds it took.
        after: called in the writer's thread with what a command recorded, for what follows outside of the log.
    """

    def __init__(
        self,
        store: Store,
        *,
        told: Callable[[int, int, float], None] = lambda *_: None,
        after: Callable[[Sequence[Event]], None] | None = None,
    ) -> None:
        self._store = store
        self._desk = Desk(store, _NOBODY, after=after)
        self._told = told
        self._waiting: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="fleet-api-writer", daemon=True)

    @property
    def queued(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Answer everybody who waits, and end."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()

    async def run(self, command: Command[T], cause: Cause) -> Done[T]:
        """Run a command of the desk.

        Raises:
            WorkRefused, NotFound: it was refused.
            LogUnusable: the log cannot be written.
        """
        done: Done[T] = await self._ask(_Waiting(cause, _future(), command=command))
        return done

    async def write(self, command: Command[T], cause: Cause) -> T:
        """Run a command of the desk, and give what it returns."""
        return (await self.run(command, cause)).value

    async def append(
        self, events: Sequence[NewEvent], cause: Cause, *, expected_version: int | None = None, known: bool = False
    ) -> list[Event]:
        """Record events as they are.

        Args:
            expected_version: of the first event's stream before this append.
            known: the events' ids were chosen by the caller, and may have been recorded before.

        Raises:
            EventInvalid: an event's data does not fit its model.
            Conflict: the stream has another version, or an id is known with another body.
        """
        if known or expected_version is not None:
            found: list[Event] = await self.alone(
                lambda: self._store.append(events, cause, expected_version=expected_version), cause
            )
            return found

        def command(work: Work) -> None:
            # Raw events decide nothing, so nobody has to see what follows from them before they are recorded.
            work.recorded.extend(events)

        return list((await self.run(command, cause)).events)

    async def alone(self, action: Callable[[], T], cause: Cause = _NOBODY) -> T:
        """Do something in the writer's thread, in a transaction that it does not share."""
        done: T = await self._ask(_Waiting(cause, _future(), alone=action))
        return done

    def _ask(self, one: _Waiting) -> asyncio.Future[Any]:
        with self._wake:
            if self._closed:
                raise Closing("the server ends, and takes no more changes")
            self._waiting.append(one)
            self._wake.notify()
        return one.answer

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                taken = self._take()
            began = time.perf_counter()
            answers = self._alone(taken[0]) if taken[0].alone is not None else self._together(taken)
            events = sum(len(one.events) for one in answers if isinstance(one, Done))
            self._told(len(taken), events, time.perf_counter() - began)
            _deliver(taken, answers)

    def _take(self) -> list[_Waiting]:
        """The next ones that may share a transaction."""
        taken = [self._waiting.popleft()]
        if taken[0].alone is None:
            while self._waiting and self._waiting[0].alone is None and len(taken) < MOST_TOGETHER:
                taken.append(self._waiting.popleft())
        return taken

    def _alone(self, one: _Waiting) -> list[Any]:
        assert one.alone is not None
        try:
            return [one.alone()]
        except Exception as error:
            return [error]

    def _together(self, taken: Sequence[_Waiting]) -> list[Any]:
        try:
            return list(self._desk.run_all([(one.command, one.cause) for one in taken if one.command is not None]))
        except TimedOut as error:
            return [error] * len(taken)
        except Exception as error:
            # One of them cannot be recorded; the others must not suffer from it.
            if len(taken) == 1:
                return [error]
            return [answer for one in taken for answer in self._together([one])]


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def _deliver(taken: Sequence[_Waiting], answers: Sequence[Any]) -> None:
    """Wake the event loop once for all of them."""

    def settle() -> None:
        for one, answer in zip(taken, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, BaseException):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    loop = taken[0].answer.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)

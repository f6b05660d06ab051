"""Following the log for many at once: one reader, one rendering of each event, any number of followers.

A follower says after which sequence number it wants to go on. What is near the end comes from memory, what is older from the
log, and both go by sequence number, so no event is missed or seen twice however somebody comes and goes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import islice

import msgspec

from reconciler.errors import LogUnusable
from reconciler.events.document import event_document
from reconciler.events.envelope import Event
from reconciler.projections.store import EventQuery, Store

InThread = Callable[[Callable[[], list["Frame"]]], Awaitable[list["Frame"]]]
REMEMBERED = 10_000
PORTION = 500
_POLL_S = 0.2
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Frame:
    """An event with its text in a stream of server-sent events."""

    event: Event
    text: bytes

    @classmethod
    def of(cls, event: Event) -> Frame:
        """Render an event; its sequence number is what `Last-Event-ID` names."""
        body = _encode(event_document(event))
        head = f"id: {event.sequence_number}\nevent: {event.event_type}\ndata: "
        return cls(event, head.encode() + body + b"\n\n")


class Following:
    """The end of the log, in memory for as long as anybody follows it."""

    def __init__(self, store: Store, in_thread: InThread) -> None:
        self._store = store
        self._in_thread = in_thread
        self._frames: deque[Frame] = deque(maxlen=REMEMBERED)
        self._head = 0
        self._from = 0
        self._followers = 0
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def followers(self) -> int:
        """How many follow now."""
        return self._followers

    @property
    def head(self) -> int:
        """The newest sequence number that was read."""
        return self._head

    def hurry(self) -> None:
        """Something was recorded; from any thread."""
        loop = self._loop
        if loop is not None and self._followers:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._hurry.set)

    async def __aenter__(self) -> Following:
        """Begin to follow."""
        self._loop = asyncio.get_running_loop()
        self._followers += 1
        if self._pump is None or self._pump.done():
            self._frames.clear()
            self._head = self._from = self._store.head()
            self._pump = asyncio.create_task(self._read_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Follow no more; the last one to go switches the light off."""
        self._followers -= 1
        if self._followers == 0:
            await self.stop()

    def wake(self) -> None:
        """Let everybody who waits look up, as when the server ends. In the event loop."""
        told, self._news = self._news, asyncio.Event()
        told.set()

    async def stop(self) -> None:
        """Read no more."""
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
            self._pump = None

    async def after(self, sequence: int, query: EventQuery) -> tuple[list[Frame], int]:
        """What is there after a sequence number, oldest first, and up to which number that is everything."""
        if sequence < self._from:
            end = self._head
            older = replace(query, after=sequence, before=end + 1, newest_first=False, limit=PORTION)
            found = await self._in_thread(lambda: [Frame.of(one) for one in self._store.events(older)])
            return found, found[-1].event.sequence_number if len(found) == PORTION else end
        missing = self._head - sequence
        if missing <= 0:
            return [], sequence
        newest = [
            one
            for one in islice(reversed(self._frames), missing)
            if one.event.sequence_number > sequence and selects(query, one.event)
        ]
        return newest[::-1], self._head

    async def wait(self, sequence: int, seconds: float) -> bool:
        """Wait until there is more than this sequence number; False when there was not in so long."""
        if self._head > sequence:
            return True
        news = self._news
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return False
        return True

    async def _read_on(self) -> None:
        while True:
            try:
                if self._store.head() > self._head:
                    await self._take()
                    continue
            except LogUnusable:
                # Somebody else has the file, or it is being put in place: it is looked at again.
                pass
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._hurry.wait()
            self._hurry.clear()

    async def _take(self) -> None:
        query = EventQuery(after=self._head, limit=PORTION)
        found = await self._in_thread(lambda: [Frame.of(one) for one in self._store.events(query)])
        if not found:
            return
        self._frames.extend(found)
        self._head = found[-1].event.sequence_number
        if len(self._frames) == REMEMBERED:
            self._from = self._frames[0].event.sequence_number - 1
        self.wake()


def selects(query: EventQuery, event: Event) -> bool:
    """Whether an event is among those that a query asks for; places and words in the data are not looked at."""
    return (
        (not query.types or event.event_type in query.types)
        and (not query.stream_type or event.stream_type == query.stream_type)
        and (not query.stream_id or event.stream_id == query.stream_id)
        and (query.correlation_id is None or event.correlation_id == query.correlation_id)
        and (query.causation_id is None or event.causation_id == query.causation_id)
    )

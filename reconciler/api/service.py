"""The server behind the paths: the log, its one writer, those who read beside it, and what is counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

from reconciler.api.answers import Answers
from reconciler.api.following import Following
from reconciler.api.metrics import Metrics
from reconciler.api.settings import ServeSettings
from reconciler.api.tokens import Tokens
from reconciler.api.writer import Writer
from reconciler.control.checkpoints.filing import Filing
from reconciler.control.checkpoints.occasions import at_end
from reconciler.control.project import Project
from reconciler.control.session import Session, open_session
from reconciler.events.moment import parse_moment
from reconciler.projections.rows import Rows
from reconciler.projections.store import Store
from reconciler.runtime.model import ContainerRuntime

T = TypeVar("T")
_READERS = 8
_LONG = 4
_LOOK_BACK = 2_000


def now_ms() -> int:
    """The clock, in Unix ms."""
    return time.time_ns() // 1_000_000


class Service:
    """One project's server. Opened and closed with the application.

    Attributes:
        store: the log, open for writing.
        writer: the one way to write to it.
        following: its end, for event streams.
        ending, interrupting: set when the server ends, for the event loop and for threads.
        ready: False before the log is open and once the server ends.
    """

    store: Store
    writer: Writer
    following: Following
    answers: Answers

    def __init__(
        self,
        project: Project,
        settings: ServeSettings,
        *,
        runtime: ContainerRuntime | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        self.settings = settings
        self.metrics = Metrics()
        self.ready = False
        self.ending = asyncio.Event()
        self.interrupting = threading.Event()
        self._runtime = runtime
        self._environ = environ
        self._session = self.session()
        self.folder = self._session.database.parent
        self.tokens = Tokens(self.folder)
        self._quick = ThreadPoolExecutor(_READERS, "fleet-api-read")
        self._long = ThreadPoolExecutor(_LONG, "fleet-api-long")

    def session(self) -> Session:
        """A session of one's own about the project, to be closed by who asked: for plans, applies and the like."""
        return open_session(self.project, source="api", runtime=self._runtime, environ=self._environ)

    async def open(self) -> None:
        """Open the log and begin to write.

        Raises:
            LogUnusable: it cannot be used.
        """
        from reconciler.ops.settings import settings_of

        self.store = self._session.writable()
        wanted = settings_of(self.store.rows())
        self._session.close()
        self.store = self._session.writable(wanted)
        self.writer = Writer(self.store, told=self._wrote, after=Filing(self._session.directory))
        self.following = Following(self.store, self.in_thread)
        self.answers = Answers(self.folder)
        self._done = _from_keys(self.store)
        self.writer.start()
        self.ready = True

    def recorded(self, correlation: UUID) -> bool:
        """Whether a server before this one recorded something under this correlation."""
        return correlation.bytes in self._done

    def end(self) -> None:
        """Say that the server ends: it is ready no more, and event streams come to their end. In the event loop."""
        self.ready = False
        self.ending.set()
        self.interrupting.set()
        self.following.wake()

    async def close(self) -> None:
        """Answer who waits, and close the log."""
        self.end()
        await self.following.stop()
        await asyncio.get_running_loop().run_in_executor(None, self.writer.close)
        self._quick.shutdown(cancel_futures=True)
        self._long.shutdown(cancel_futures=True)
        at_end(self._session)
        self.answers.close()
        self._session.close()

    async def in_thread(self, action: Callable[[], T], *, long: bool = False) -> T:
        """Do something beside the event loop.

        Args:
            long: it may take seconds, and must not keep those who only read from their turn.
        """
        return await asyncio.get_running_loop().run_in_executor(self._long if long else self._quick, action)

    async def read(self, look: Callable[[Rows], T], *, at: str | None = None) -> T:
        """What a function finds in the projections of one moment; `at` names one of the past.

        Raises:
            MomentUnclear, NotFound: `at` names no point of the log.
        """
        if at is None:
            return await self.in_thread(lambda: self._now(look))
        moment = parse_moment(at, now_ms=now_ms())
        return await self.in_thread(lambda: look(self.store.rows_at(self.store.sequence_at(moment))), long=True)

    def _now(self, look: Callable[[Rows], T]) -> T:
        with self.store.snapshot() as (rows, _):
            return look(rows)

    def _wrote(self, commands: int, events: int, seconds: float) -> None:
        self.metrics.wrote(commands, events, seconds)
        if events:
            self.following.hurry()


def _from_keys(store: Store) -> frozenset[bytes]:
    """The newest correlations that were made from idempotency keys: those whose answers may have been lost."""
    with store.reading() as connection:
        found = connection.execute(
            "SELECT correlation_id FROM causes ORDER BY id DESC LIMIT ?", (_LOOK_BACK,)
        ).fetchall()
    return frozenset(one for (one,) in found if UUID(bytes=one).version == 5)

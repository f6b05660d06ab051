"""Waiting: the services that others wait for, each looked at when it is due, in threads that do not act."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import count

from reconciler.apply.means import Means
from reconciler.apply.readiness import Verdict, Wait, passed_ms
from reconciler.apply.schedule import GateKey
from reconciler.errors import FleetError, LeaseHeld, RuntimeUnreachable


@dataclass(frozen=True, slots=True)
class Looked:
    """A step of waiting for a service was taken; `error` when it could not be and everything has to end."""

    key: GateKey
    verdict: Verdict
    error: BaseException | None = None


class Waits:
    """Who is waited for. Used by one thread; `tell` is called from others.

    Attributes:
        looking: how many steps are being taken right now.
    """

    def __init__(self, means: Means, threads: Executor, tell: Callable[[Looked], None]) -> None:
        self._means = means
        self._threads = threads
        self._tell = tell
        self._waits: dict[GateKey, Wait] = {}
        self._began: dict[GateKey, int] = {}
        self._due: list[tuple[int, int, GateKey]] = []
        self._number = count()
        self.looking = 0

    @property
    def idle(self) -> bool:
        """Nobody is waited for."""
        return not self._due and not self.looking

    @property
    def next_due(self) -> int | None:
        """When the next step is to be taken (as `passed_ms` counts)."""
        return self._due[0][0] if self._due else None

    def add(self, key: GateKey) -> None:
        """Wait for a service from now on."""
        self._waits[key] = Wait(self._means, key.service, key.gate, replica=key.replica)
        self._began[key] = passed_ms()
        self._push(key, 0)

    def again(self, key: GateKey) -> None:
        """The last step showed nothing yet: take another one later."""
        self._push(key, passed_ms() + self._waits[key].pause_ms)

    def seconds(self, key: GateKey) -> float:
        """How long it has been waited for."""
        return (passed_ms() - self._began[key]) / 1000

    def look(self) -> None:
        """Begin every step that is due."""
        while self._due and self._due[0][0] <= passed_ms():
            _, _, key = heapq.heappop(self._due)
            self.looking += 1
            self._threads.submit(self._step, key)

    def _push(self, key: GateKey, due_ms: int) -> None:
        heapq.heappush(self._due, (due_ms, next(self._number), key))

    def _step(self, key: GateKey) -> None:
        try:
            looked = Looked(key, self._waits[key].step())
        except (LeaseHeld, RuntimeUnreachable) as error:
            looked = Looked(key, Verdict("failed"), error)
        except FleetError as error:
            looked = Looked(key, Verdict("failed", self._means.mask(error.what)))
        except BaseException as error:
            looked = Looked(key, Verdict("failed"), error)
        self._tell(looked)

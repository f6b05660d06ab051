"""Specialists in tests: stories about one in a log, processes that a runtime pretends to have, and a desk of values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from reconciler.errors import ActionFailed
from reconciler.events.envelope import NewEvent
from reconciler.runtime.model import LABEL_DIGEST, LABEL_INTENT, LABEL_REPLICA, LABEL_RESOURCE
from reconciler.runtime.process.model import ObservedProcess, ObservedProcesses, ProcessOrder


def process_seen(
    process_id: str, *, pool: str = "builder", replica: int = 1, digest: str = "v1:a", **more: object
) -> ObservedProcess:
    """A process with this fleet's marks; it runs unless something else is said."""
    labels = {
        LABEL_RESOURCE: f"specialist/{pool}",
        LABEL_REPLICA: str(replica),
        LABEL_DIGEST: digest,
        LABEL_INTENT: process_id,
    }
    return replace(ObservedProcess(process_id, 4_711, labels, "running", 1_000), **more)  # type: ignore[arg-type]


def told(events: Iterable[NewEvent]) -> list[str]:
    """Events as one line each: type, replica, and what else they say."""
    lines = []
    for event in events:
        data = {**event.data}
        who = f"{data.pop('pool')}/{data.pop('replica', '')}"
        data.pop("process_id", None)
        more = " ".join(f"{name}={value}" for name, value in sorted(data.items()))
        lines.append(f"{event.event_type} {who} {more}".rstrip())
    return lines


@dataclass
class PretendedProcesses:
    """A runtime of processes in memory.

    Attributes:
        running: by process id.
        orders: everything that was started.
        stopped: process ids that were asked to end, in order.
        dies: started processes end at once, with this exit code.
        unknown: process ids of which nothing can be learned.
    """

    running: dict[str, ObservedProcess] = field(default_factory=dict)
    orders: list[ProcessOrder] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    exit_codes: dict[str, int] = field(default_factory=dict)
    dies: int | None = None
    refuses: str = ""
    unknown: frozenset[int] = frozenset()

    def observe(self, project: str) -> ObservedProcesses:
        return ObservedProcesses(tuple(self.running.values()), self.unknown, dict(self.exit_codes))

    def runs(self, pid: int, process_id: str) -> bool:
        return process_id in self.running

    def start(self, order: ProcessOrder) -> ObservedProcess:
        if self.refuses:
            raise ActionFailed(self.refuses)
        self.orders.append(order)
        process = ObservedProcess(order.labels[LABEL_INTENT], 100 + len(self.orders), order.labels, "running", 1_000)
        if self.dies is None:
            self.running[process.process_id] = process
        else:
            self.exit_codes[process.process_id] = self.dies
        return process

    def resume(self, process: ObservedProcess) -> None:
        self.running[process.process_id] = replace(self.running[process.process_id], state="running")

    def stop(self, pid: int, process_id: str, grace_ms: int) -> int | None:
        self.stopped.append(process_id)
        return 0 if self.running.pop(process_id, None) is not None else None


@dataclass
class PretendedCrew:
    """A desk of values: what each replica is busy with, and what was asked.

    Attributes:
        busy: looks that show a replica at work before it is done, by replica; -1 for always.
        asked: what was asked, in order.
        reports: whether specialists come to work.
    """

    busy: dict[tuple[str, int], int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    reports: bool = True
    known: bool = True

    def command(self, pool: str, replica: int) -> tuple[str, ...]:
        return ("worker", pool, str(replica))

    def log(self, pool: str, replica: int) -> Path:
        return Path(f"/logs/{pool}-{replica}.log")

    def drain(self, pool: str, replica: int, intent: UUID) -> bool:
        self.asked.append(f"drain {pool}/{replica}")
        return self.known

    def works_on(self, pool: str, replica: int) -> str:
        left = self.busy.get((pool, replica), 0)
        if left > 0:
            self.busy[pool, replica] = left - 1
        return "sortie_1" if left else ""

    def hand_back(self, pool: str, replica: int, intent: UUID) -> None:
        self.asked.append(f"hand back {pool}/{replica}")

    def reported_since(self, pool: str, replica: int, moment_ms: int) -> bool:
        return self.reports

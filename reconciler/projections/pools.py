"""Declared specialists as the log knows them, as typed values that the difference is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec
from msgspec import Struct

from reconciler.decoders import known
from reconciler.ids import replica_id
from reconciler.projections.rows import Row, Rows
from reconciler.spec.desired import SpecialistSpec


class ProjectedProcess(Struct, frozen=True):
    """One process of one replica.

    Attributes:
        process_id: the id of the intent that asked for it, `evt_…`.
        digest: of the definition that it was started with.
        definition: that definition's document; None when the log does not know it.
        external: its last change of state was not Fleet's doing.
        log: the file that takes what it prints.
        drains_until: it takes nothing more, and has until then to finish what it works on; None when it need not go.
        started_at, changed_at: Unix ms.
        cause_event: hex of the event that last changed it.
    """

    pool: str
    replica: int
    process_id: str
    pid: int
    digest: str
    definition: dict[str, Any] | None = None
    state: Literal["running", "paused", "exited"] = "running"
    exit_code: int | None = None
    external: bool = False
    log: str = ""
    started_at: int = 0
    changed_at: int = 0
    cause_event: str = ""
    drains_until: int | None = None

    @property
    def alive(self) -> bool:
        """It runs, or would if it were let."""
        return self.state != "exited"


class ProjectedWorker(Struct, frozen=True):
    """A replica as it has registered itself; `last_seen` is its last sign of life, Unix ms."""

    specialist_id: str
    status: str
    current_sortie: str | None = None
    draining: bool = False
    last_seen: int = 0


class ProjectedPool(Struct, frozen=True, dict=True):
    """A pool as it was last defined. `definition` is decoded when first asked for.

    Attributes:
        stopped: replicas that somebody wants down while the pool is wanted up.
        draining: of those that are wanted down, the ones that finish what they work on first; 0 for all.
        processes: of all its replicas, those that have ended included; by replica and start.
        workers: the replicas that have registered themselves, by number.
    """

    name: str
    document: dict[str, Any]
    digest: str
    wanted: Literal["up", "down"] = "up"
    stopped: tuple[int, ...] = ()
    draining: tuple[int, ...] = ()
    revision: int | None = None
    defined_at: int = 0
    processes: tuple[ProjectedProcess, ...] = ()
    workers: Mapping[int, ProjectedWorker] = {}

    @cached_property
    def definition(self) -> SpecialistSpec:
        """The typed value of `document`."""
        return msgspec.convert(self.document, known(SpecialistSpec))

    def is_down(self, replica: int) -> bool:
        """Whether somebody asked for this replica to be stopped."""
        return self.wanted == "down" or replica in self.stopped

    def drains(self, replica: int) -> bool:
        """Whether it was asked to finish what it works on before it goes down."""
        return bool({0, replica} & set(self.draining))


def pools_of(rows: Rows) -> dict[str, ProjectedPool]:
    """Every pool that the log knows, and those that only processes tell of, without a definition."""
    processes: dict[str, list[ProjectedProcess]] = {}
    for _, row in rows.scan("processes"):
        processes.setdefault(row["pool"], []).append(_process(row))
    known = dict(rows.scan("pools"))
    return {name: _pool(name, known.get(name), processes.get(name, ()), rows) for name in {*known, *processes}}


def _pool(name: str, row: Row | None, found: Any, rows: Rows) -> ProjectedPool:
    processes = tuple(sorted(found, key=lambda one: (one.replica, one.started_at, one.process_id)))
    if row is None:
        return ProjectedPool(name, {}, "", processes=processes, workers=_workers(name, processes, 0, rows))
    return ProjectedPool(
        name,
        row["definition"],
        row["digest"],
        row["wanted"],
        tuple(row["stopped"]),
        tuple(row["draining"]),
        row["revision"],
        row["defined_at"],
        processes,
        _workers(name, processes, row["definition"].get("replicas", 1), rows),
    )


def _process(row: Row) -> ProjectedProcess:
    return ProjectedProcess(
        row["pool"],
        row["replica"],
        row["process_id"],
        row["pid"],
        row["digest"],
        row["definition"],
        row["state"],
        row["exit_code"],
        bool(row["external"]),
        row["log"],
        row["started_at"],
        row["changed_at"],
        row["cause_event"],
        row.get("drains_until"),
    )


def _workers(
    pool: str, processes: tuple[ProjectedProcess, ...], replicas: int, rows: Rows
) -> dict[int, ProjectedWorker]:
    found = {}
    for replica in {*range(1, replicas + 1), *(one.replica for one in processes)}:
        row = rows.get("specialists", replica_id(pool, replica))
        if row is not None:
            found[replica] = ProjectedWorker(
                row["id"], row["status"], row["current_sortie"], bool(row["draining"]), row["last_seen"] or 0
            )
    return found

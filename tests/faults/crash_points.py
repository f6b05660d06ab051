"""Every place between intent, act, outcome, fold, lease and snapshot at which a process may die, in one list.

    python -m tests.faults.crash_points NAME NTH SIGNAL WORDS...

runs the `fleet` command of these words, which gets the signal when it comes to that place for the nth time; with an empty
name it is only run. FAULT_LEASE_MS makes the term of its lease so short that a test can outwait it. A place is the
beginning or the end of a function, so a new one is a line of the list; what does not exist any more makes the tests fail.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any, Literal

LOG = "reconciler.events.store"
APPLY = "reconciler.apply"
PODMAN = "reconciler.runtime.podman.engine:Podman"
OPS = "reconciler.ops"
CREW = "reconciler.control.crew:DeclaredCrew"
PROCESSES = "reconciler.runtime.process.local:LocalProcesses"


@dataclass(frozen=True)
class CrashPoint:
    """One place.

    Attributes:
        name: what has happened, and what has not.
        when: at the beginning or at the end of the function.
        function: `module:name` or `module:class.name`, in the module that calls it.
        verbs: scenarios that come by.
    """

    name: str
    when: Literal["before", "after"]
    function: str
    verbs: tuple[str, ...]


def _points(verbs: str, *rows: tuple[str, Literal["before", "after"], str]) -> list[CrashPoint]:
    return [CrashPoint(name, when, function, tuple(verbs.split())) for name, when, function in rows]


CRASH_POINTS: list[CrashPoint] = [
    *_points(
        "apply adopt legacy",
        ("lease: about to be taken", "before", f"{LOG}.lease:Leases.take"),
        ("lease: taken", "after", f"{LOG}.lease:Leases.take"),
        ("lease: about to be given back", "before", f"{LOG}.lease:Leases.release"),
        ("lease: given back", "after", f"{LOG}.lease:Leases.release"),
    ),
    *_points(
        "apply adopt legacy compact rebuild",
        ("append: a transaction is open", "after", f"{LOG}.writer:Writer.begin"),
        ("append: about to be committed", "before", f"{LOG}.writer:Writer.end"),
        ("append: committed", "after", f"{LOG}.writer:Writer.end"),
    ),
    *_points(
        "apply adopt legacy compact",
        ("append: about to be chained", "before", f"{LOG}.writer:Writer.record"),
        ("fold: events are in, rows are not", "before", "reconciler.projections.tables:Projecting.follow"),
        ("fold: rows are in", "after", "reconciler.projections.tables:Projecting.follow"),
    ),
    *_points(
        "apply",
        ("revision: about to be recorded", "before", "reconciler.control.cycle:record"),
        ("revision: recorded", "after", "reconciler.control.cycle:record"),
        ("intent: about to be recorded", "before", f"{APPLY}.executor:intend"),
        ("act: the intent is on disk", "before", f"{APPLY}.executor:carry_out"),
        ("outcome: done and not recorded", "after", f"{APPLY}.executor:carry_out"),
        ("outcome: recorded", "after", f"{APPLY}.executor:_Walk._succeed"),
        ("apply: about to be ended", "before", f"{APPLY}.executor:_Walk._finish"),
        ("apply: ended", "after", f"{APPLY}.executor:_Walk._finish"),
        ("act: a network is made", "after", f"{PODMAN}.create_network"),
        ("act: a network is removed", "after", f"{PODMAN}.remove_network"),
        ("act: a volume is made", "after", f"{PODMAN}.create_volume"),
        ("act: a secret is handed over", "after", f"{PODMAN}.put_secret"),
        ("act: a secret is taken away", "after", f"{PODMAN}.remove_secret"),
        ("act: a container is about to be made", "before", f"{PODMAN}.create"),
        ("act: a container is made", "after", f"{PODMAN}.create"),
        ("act: a file is in it", "after", f"{PODMAN}.put_file"),
        ("act: it is started", "after", f"{PODMAN}.start"),
        ("act: it is stopped", "after", f"{PODMAN}.stop"),
        ("act: it is removed", "after", f"{PODMAN}.remove"),
    ),
    *_points(
        "replace",
        ("replace: the new one is made", "after", f"{PODMAN}.create"),
        ("replace: the old one is stopped", "after", f"{PODMAN}.stop"),
        ("replace: the new one is ready", "after", f"{APPLY}.replacing:_must_become_ready"),
        ("replace: the old one is removed", "after", f"{PODMAN}.remove"),
        ("replace: the new one has its name", "after", f"{PODMAN}.rename"),
    ),
    *_points(
        "crew",
        ("crew: a process is about to be started", "before", f"{PROCESSES}.start"),
        ("crew: a process is started", "after", f"{PROCESSES}.start"),
        ("crew: started and not recorded", "after", f"{APPLY}.processes:_start"),
        ("crew: it gets nothing more", "after", f"{CREW}.drain"),
        ("crew: it is about to be ended", "before", f"{PROCESSES}.stop"),
        ("crew: it is ended", "after", f"{PROCESSES}.stop"),
        ("crew: what it held is handed back", "after", f"{CREW}.hand_back"),
        ("crew: ended and not recorded", "after", f"{APPLY}.processes:_end"),
    ),
    *_points(
        "adopt",
        ("adopt: decided and not recorded", "after", "reconciler.control.takeover:adoption"),
    ),
    *_points(
        "legacy",
        ("legacy: converted", "after", "reconciler.legacy.importing:_converted"),
        ("legacy: in the transaction", "after", "reconciler.legacy.importing:compare"),
        ("legacy: recorded, the file in its place", "before", "reconciler.legacy.importing:_put_away"),
        ("legacy: the file put away", "after", "reconciler.legacy.importing:_put_away"),
    ),
    *_points(
        "compact",
        ("archive: about to be written", "before", f"{OPS}.moving:write_segment"),
        ("archive: written", "after", f"{OPS}.moving:write_segment"),
        ("archive: read back", "after", f"{OPS}.moving:_read_back"),
        ("archive: in its place, not listed", "after", f"{OPS}.moving:move_into_place"),
        ("snapshot: about to be kept", "before", f"{OPS}.moving:keep_snapshots"),
        ("snapshot: kept, not committed", "after", f"{OPS}.moving:keep_snapshots"),
        ("archive: listed, rows gone", "after", f"{OPS}.moving:_enter"),
        ("archive: the file shrunk", "after", f"{OPS}.compact:_shrink"),
    ),
    *_points(
        "rebuild",
        ("snapshot: about to be dropped", "before", f"{OPS}.rebuild:drop_snapshots"),
        ("snapshot: dropped, not committed", "after", f"{OPS}.rebuild:drop_snapshots"),
        ("rebuild: new rows are filled", "after", "reconciler.projections.rebuild:_fold"),
        ("rebuild: about to be swapped", "before", "reconciler.projections.rebuild:_swap"),
        ("rebuild: swapped, not committed", "after", "reconciler.projections.rebuild:_swap"),
    ),
    *_points(
        "backup",
        ("backup: copied", "after", f"{OPS}.backup:copy_log"),
        ("backup: checked", "after", f"{OPS}.backup:verify"),
    ),
    *_points(
        "restore",
        ("restore: staged", "after", f"{OPS}.restore:_stage"),
        ("restore: recorded in the copy", "after", f"{OPS}.restore:_record"),
        ("restore: the old log is set aside", "after", f"{OPS}.restore:_set_aside"),
        ("restore: about to take its place", "before", f"{OPS}.restore:move_into_place"),
        ("restore: in its place", "after", f"{OPS}.restore:_put_in_place"),
        ("restore: checked in its place", "after", f"{OPS}.restore:_check_again"),
    ),
]


def arm(point: CrashPoint, nth: int, number: int) -> None:
    """Have this process get a signal when it comes to a place for the nth time."""
    module, _, path = point.function.partition(":")
    *owners, name = path.split(".")
    holder: Any = import_module(module)
    for owner in owners:
        holder = getattr(holder, owner)
    setattr(holder, name, _deadly(getattr(holder, name), point.when, nth, number))


def _deadly(function: Callable[..., Any], when: str, nth: int, number: int) -> Callable[..., Any]:
    lock, calls = threading.Lock(), [0]

    def came_by() -> None:
        with lock:
            calls[0] += 1
            if calls[0] == nth:
                os.kill(os.getpid(), number)

    @wraps(function)
    def wrapper(*args: Any, **more: Any) -> Any:
        if when == "before":
            came_by()
        result = function(*args, **more)
        if when == "after":
            came_by()
        return result

    return wrapper


def main() -> None:
    name, nth, number, *words = sys.argv[1:]
    for point in CRASH_POINTS:
        if point.name == name:
            arm(point, int(nth), int(number))
    if os.environ.get("FAULT_LEASE_MS"):
        from reconciler.projections.store import Store

        Store.lease.__kwdefaults__["ttl_ms"] = int(os.environ["FAULT_LEASE_MS"])
    from reconciler.cli.main import main as fleet

    sys.argv = ["fleet", *words]
    fleet()


if __name__ == "__main__":
    main()

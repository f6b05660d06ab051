"""Processes as a hint: nothing tells when one ends that somebody else started, so they are looked at often.

Only the processes that the last turn knew are looked at, one by one, which costs next to nothing; one that is gone rings
the bell, and the turn that follows learns what there is. Their logs are kept small on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from reconciler.control.watch.wake import Bell
from reconciler.errors import FleetError
from reconciler.projections.rows import Rows
from reconciler.runtime.process.logfile import trim_all
from reconciler.runtime.process.model import ProcessRuntime

_LOOK_S = 0.5
_TRIM_EVERY = 60


class ProcessHints:
    """Rings the bell with `process`. Begin with `start`, end with `stop`; `set` may be called at any time."""

    def __init__(self, bell: Bell, processes: Callable[[], ProcessRuntime], logs: Path) -> None:
        self._bell = bell
        self._processes = processes
        self._logs = logs
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-processes", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def set(self, rows: Rows | None) -> None:
        """The processes to look at from now on: those that the log says run, None where there is no log."""
        found = rows.scan("processes") if rows is not None else ()
        known = {key: row["pid"] for key, row in found if row["state"] == "running"}
        with self._lock:
            self._known = known

    def _run(self) -> None:
        looks = 0
        while not self._stopped.wait(_LOOK_S):
            looks += 1
            if self._gone():
                self._bell.ring("process")
            if looks % _TRIM_EVERY == 0:
                trim_all(self._logs)

    def _gone(self) -> bool:
        """Whether one of them has ended since; each is told of once."""
        with self._lock:
            known = dict(self._known)
        try:
            gone = [process_id for process_id, pid in known.items() if not self._processes().runs(pid, process_id)]
        except FleetError:
            return False
        with self._lock:
            for process_id in gone:
                self._known.pop(process_id, None)
        return bool(gone)

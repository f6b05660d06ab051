"""An apply that kills its own process, as `kill -9` would, right after its nth effect on the engine or the log.

    python -m tests.faults.dying PROJECT N PARALLEL

Between two effects nothing is left to be lost, so dying after each of them is dying at every instant. Prints how many
effects there were when it lived to the end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.apply.model import ApplyOptions
from reconciler.cli.options import Project
from reconciler.control.cycle import Confirmation, converge
from reconciler.control.session import Session
from reconciler.projections.store import Store
from reconciler.runtime.podman import Podman

EFFECTS = (
    "create",
    "start",
    "stop",
    "restart",
    "remove",
    "rename",
    "update",
    "put_file",
    "put_secret",
    "remove_secret",
    "create_network",
    "remove_network",
    "create_volume",
)


class Death:
    """Counts effects, and kills the process after the nth one."""

    def __init__(self, nth: int) -> None:
        self.count = 0
        self._nth = nth
        self._lock = threading.Lock()

    def after(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*args: Any, **more: Any) -> Any:
            result = effect(*args, **more)
            with self._lock:
                self.count += 1
                if self.count == self._nth:
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        return dying


class DyingSession(Session):
    """A session whose log counts towards the death as well."""

    death: Death

    def writable(self, *args: Any) -> Store:
        store = super().writable(*args)
        if not hasattr(store, "_dying"):
            store._dying = True  # type: ignore[attr-defined]
            store.append = self.death.after(store.append)  # type: ignore[method-assign]
        return store


def main() -> None:
    folder, nth, parallel = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    death = Death(nth)
    runtime = Podman.connect(os.environ)
    for verb in EFFECTS:
        setattr(runtime, verb, death.after(getattr(runtime, verb)))
    session = DyingSession(Project(file=folder / "fleet.yaml", directory=folder), runtime=runtime)
    session.death = death
    with session:
        yes = Confirmation("a test", "flag")
        converge(session, how=ApplyOptions(parallel=parallel), confirm=lambda _: yes)
    print(death.count)


if __name__ == "__main__":
    main()

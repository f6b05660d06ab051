"""An apply that is killed, as by `kill -9`, when its first process has been started and before it can say so.

python -m tests.integration.crew.dying PROJECT
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from reconciler.cli.options import Project
from reconciler.control.cycle import Confirmation, converge
from reconciler.control.session import Session
from reconciler.runtime.process.local import LocalProcesses
from reconciler.runtime.process.model import ObservedProcess, ProcessOrder
from tests.support.simulated import SimulatedRuntime


class Mortal(LocalProcesses):
    """Starts one, and dies."""

    def start(self, order: ProcessOrder) -> ObservedProcess:
        super().start(order)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    project = Project(file=folder / "fleet.yaml", directory=folder)
    with Session(project, runtime=SimulatedRuntime(), processes=Mortal()) as session:
        converge(session, confirm=lambda _: Confirmation("a test", "flag"))

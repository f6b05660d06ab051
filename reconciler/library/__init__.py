"""Fleet for programs: the same cycle as the command's, as typed values with progress callbacks."""

from reconciler.control.project import Project
from reconciler.library.fleet import Applied, Fleet
from reconciler.library.progress import ActionStep, GateStep, Problems, Progress, Step, Told
from reconciler.library.watching import Watching

__all__ = [
    "ActionStep",
    "Applied",
    "Fleet",
    "GateStep",
    "Problems",
    "Progress",
    "Project",
    "Step",
    "Told",
    "Watching",
]

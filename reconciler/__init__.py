"""Fleet: a declarative reconciler for services, specialists and missions.

`Fleet` is the way in for programs: load a file, plan, apply, watch, and read what the log says. Importing this package
imports nothing else; each name is fetched when it is first used.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from reconciler.errors import FleetError as FleetError
    from reconciler.library import ActionStep as ActionStep
    from reconciler.library import Applied as Applied
    from reconciler.library import Fleet as Fleet
    from reconciler.library import GateStep as GateStep
    from reconciler.library import Problems as Problems
    from reconciler.library import Progress as Progress
    from reconciler.library import Project as Project
    from reconciler.library import Step as Step
    from reconciler.library import Told as Told
    from reconciler.library import Watching as Watching

_HOMES = {
    "FleetError": "reconciler.errors",
    **dict.fromkeys(
        (
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
        ),
        "reconciler.library",
    ),
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'reconciler' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value

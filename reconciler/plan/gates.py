"""Gates: what a container that is about to start waits for, of the services that its own depends on.

A gate that nothing in the plan will open (the dependency is stopped on request, suspended, given up …) is not waited for
in vain: the dependant is left as it is and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.plan.model import (
    AnyAction,
    CreateContainer,
    Need,
    ReplaceContainer,
    RestartContainer,
    StartContainer,
)
from reconciler.plan.naming import service_address
from reconciler.projections.projected import ProjectedContainer
from reconciler.spec.desired import Gate


class Standing(NamedTuple):
    """How a service will stand once the plan is carried out.

    Attributes:
        starts: the actions that bring it up.
        stays: its containers that nothing stops.
        why: why it is not brought up, where it is not.
    """

    starts: tuple[str, ...] = ()
    stays: tuple[ProjectedContainer, ...] = ()
    why: str = ""


def starts(action: AnyAction) -> bool:
    """Whether a container begins to run by this; one that was paused only goes on."""
    match action:
        case CreateContainer() | ReplaceContainer() | RestartContainer():
            return True
        case StartContainer(paused=paused):
            return not paused
        case _:
            return False


def gate_needs(depends_on: Mapping[str, Gate], standing: Mapping[str, Standing]) -> Iterator[Need]:
    """The edges of an action that starts a container: everything that brings its dependencies up, and their gates."""
    for name, gate in sorted(depends_on.items()):
        found = standing.get(name, Standing())
        for action in found.starts:
            yield Need(action, name, gate)
        if not found.starts:
            yield Need("", name, gate)


def shut(depends_on: Mapping[str, Gate], standing: Mapping[str, Standing]) -> str:
    """Which gate nothing will open, in words; empty when all can be passed or will open."""
    for name, gate in sorted(depends_on.items()):
        found = standing.get(name, Standing(why="not in this fleet"))
        if not found.starts and not any(_passes(container, gate) for container in found.stays):
            return f"waits for {service_address(name)}: {found.why or 'it does not run'}"
    return ""


def _passes(container: ProjectedContainer, gate: Gate) -> bool:
    """Whether this container opens the gate or may still do so; a job that is done has been started, too."""
    if container.completed_digest is not None or container.state == "running":
        return True
    return gate == "completed" and container.state == "exited" and container.exit_code == 0

"""`fleet services status`: what each service is, and whether it runs.

It answers within two seconds whatever the engine does: what is not known by then is said to be unknown.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, columns, paint, print_json
from reconciler.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.output import Colour
    from reconciler.ops.service_view import ServiceReplica
    from reconciler.runtime.model import ContainerDetails, ContainerRuntime

_HEADINGS = ("", "SERVICE", "STATUS", "PROVIDER", "IMAGE", "VERSION", "PORT", "CONTAINER", "MODE")
_LOOK_TIMEOUT = 1.0
_PATIENCE = 0.7
_VERSION_COMMANDS = {"postgres": ("postgres", "--version")}
_SIGNS: dict[str, tuple[str, Colour]] = {
    "running": ("●", "green"),
    "unhealthy": ("●", "red"),
    "starting": ("◐", "yellow"),
    "paused": ("◐", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "unknown": ("?", "yellow"),
}
_STOPPED: tuple[str, Colour] = ("○", "dim")


@dataclass
class Known:
    """What was found out about one replica; filled in while time lasts."""

    replica: ServiceReplica
    details: ContainerDetails | None = None
    version: str = ""


@about_project
def status(
    project: Project,
    names: Annotated[list[str] | None, typer.Argument(help="Services; all when left out.", metavar="[NAME]...")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether each service runs, its image and version, its port and its container.

    It works without Podman: what runs is then unknown, and that is said.

    \b
    Examples:
      fleet services status
      fleet services status postgres --json
    """
    from reconciler.control.session import open_session
    from reconciler.control.survey import survey
    from reconciler.ops.service_view import chosen, service_replicas

    runtime, problem = _engine()
    with open_session(project, runtime=runtime) as session:
        found = survey(session)
    replicas = chosen(service_replicas(found.desired, found.projected, found.observed), names or ())
    known = _find_out(runtime, replicas)
    seen = found.observed is not None
    warnings = [*found.warnings, *([problem.hint] if problem is not None and problem.hint else [])]
    if as_json:
        print_json({"services": [_document(one, seen=seen) for one in known], "warnings": warnings})
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    typer.echo(_table(known, seen=seen) if known else "no services; fleet init writes a fleet.yaml")


class _Unread:
    """Stands for an engine that is missing or does not answer: whatever it is asked, it says why."""

    def __init__(self, problem: FleetError) -> None:
        self._problem = problem

    def __getattr__(self, verb: str) -> Any:
        def refuse(*_arguments: object, **_named: object) -> Any:
            raise self._problem

        return refuse


def _engine() -> tuple[Any, FleetError | None]:
    from reconciler.runtime.podman import Podman

    try:
        return Podman.connect(os.environ, look_timeout=_LOOK_TIMEOUT), None
    except FleetError as problem:
        return _Unread(problem), problem


def _find_out(runtime: ContainerRuntime, replicas: Sequence[ServiceReplica]) -> list[Known]:
    """Ports and real versions of what runs, asked for all at once and waited for only so long."""
    known = [Known(replica) for replica in replicas]
    threads = [threading.Thread(target=_ask, args=(runtime, one), daemon=True) for one in known if one.replica.running]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return known


def _ask(runtime: ContainerRuntime, known: Known) -> None:
    from reconciler.ops.service_view import version_in

    replica = known.replica
    assert replica.container is not None
    try:
        known.details = runtime.inspect(replica.container.container_id)
        command = _VERSION_COMMANDS.get(replica.spec.provider if replica.spec is not None else "")
        if command is not None and replica.container.state == "running":
            code, printed = runtime.exec(replica.container.container_id, command)
            known.version = version_in(printed) if code == 0 else ""
    except FleetError:
        return


def _status(replica: ServiceReplica, *, seen: bool) -> str:
    """One word, from what the container does and what it was to do."""
    container = replica.container
    if container is None:
        return "not created" if seen else "unknown"
    if container.state == "exited":
        if replica.mode == "job":
            return "completed" if container.exit_code == 0 else "failed"
        return "stopped"
    if container.state == "running":
        return container.health if container.health in {"starting", "unhealthy"} else "running"
    return container.state


def _table(known: Sequence[Known], *, seen: bool) -> str:
    words = [_status(one.replica, seen=seen) for one in known]
    signs = [_SIGNS.get(word, _STOPPED) for word in words]
    rows = [(sign, *_cells(one, word)) for one, word, (sign, _) in zip(known, words, signs, strict=True)]
    headings, *lines = columns(_HEADINGS, rows).splitlines()
    on = colour_wanted()
    painted = [paint(line[0], colour, on=on) + line[1:] for line, (_, colour) in zip(lines, signs, strict=True)]
    return "\n".join([headings, *painted])


def _cells(known: Known, word: str) -> tuple[str, ...]:
    from reconciler.ops.service_view import ENGINE, image_of, published, tag_of

    replica = known.replica
    image = image_of(replica)
    held = " (held down)" if replica.wanted == "down" and not replica.running else ""
    return (
        replica.service if replica.replica == 1 else f"{replica.service}/{replica.replica}",
        word + held,
        (replica.spec.provider if replica.spec is not None else "") or ENGINE,
        image or "-",
        known.version or tag_of(image) or "-",
        ", ".join(published(replica, known.details)) or "-",
        replica.name,
        replica.mode,
    )


def _document(known: Known, *, seen: bool) -> dict[str, Any]:
    from reconciler.ops.service_view import ENGINE, image_of, published, tag_of

    replica, container = known.replica, known.replica.container
    image = image_of(replica)
    return {
        "service": replica.service,
        "replica": replica.replica,
        "running": replica.running if seen else None,
        "status": _status(replica, seen=seen),
        "health": container.health if container is not None else "",
        "exit_code": container.exit_code if container is not None else None,
        "provider": (replica.spec.provider if replica.spec is not None else "") or ENGINE,
        "image": image,
        "version": known.version or tag_of(image),
        "ports": list(published(replica, known.details)),
        "container": replica.name,
        "container_id": container.container_id if container is not None else None,
        "mode": replica.mode,
        "wanted": replica.wanted,
    }

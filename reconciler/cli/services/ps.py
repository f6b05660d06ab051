"""`fleet services ps`: the containers of services, as Podman lists them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import age, columns, print_json, utc_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.ops.service_view import ServiceReplica

_HEADINGS = ("CONTAINER", "SERVICE", "REPLICA", "STATE", "HEALTH", "SINCE", "IMAGE", "ID")
_SHORT_ID = 12


@about_project
def ps(
    project: Project,
    names: Annotated[list[str] | None, typer.Argument(help="Services; all when left out.", metavar="[NAME]...")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the containers' ids.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the containers of this fleet's services, running or not.

    \b
    Examples:
      fleet services ps
      fleet services ps web --json
      podman inspect $(fleet services ps -q web)
    """
    from reconciler.cli.services.asked import asked_for
    from reconciler.control.session import open_session

    with open_session(project) as session:
        replicas = [one for one in asked_for(session, names or ()) if one.container is not None]
    if as_json:
        print_json({"containers": [_document(replica) for replica in replicas]})
    elif quiet:
        for replica in replicas:
            assert replica.container is not None
            typer.echo(replica.container.container_id)
    else:
        typer.echo(_table(replicas) if replicas else "no containers; fleet apply makes them")


def _table(replicas: Sequence[ServiceReplica]) -> str:
    now_ms = time.time_ns() // 1_000_000
    return columns(_HEADINGS, [_row(replica, now_ms) for replica in replicas])


def _row(replica: ServiceReplica, now_ms: int) -> tuple[str, ...]:
    seen = replica.container
    assert seen is not None
    state = f"exited ({seen.exit_code})" if seen.state == "exited" else seen.state
    since = seen.exited_at if seen.state == "exited" else seen.started_at
    return (
        seen.name,
        replica.service,
        str(replica.replica),
        state,
        seen.health or "-",
        age(since * 1000, now_ms),
        seen.image,
        seen.container_id[:_SHORT_ID],
    )


def _document(replica: ServiceReplica) -> dict[str, Any]:
    seen = replica.container
    assert seen is not None
    return {
        "container": seen.name,
        "container_id": seen.container_id,
        "service": replica.service,
        "replica": replica.replica,
        "state": seen.state,
        "health": seen.health,
        "exit_code": seen.exit_code,
        "image": seen.image,
        "image_id": seen.image_id,
        "started_at": utc_time(seen.started_at * 1000),
        "exited_at": utc_time(seen.exited_at * 1000),
        "adopted": replica.adopted,
    }

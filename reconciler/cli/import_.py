"""`fleet import`: take over a container that runs already."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.apply import WaitLeaseOption, duration
from reconciler.cli.options import Project, about_project
from reconciler.cli.output import colour_wanted, width


@about_project
def import_(
    project: Project,
    resource: Annotated[
        str, typer.Argument(help="The service that it becomes: service/web, or service/web/2.", metavar="[SERVICE]")
    ] = "",
    container: Annotated[str, typer.Argument(help="The container's name or id.", metavar="[CONTAINER]")] = "",
    wait_lease: WaitLeaseOption = "0s",
) -> int:
    """Take over a container that runs already, without touching it, and show where it differs from the file.

    Without arguments it lists containers of nobody's whose names fit services that have none.

    \b
    Examples:
      fleet import
      fleet import service/postgres fleettools-pg
    """
    from reconciler.control.session import open_session

    with open_session(project) as session:
        if not container:
            from reconciler.control.takeover import candidates

            return _suggest(candidates(session), resource)
        from reconciler.control.look import look
        from reconciler.control.takeover import take_over

        service, replica = _address(resource)
        name = take_over(
            session, service, container, replica=replica, wait_lease_ms=duration(wait_lease, "--wait-lease")
        )
        typer.echo(f"container {name} is service/{service} now; nothing about it was changed")
        plan = look(session).plan
        if plan.empty:
            typer.echo("It is as the file declares it.")
        else:
            from reconciler.plan.render import text

            typer.echo("The next apply would do this:")
            typer.echo(text(plan, colour=colour_wanted(), width=width()))
    return 0


def _address(resource: str) -> tuple[str, int]:
    name, _, replica = resource.removeprefix("service/").partition("/")
    if not replica:
        return name, 1
    if not replica.isdigit() or not int(replica):
        raise typer.BadParameter(f"{resource!r} is not service/NAME or service/NAME/REPLICA")
    return name, int(replica)


def _suggest(found: dict[str, str], resource: str) -> int:
    wanted = resource.removeprefix("service/")
    chosen = {service: container for service, container in found.items() if wanted in ("", service)}
    for service, container in chosen.items():
        typer.echo(f"fleet import service/{service} {container}")
    if not chosen:
        typer.echo("No container of nobody's has a name that fits a service without one.")
    return 0

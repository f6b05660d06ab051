"""`fleet suspend`: leave a resource, or the whole fleet, alone for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.apply import duration
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import local_time, print_json

if TYPE_CHECKING:
    pass

ResourceArgument = Annotated[
    str,
    typer.Argument(help="`service/web`, one replica `service/web/2`, or nothing for the fleet.", metavar="RESOURCE"),
]


@about_project
def suspend(
    project: Project,
    resource: ResourceArgument = "",
    why: Annotated[str, typer.Option("--why", help="The reason, for everybody who wonders.", metavar="TEXT")] = "",
    period: Annotated[
        str, typer.Option("--for", help="It resumes by itself after this long (30m, 2h, 1d).", metavar="TIME")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Leave a resource, or the whole fleet, alone: nothing heals, changes, starts or removes it until it is resumed.

    Who, why and until when is in the log; `fleet status` and `fleet plan` show it.

    \b
    Examples:
      fleet suspend --why "moving the rack" --for 2h
      fleet suspend service/web --why "looking at a leak"
      fleet suspend web/2 --why "debugger attached" --for 30m
    """
    if not why.strip():
        raise typer.BadParameter("say why, for whoever wonders later", param_hint="--why")
    from reconciler.control.session import open_session
    from reconciler.control.suspending import suspend as leave_alone

    with open_session(project) as session:
        event = leave_alone(session, resource, why=why.strip(), for_ms=duration(period, "--for"))
        if as_json:
            from reconciler.control.documents import suspension_document

            print_json(suspension_document(event, session.cause.actor))
            return
    until = event.data.get("until")
    ends = f"until {local_time(until)}" if until else "until `fleet resume`"
    typer.echo(f"{event.data['resource'] or 'The fleet'} is left alone {ends}: {why.strip()}")

"""`fleet resume`: end a suspension."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.cli.suspend import ResourceArgument


@about_project
def resume(
    project: Project,
    resource: ResourceArgument = "",
    why: Annotated[str, typer.Option("--why", help="The reason, if there is one to tell.", metavar="TEXT")] = "",
    as_json: JsonOption = False,
) -> None:
    """End a suspension; the next apply or cycle of the loop treats the resource as any other again.

    \b
    Examples:
      fleet resume
      fleet resume service/web --why "the leak is found"
    """
    from reconciler.control.session import open_session
    from reconciler.control.suspending import resume as go_on

    with open_session(project) as session:
        event = go_on(session, resource, why=why.strip())
        if as_json:
            from reconciler.control.documents import suspension_document

            print_json(suspension_document(event, session.cause.actor))
            return
    typer.echo(f"{event.data['resource'] or 'The fleet'} is looked after again.")

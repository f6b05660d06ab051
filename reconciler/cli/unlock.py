"""`fleet unlock`: end the lease of a writer that will not end it itself."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import age, print_json, utc_time
from reconciler.cli.tending import existing_log, now_ms


@about_project
def unlock(
    project: Project,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """End the writer's lease on a person's word. The writer that had it is refused when it next wants to record something.

    Seldom needed: the lease of a writer that died is free at once on the same machine, and soon on another.

    \b
    Examples:
      fleet unlock
      fleet unlock --yes
    """
    from reconciler.control.session import open_session

    with open_session(project) as session:
        store = existing_log(session)
        holder = store.lease_holder()
        if holder is not None:
            told = f"{holder.holder} has been writing for {age(holder.acquired_at, now_ms())}, to {holder.purpose}"
            _confirm(told, yes=yes)
        broken = store.break_lease(session.cause) if holder is not None else None
    if as_json:
        document = None
        if broken is not None:
            document = {"holder": broken.holder, "purpose": broken.purpose, "since": utc_time(broken.acquired_at)}
        print_json({"broken": document})
    elif broken is None:
        typer.echo("Nobody holds the lease.")
    else:
        typer.echo(f"The lease of {broken.holder} is ended.")


def _confirm(told: str, *, yes: bool) -> None:
    """Go on only with somebody's yes.

    Raises:
        ConfirmationMissing: nobody gave one.
    """
    from reconciler.errors import ConfirmationMissing

    if yes or (sys.stdin.isatty() and sys.stdout.isatty() and typer.confirm(f"{told}. End its lease?")):
        return
    raise ConfirmationMissing(f"{told}; its lease was left alone", hint="fleet unlock --yes")

"""`fleet restore`: a backup takes the place of the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.cli.tending import Counter, now_ms


@about_project
def restore(
    project: Project,
    backup: Annotated[
        Path, typer.Argument(help="The backup; fleet backup --list shows those that there are.", metavar="FILE")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Even if the backup is of another log.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the place of the log, checked before and after. What is replaced is kept aside.

    Refuses while anybody writes to the log or has it open. Containers are not touched: the next apply sees what runs and
    goes on from there.

    \b
    Examples:
      fleet restore ~/.local/share/fleet/3f5a1c0de94b/backups/squawk-0c1d2e3f-20261124T040000Z-1042.db
    """
    from reconciler.control.session import open_session
    from reconciler.ops.restore import restore as run

    with open_session(project) as session, Counter("", quiet=as_json) as counter:
        done = run(
            session.database,
            backup.absolute(),
            session.cause,
            now_ms=now_ms(),
            other_log=yes,
            progress=counter.say,
        )
    if as_json:
        print_json(
            {
                "backup": str(done.backup),
                "sequence_number": done.sequence,
                "replaced": str(done.replaced) if done.replaced else None,
                "replaced_sequence_number": done.replaced_sequence,
            }
        )
        return
    typer.echo(f"the log is the backup's now, complete up to event {done.sequence} and checked")
    if done.replaced is not None:
        ended = f", which ended with event {done.replaced_sequence}" if done.replaced_sequence is not None else ""
        typer.echo(f"  the log that was there{ended}, is kept as {done.replaced}")
    typer.echo("  fleet plan shows what differs from what runs")

"""`fleet rebuild`: the projections made anew from the log."""

from __future__ import annotations

import time

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.cli.tending import Counter, existing_log


@about_project
def rebuild(project: Project, as_json: JsonOption = False) -> None:
    """Make everything that follows from the log anew, and put it in place of what is there in one step.

    Others may read and append meanwhile; they see the old rows until the new ones are complete.

    \b
    Examples:
      fleet rebuild
      fleet rebuild --json
    """
    from reconciler.control.session import open_session
    from reconciler.ops.rebuild import rebuild as run

    began = time.monotonic()
    with open_session(project) as session, Counter("folding event", quiet=as_json) as counter:
        events = run(existing_log(session), counter)
    seconds = time.monotonic() - began
    if as_json:
        print_json({"events": events, "seconds": round(seconds, 3)})
    else:
        typer.echo(f"rebuilt from {events:,} events in {seconds:.1f} s")

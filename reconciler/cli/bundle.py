"""`fleet bundle`: one redacted archive for a bug report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.cli.tending import Counter, now_ms

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.ops.bundle import Surroundings


@about_project
def bundle(
    project: Project,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The archive to write (default: here, with the time in its name)."),
    ] = None,
    events: Annotated[int, typer.Option("--events", help="How many of the newest events go in.", min=0)] = 500,
    as_json: JsonOption = False,
) -> None:
    """Collect what a bug report needs into one archive: findings of the doctor, counts, the last events, the plan.

    No secret and no value of a variable goes in. Have a look before you send it: it is a few JSON files.

    \b
    Examples:
      fleet bundle
      fleet bundle --out report.tar.gz --events 2000
    """
    from reconciler.control.session import open_session
    from reconciler.ops.bundle import bundle as write
    from reconciler.ops.bundle import default_name

    now = now_ms()
    path = (out or Path(default_name(now))).absolute()
    with open_session(project) as session, Counter("", quiet=as_json) as counter:
        counter.say("asking the doctor")
        around = _surroundings(session)
        counter.say("reading the log")
        names = write(session.database, path, around, now_ms=now, events=events)
    if as_json:
        print_json({"path": str(path), "files": list(names)})
    else:
        typer.echo(f"{path}\n  {', '.join(names)}\n  redacted; have a look before you send it")


def _surroundings(session: Session) -> Surroundings:
    """What the doctor finds and what the plan would be, as far as either can be had."""
    from reconciler.control.look import look
    from reconciler.errors import FleetError
    from reconciler.ops.bundle import Surroundings
    from reconciler.ops.doctor import Surroundings as Machine
    from reconciler.ops.doctor import examine

    findings = examine(Machine(), file=session.file, database=lambda: session.database)
    plan, problems = None, []
    try:
        plan = look(session).plan
    except FleetError as error:
        problems.append(f"plan.json: {error}")
    return Surroundings(findings, plan, tuple(_secrets(session)), tuple(problems))


def _secrets(session: Session) -> Iterator[bytes]:
    """Values that the file's secrets have now, as far as looking them up runs no command."""
    from reconciler.errors import FleetError
    from reconciler.spec.load import load
    from reconciler.spec.secrets import resolve

    try:
        declared = load(session.file, project=session.directory, options=session.load_options()).desired.secrets
    except FleetError:
        return
    for source in declared.values():
        if source.env or source.file:
            try:
                yield resolve(source, project=session.directory, environ=session.environ)
            except FleetError:
                continue

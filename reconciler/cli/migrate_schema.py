"""`fleet migrate up|down|status`: the shape of the log's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json

if TYPE_CHECKING:
    from reconciler.ops.shape import Migrated, Shape


@about_project
def status(project: Project, as_json: JsonOption = False) -> None:
    """Show which shape the log's file has, and which migrations are still to come. Changes nothing.

    \b
    Examples:
      fleet migrate status
      fleet migrate status --json
    """
    from reconciler.control.session import open_session
    from reconciler.ops.shape import shape_of

    with open_session(project) as session:
        shape = shape_of(session.database)
    if as_json:
        print_json(_document(shape))
    else:
        typer.echo(_text(shape))


@about_project
def up(project: Project, as_json: JsonOption = False) -> None:
    """Bring the log's file to the shape of this release, after making a copy beside it.

    Every command that writes does this by itself. A migration that fails leaves the file as it was.

    \b
    Examples:
      fleet migrate up
    """
    from reconciler.control.session import open_session
    from reconciler.ops.shape import up as run

    with open_session(project) as session:
        _tell(run(session.database), as_json)


@about_project
def down(
    project: Project,
    to: Annotated[
        str, typer.Option("--to", help="The revision to go back to (default: one step).", metavar="REV")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Take the log's file back to an older shape, after making a copy beside it, to go on with an older release.

    No event is lost: what is dropped follows from the log, and is made anew by the next `fleet migrate up`.

    \b
    Examples:
      fleet migrate down
      fleet migrate down --to 0001
    """
    from reconciler.control.session import open_session
    from reconciler.ops.shape import down as run

    with open_session(project) as session:
        _tell(run(session.database, session.cause, to), as_json)


def _tell(done: Migrated, as_json: bool) -> None:
    if as_json:
        copy = None if done.copy is None else str(done.copy)
        print_json({"before": done.before, "after": done.after, "copy": copy})
    elif done.before == done.after:
        typer.echo(f"nothing to do: the log has the shape {done.after}")
    else:
        typer.echo(f"the log went from shape {done.before} to {done.after}; a copy from before is {done.copy}")


def _text(shape: Shape) -> str:
    if not shape.revision:
        head = f"there is no log yet at {shape.path}; a new one has the shape {shape.newest}"
    elif shape.revision == shape.newest:
        head = f"the log has the newest shape, {shape.newest}"
    else:
        head = f"the log has the shape {shape.revision}; fleet migrate up brings it to {shape.newest}"
    pending = {step.revision for step in shape.pending}
    marks = [
        f"  {step.revision}  {'to come' if step.revision in pending else 'done   '}  {step.what}"
        for step in shape.steps
    ]
    return "\n".join([head, *(marks if shape.revision else [])])


def _document(shape: Shape) -> dict[str, object]:
    return {
        "path": str(shape.path),
        "revision": shape.revision or None,
        "newest": shape.newest,
        "pending": [{"revision": step.revision, "what": step.what} for step in shape.pending],
    }

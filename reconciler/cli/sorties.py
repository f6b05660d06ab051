"""`fleet sorties`: what people do with single sorties."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import age, colour_wanted, columns, local_time, paint, print_json, width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.control.desk.desk import Command
    from reconciler.ops.work_view import SortieView
    from reconciler.work.state import Sortie

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)

SortieArgument = Annotated[str, typer.Argument(help="sortie/MISSION/NAME, MISSION/NAME or its id.", metavar="SORTIE")]
_HEADINGS = ("", "SORTIE", "STATUS", "BY", "TRY", "SINCE")
_LONGEST_NAME = 24


@app.callback()
def sorties() -> None:
    """Look at sorties, and help those that are stuck."""


@app.command("list")
@about_project
def list_(
    project: Project,
    status: Annotated[list[str], typer.Option("--status", help="Only in this status (repeatable).")] = [],
    mission: Annotated[str, typer.Option("--mission", help="Only of this mission.", metavar="MISSION")] = "",
    assigned_to: Annotated[
        str, typer.Option("--assigned-to", help="Only those of this specialist.", metavar="SPECIALIST")
    ] = "",
    priority: Annotated[list[str], typer.Option("--priority", help="Only of this priority (repeatable).")] = [],
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that have ended, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List open sorties, and what each waits for.

    \b
    Examples:
      fleet sorties list
      fleet sorties list --mission add-login --all
      fleet sorties list --status failed --json
    """
    from reconciler.control.session import open_session
    from reconciler.control.work_documents import sortie_document
    from reconciler.control.work_reasons import explained
    from reconciler.ops.work_view import mission_view, sortie_views

    with open_session(project) as session:
        store = session.store
        rows = explained(store.rows()) if store is not None else None
        found: list[SortieView] = []
        if rows is not None:
            found = sortie_views(rows, mission_id=mission_view(rows, mission).id if mission else "")
    if status:
        found = [one for one in found if one.status in status]
    elif not every:
        found = [one for one in found if not one.ended]
    if assigned_to:
        found = [one for one in found if one.assigned_to == assigned_to]
    if priority:
        found = [one for one in found if one.priority in priority]
    if as_json:
        print_json([sortie_document(one) for one in found])
    elif found:
        typer.echo("\n".join(sortie_table(found)))
    else:
        typer.echo("no sorties" if every or status else "no open sorties")


def sortie_table(found: Sequence[SortieView]) -> list[str]:
    """One line a sortie, under headings; below it, further in, why it waits or what came of it."""
    import textwrap
    import time

    from reconciler.work.graph import SIGNS

    now, room = time.time_ns() // 1_000_000, max(width(), 80)
    rows = [
        (
            SIGNS[one.status],
            one.address.removeprefix("sortie/"),
            one.status.replace("_", " "),
            _short_id(one.assigned_to) or "-",
            str(one.attempt) if one.attempt else "-",
            age(one.completed_at or one.started_at or one.created_at, now),
        )
        for one in found
    ]
    headings, *lines = columns(_HEADINGS, rows, limit=room).splitlines()
    table = [headings]
    for one, line in zip(found, lines, strict=True):
        indent = " " * 5
        told = textwrap.wrap(one.doing, room, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        table += [line, *told]
    return table


def _short_id(word: str) -> str:
    return word if len(word) <= _LONGEST_NAME else f"{word[: _LONGEST_NAME - 1]}…"


@app.command()
@about_project
def show(project: Project, sortie: SortieArgument, as_json: JsonOption = False) -> None:
    """Show one sortie: what it was declared to be, how it stands, and what came of it.

    \b
    Examples:
      fleet sorties show add-login/build
      fleet sorties show add-login/build --json
    """
    from reconciler.control.session import open_session
    from reconciler.control.work_documents import sortie_document
    from reconciler.control.work_door import reading_store
    from reconciler.control.work_reasons import explained
    from reconciler.ops.work_view import Names, sortie_view

    with open_session(project) as session:
        rows = explained(reading_store(session).rows())
        found, names = sortie_view(rows, sortie), Names(rows)
        document = sortie_document(found)
        definition = {key: names.spoken(_short(value)) for key, value in document["definition"].items()}
    if as_json:
        print_json(document)
        return
    typer.echo(paint(f"{found.address}: {found.title}", "bold", on=colour_wanted()))
    about = f": {found.doing}" if found.doing else ""
    typer.echo(f"{found.status.replace('_', ' ')}{about}  ({found.id})")
    facts = {
        "priority": found.priority,
        "assigned to": found.assigned_to,
        "attempt": str(found.attempt) if found.attempt else "",
        "made": local_time(found.created_at),
        "started": local_time(found.started_at),
        "ended": local_time(found.completed_at),
        "description": found.row.get("description") or "",
        **definition,
        "last error": found.row.get("last_error") or "",
        "feedback": found.row.get("feedback") or "",
        "result": _short(found.row["result"]) if found.row.get("result") else "",
    }
    for name, value in facts.items():
        if value and value != "-":
            typer.echo(f"  {name + ':':<14} {value}")


def _short(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    import json

    return json.dumps(value, ensure_ascii=False)


@app.command()
@about_project
def cancel(
    project: Project,
    sortie: SortieArgument,
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever wonders.", metavar="TEXT")] = "",
    as_json: JsonOption = False,
) -> None:
    """End a sortie that is not wanted any more; what depends on its success is closed with it.

    \b
    Examples:
      fleet sorties cancel add-login/docs --why "no docs this time"
    """
    from reconciler.control.desk import sorties as desk

    _do(project, sortie, lambda found, by: desk.cancel(found, by=by, why=why), as_json=as_json)


@app.command()
@about_project
def retry(project: Project, sortie: SortieArgument, as_json: JsonOption = False) -> None:
    """Open a failed or cancelled sortie again with all its attempts, while its mission is under way.

    A mission that has failed is opened with all that failed in it: fleet missions retry.

    \b
    Examples:
      fleet sorties retry add-login/build
    """
    from reconciler.control.desk import sorties as desk

    _do(project, sortie, lambda found, by: desk.retry(found, by=by), as_json=as_json)


@app.command()
@about_project
def assign(
    project: Project,
    sortie: SortieArgument,
    specialist: Annotated[str, typer.Argument(help="The specialist's id.", metavar="SPECIALIST")],
    as_json: JsonOption = False,
) -> None:
    """Give a waiting sortie to one specialist.

    \b
    Examples:
      fleet sorties assign add-login/build spec_builder_2
    """
    from reconciler.control.desk import sorties as desk

    _do(project, sortie, lambda found, by: desk.assign(found, specialist, by=by), as_json=as_json)


@app.command()
@about_project
def unblock(
    project: Project,
    sortie: SortieArgument,
    why: Annotated[str, typer.Option("--why", help="What has changed.", metavar="TEXT")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say that a blocked sortie can go on.

    \b
    Examples:
      fleet sorties unblock add-login/build --why "the token has arrived"
    """
    from reconciler.control.desk import sorties as desk

    _do(project, sortie, lambda found, by: desk.unblock(found, by=by, reason=why), as_json=as_json)


@app.command()
@about_project
def review(
    project: Project,
    sortie: SortieArgument,
    verdict: Annotated[str, typer.Argument(help="approved, needs_changes or rejected.", metavar="VERDICT")],
    feedback: Annotated[str, typer.Option("--feedback", help="What is to be changed.", metavar="TEXT")] = "",
    as_json: JsonOption = False,
) -> None:
    """Review a sortie's result: approve it, send it back with feedback, or reject it.

    \b
    Examples:
      fleet sorties review add-login/build approved
      fleet sorties review add-login/build needs_changes --feedback "name the cookie"
    """
    from reconciler.control.desk import sorties as desk

    if verdict not in ("approved", "needs_changes", "rejected"):
        raise typer.BadParameter("approved, needs_changes or rejected", param_hint="VERDICT")
    said = cast("Literal['approved', 'needs_changes', 'rejected']", verdict)
    _do(project, sortie, lambda found, by: desk.reviewed(found, by, said, feedback=feedback), as_json=as_json)


@app.command()
@about_project
def logs(
    project: Project,
    sortie: SortieArgument,
    attempt: Annotated[int, typer.Option("--attempt", help="Of this attempt; 0 for the last one.", min=0)] = 0,
) -> None:
    """Print what the command of an attempt has printed, once the attempt is over.

    \b
    Examples:
      fleet sorties logs add-login/build
      fleet sorties logs add-login/build --attempt 1
    """
    from reconciler.control.session import open_session
    from reconciler.control.work_door import reading_store
    from reconciler.control.worker.artifacts import log_file
    from reconciler.errors import NotFound
    from reconciler.ops.work_view import sortie_view

    with open_session(project) as session:
        found = sortie_view(reading_store(session).rows(), sortie)
        number = attempt or found.attempt
        file = log_file(session.database.parent, found.id, number)
    try:
        data = file.read_bytes()
    except OSError:
        raise NotFound(
            f"attempt {number} of {found.address} has left no output here" if number else f"{found.address} never ran",
            hint=f"fleet sorties show {found.address}",
        ) from None
    sys.stdout.write(data.decode("utf-8", "replace"))


def _do(project: Project, word: str, make: Callable[[str, str], Command[Sortie]], *, as_json: bool) -> None:
    """Find a sortie, do something about it, and say how it stands then."""
    from reconciler.control.session import open_session
    from reconciler.control.work_documents import sortie_document
    from reconciler.control.work_door import open_desk
    from reconciler.ops.work_view import sortie_view

    with open_session(project) as session:
        desk, rows = open_desk(session)
        found = sortie_view(rows, word)
        desk.run(make(found.id, session.cause.actor))
        after = sortie_view(session.writable().rows(), found.id)
    if as_json:
        print_json(sortie_document(after))
    else:
        about = f": {after.doing}" if after.doing else ""
        typer.echo(f"{after.address} is {after.status.replace('_', ' ')}{about}")

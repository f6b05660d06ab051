"""`fleet locks`: which files are reserved, by whom, and who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from reconciler.cli.apply import duration
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import age, columns, print_json, width

if TYPE_CHECKING:
    from typer._click.core import Command
    from typer.core import TyperGroup

    from reconciler.control.session import Session
    from reconciler.projections.rows import Row
    from reconciler.work.locks import Purpose

app = typer.Typer(rich_markup_mode=None, add_completion=False, invoke_without_command=True)

WhoOption = Annotated[
    str, typer.Option("--as", help="For whom, instead of yourself: a specialist's name or id.", metavar="NAME")
]


@app.callback()
def locks(context: typer.Context) -> None:
    """See and change which files are reserved. Sorties reserve their `files` by themselves."""
    if context.invoked_subcommand is None:
        group = cast("TyperGroup", context.command)
        found = cast("Command", group.get_command(context, "list"))
        with found.make_context("list", [], parent=context) as inner:
            found.invoke(inner)


@app.command("list")
@about_project
def list_(
    project: Project,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that ended, too.")] = False,
    held_by: Annotated[str, typer.Option("--by", help="Only those of this holder.", metavar="NAME")] = "",
    as_json: JsonOption = False,
) -> None:
    """List reservations, and deadlocks where agents wait for each other in a circle. `fleet locks` alone does this, too.

    \b
    Examples:
      fleet locks list
      fleet locks list --by builder-1 --json
    """
    from reconciler.cli.tending import now_ms
    from reconciler.control.coordination import deadlock_document, lock_document, mailbox_of, rows_of
    from reconciler.control.desk.locks import deadlocks
    from reconciler.control.session import open_session

    with open_session(project) as session:
        rows, now = rows_of(session), now_ms()
        found = [row for _, row in rows.scan("locks") if every or row["status"] == "active"]
        found.sort(key=lambda row: (row["normalized_path"], row["reserved_at"]))
        if held_by:
            holder = mailbox_of(rows, held_by)
            found = [row for row in found if row["reserved_by"] == holder]
        circles = deadlocks(rows, now, root=str(session.directory))
    if as_json:
        shown = [lock_document(row) for row in found]
        print_json({"locks": shown, "deadlocks": [deadlock_document(one) for one in circles]})
        return
    typer.echo(_table(found, now) if found else "nothing is reserved")
    for circle in circles:
        typer.echo(circle.text)


@app.command()
@about_project
def reserve(
    project: Project,
    paths: Annotated[list[str], typer.Argument(help="Files, globs, or folders with a slash.", metavar="PATH...")],
    purpose: Annotated[str, typer.Option("--purpose", help="edit, read or delete.", metavar="WORD")] = "edit",
    period: Annotated[str, typer.Option("--for", help="It ends by itself after this long.", metavar="TIME")] = "10m",
    who: WhoOption = "",
    as_json: JsonOption = False,
) -> None:
    """Reserve files, all or none. Asked again by the same holder, a reservation is prolonged.

    \b
    Examples:
      fleet locks reserve src/auth.py
      fleet locks reserve "src/**/*.py" docs/ --for 1h
      fleet locks reserve schema.sql --purpose read --as builder-1
    """
    from reconciler.control.coordination import checksum, lock_document, open_coordination
    from reconciler.control.desk import locks as desk_locks
    from reconciler.control.session import open_session

    with open_session(project) as session:
        desk, store = open_coordination(session)
        command = desk_locks.reserve(
            paths,
            _me(session, who),
            purpose=cast("Purpose", purpose),
            timeout_ms=duration(period, "--for"),
            checksums={path: found for path in paths if (found := checksum(session.directory / path))},
            root=str(session.directory),
        )
        done = desk.run(command).value
        rows = [store.rows().get("locks", one.id) or {} for one in done]
    if as_json:
        print_json([lock_document(row) for row in rows])
    else:
        for one in done:
            typer.echo(f"{one.normalized_path} is reserved for {one.reserved_by} ({one.id})")


@app.command()
@about_project
def release(
    project: Project,
    names: Annotated[list[str], typer.Argument(help="The path, or the reservation's id.", metavar="LOCK...")],
    force: Annotated[bool, typer.Option("--force", help="Somebody else's, too.")] = False,
    who: WhoOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give reservations back.

    \b
    Examples:
      fleet locks release src/auth.py
      fleet locks release lock_0190c2 --force
    """
    from reconciler.control.coordination import checksum, lock_document, open_coordination
    from reconciler.control.desk import locks as desk_locks
    from reconciler.control.session import open_session

    with open_session(project) as session:
        desk, store = open_coordination(session)
        holder, rows = _me(session, who), []
        for name in names:
            lock = desk_locks.find(store.rows(), name, root=str(session.directory))
            now = checksum(session.directory / lock.normalized_path)
            done = desk.run(desk_locks.release(lock.id, holder, force=force, final_checksum=now)).value
            rows.append(store.rows().get("locks", done.id) or {})
    if as_json:
        print_json([lock_document(row) for row in rows])
    else:
        for row in rows:
            typer.echo(f"{row['normalized_path']} is free")


def _me(session: Session, who: str) -> str:
    from reconciler.control.coordination import mailbox_of, rows_of
    from reconciler.control.provenance import actor

    return mailbox_of(rows_of(session), who) if who else actor(session.environ)


def _table(found: list[Row], now: int) -> str:
    rows = [
        (
            row["normalized_path"],
            row["purpose"],
            row["reserved_by"],
            age(row["reserved_at"], now),
            _left(row, now),
            row["id"],
        )
        for row in found
    ]
    return columns(("PATH", "FOR", "BY", "SINCE", "LEFT", "LOCK"), rows, limit=max(width(), 80))


def _left(row: Row, now: int) -> str:
    if row["status"] != "active":
        return str(row["status"])
    left = row["expires_at"] - now
    return age(now - left, now) if left > 0 else "over"

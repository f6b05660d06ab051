"""`fleet backup`: a checked copy of the log, made while Fleet runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import columns, local_time, print_json, utc_time
from reconciler.cli.tending import Counter, existing_log, now_ms, size

if TYPE_CHECKING:
    from reconciler.control.session import Session


@about_project
def backup(
    project: Project,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="The folder for it (default: as the file says, else beside the log).", metavar="DIR"),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", help="How many stay, the oldest go; 0 for all (default: as the file says).", min=0),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the backups that there are, and make none.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the log with its archive to a file that is a log itself, and check the copy from end to end.

    Others may read and write meanwhile. The backup can be read like the log: `fleet events --database FILE`.

    \b
    Examples:
      fleet backup
      fleet backup --to /mnt/backups --keep 14
      fleet backup --list
    """
    from reconciler.control.session import open_session
    from reconciler.ops.backup import back_up

    with open_session(project) as session:
        folder, most = _where(session, to, keep)
        if show:
            _list(session, folder, as_json=as_json)
            return
        store = existing_log(session)
        with Counter("copying page", quiet=as_json) as counter:
            made = back_up(store, folder, session.cause, keep=most, now_ms=now_ms(), progress=counter)
    if as_json:
        pruned = [str(path) for path in made.pruned]
        print_json({"path": str(made.path), "sequence_number": made.sequence, "size": made.size, "pruned": pruned})
        return
    typer.echo(f"{made.path}\n  complete up to event {made.sequence}, checked, {size(made.size)}")
    for path in made.pruned:
        typer.echo(f"  removed the older {path.name}")


def _where(session: Session, to: Path | None, keep: int | None) -> tuple[Path, int]:
    from reconciler.errors import LogUnusable
    from reconciler.ops.settings import backup_folder, settings_of
    from reconciler.spec.desired import DatabaseSettings

    try:
        settings = settings_of(session.store.rows()) if session.store is not None else DatabaseSettings()
    except LogUnusable:
        # The backups of a log that cannot be read are what a person looks for now.
        settings = DatabaseSettings()
    folder = to or backup_folder(settings, database=session.database, project=session.directory)
    return folder.absolute(), settings.backup.keep if keep is None else keep


def _list(session: Session, folder: Path, *, as_json: bool) -> None:
    from reconciler.ops.backup import backups_of

    found = [(path, path.stat()) for path in reversed(backups_of(session.database, folder))]
    if as_json:
        print_json(
            [
                {"path": str(path), "size": about.st_size, "at": utc_time(about.st_mtime_ns // 1_000_000)}
                for path, about in found
            ]
        )
    elif not found:
        typer.echo(f"there are no backups in {folder}")
    else:
        rows = [(local_time(about.st_mtime_ns // 1_000_000), size(about.st_size), str(path)) for path, about in found]
        typer.echo(columns(("WHEN", "SIZE", "FILE"), rows))

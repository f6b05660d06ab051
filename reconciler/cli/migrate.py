"""`fleet migrate`: the schema of the log's database, and the way from and to the old squawk.json."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli import migrate_schema
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, paint, print_json

if TYPE_CHECKING:
    from reconciler.legacy.importing import Report

app = typer.Typer(
    name="migrate",
    help="Move the log's schema, and import the old squawk.json.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

_MOST_FINDINGS = 20


@app.callback()
def migrate() -> None:
    """Move the log's schema, and import the old squawk.json."""


app.command()(migrate_schema.status)
app.command()(migrate_schema.up)
app.command()(migrate_schema.down)


@app.command()
@about_project
def legacy(
    project: Project,
    old: Annotated[
        Path | None,
        typer.Argument(help="The old file (default: squawk.json in the data folder).", metavar="FILE"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be imported.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Carry the old squawk.json over into the event log: all of it, compared, in one transaction; or nothing.

    Afterwards the file is renamed to squawk.json.migrated.<time>. Running it again does nothing. Whatever is odd in the
    file is listed with its place; `fleet migrate rollback` gives every record back as it was.

    \b
    Exit code 3 when the file is broken.
    Examples:
      fleet migrate legacy --dry-run
      fleet migrate legacy
      fleet migrate legacy ./squawk.json --json
    """
    from reconciler.control.session import Session
    from reconciler.legacy.importing import default_file, import_file, preview, put_away_before
    from reconciler.legacy.reading import read_old_file

    file = old if old is not None else default_file()
    if not file.exists() and (old is None or put_away_before(file)):
        _say_nothing_to_do(file, put_away_before(file), as_json)
        return
    now_ms = time.time_ns() // 1_000_000
    with Session(project, source="import") as session:
        if dry_run:
            report = preview(file, session.store, project=session.directory, now_ms=now_ms)
        else:
            # A broken file has to be known before a log is made for it.
            read_old_file(file)
            report = import_file(
                file, session.writable(), project=session.directory, cause=session.cause, now_ms=now_ms
            )
    if as_json:
        print_json(_document(report))
    else:
        _say(report)


def _say_nothing_to_do(file: Path, earlier: tuple[Path, ...], as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "found": False, "put_away": [str(path) for path in earlier]})
        return
    put_away = f"; it was imported and is {earlier[-1]} now" if earlier else ""
    typer.echo(f"nothing to import: there is no {file}{put_away}")


def _document(report: Report) -> dict[str, Any]:
    document = asdict(report)
    document["found"] = True
    document["findings"] = [{**asdict(finding), "file": report.file} for finding in report.findings]
    return document


def _say(report: Report) -> None:
    on = colour_wanted()
    for finding in report.findings[:_MOST_FINDINGS]:
        place = f"{report.file}:{finding.line}:{finding.column}"
        typer.echo(f"{paint('odd:', 'yellow', on=on)} {place}: {finding.path}: {finding.message}")
    if len(report.findings) > _MOST_FINDINGS:
        typer.echo(f"… and {len(report.findings) - _MOST_FINDINGS} more; --json lists them all")
    what = ", ".join(f"{count} {kind}" for kind, count in report.counts.items())
    verb = "would be imported" if report.dry_run else "imported"
    typer.echo(f"{paint(verb, 'green', on=on)}: {what}, as {report.events} events")
    skipped = {kind: count for kind, count in report.skipped.items() if count}
    if skipped:
        typer.echo("in the log already: " + ", ".join(f"{count} {kind}" for kind, count in skipped.items()))
    if report.kept:
        typer.echo(f"kept as they are, for the way back: {report.kept}")
    if report.archived:
        typer.echo(f"the file is {report.archived} now")
    if report.warning:
        print(f"fleet: {report.warning}", file=sys.stderr)


@app.command()
@about_project
def rollback(
    project: Project,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write (default: squawk.json in the data folder).", metavar="FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a squawk.json from the log: what was imported, as it was, and what came later, in the old form.

    The log itself stays as it is. What has no old form is counted by type.

    \b
    Examples:
      fleet migrate rollback --out squawk.json
      fleet migrate rollback --json
    """
    from reconciler.control.session import Session
    from reconciler.errors import NotFound
    from reconciler.legacy.importing import default_file
    from reconciler.legacy.rollback import roll_back

    with Session(project) as session:
        store = session.store
        if store is None:
            raise NotFound("there is no event log yet", hint="fleet apply, or fleet migrate legacy")
        returned = roll_back(store, out if out is not None else default_file(), force=force)
    if as_json:
        print_json(asdict(returned))
        return
    what = ", ".join(f"{count} {kind}" for kind, count in returned.counts.items())
    typer.echo(f"{paint('written', 'green', on=colour_wanted())} {returned.file}: {what}")
    if returned.without_form:
        typer.echo("without an old form, and so not in it:")
        for event_type, count in returned.without_form.items():
            typer.echo(f"  {count:>6} {event_type}")

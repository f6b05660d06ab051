"""`fleet checkpoints`: look at checkpoints, and let go of old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import columns, local_time, print_json, short_local_time, width

if TYPE_CHECKING:
    from reconciler.projections.rows import Row

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def checkpoints() -> None:
    """Look at checkpoints, and let go of old ones; `fleet checkpoint` takes one, `fleet resume` goes on from one."""


@app.command("list")
@about_project
def list_(
    project: Project,
    mission: Annotated[
        str, typer.Option("--mission", help="Only of this mission, by name or id.", metavar="MISSION")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List checkpoints, newest first, with those of which only the file is left.

    \b
    Examples:
      fleet checkpoints list
      fleet checkpoints list --mission add-login --json
    """
    from reconciler.control.checkpoints.files import Files
    from reconciler.control.coordination import checkpoint_document, rows_of
    from reconciler.control.desk import missions
    from reconciler.control.session import open_session

    with open_session(project) as session:
        rows = rows_of(session)
        files = Files(session.directory)
        wanted = missions.find(rows, mission).id if mission else ""
        found = _all(rows, files, wanted)
        names = {key: row["title"] for key, row in rows.scan("missions")}
    if as_json:
        print_json([checkpoint_document(row) | {"kept_in": where} for row, where in found])
    elif found:
        table: list[tuple[str, ...]] = [
            (
                short_local_time(row["created_at"]),
                row["trigger"] + (f" {row['progress']} %" if row["trigger"] == "progress" else ""),
                where,
                str(names.get(row["mission_id"] or "", row["specialist_id"])),
                row["id"],
            )
            for row, where in found
        ]
        typer.echo(columns(("TAKEN", "WHY", "IN", "OF", "CHECKPOINT"), _cut(table), limit=max(width(), 80)))
    else:
        typer.echo("no checkpoints")


@app.command()
@about_project
def show(
    project: Project,
    checkpoint: Annotated[str, typer.Argument(help="Its id, or `latest`.", metavar="CHECKPOINT")] = "latest",
    prompt: Annotated[bool, typer.Option("--prompt", help="Only the text for an agent's prompt.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a checkpoint: what was open, what to do next, and what stands in the way.

    \b
    Examples:
      fleet checkpoints show
      fleet checkpoints show ckpt_0190c2 --prompt
      fleet checkpoints show latest --json
    """
    from reconciler.control.checkpoints.files import Files
    from reconciler.control.checkpoints.finding import find, newest_of_all
    from reconciler.control.coordination import checkpoint_document, rows_of
    from reconciler.control.session import open_session
    from reconciler.work.checkpoints import Recovery

    with open_session(project) as session:
        rows, files = rows_of(session), Files(session.directory)
        found = newest_of_all(rows, files) if checkpoint == "latest" else find(rows, files, checkpoint)
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    text = Recovery.from_document(found.row.get("context", {}).get("recovery", {})).to_prompt()
    if as_json:
        more = {"prompt": text, "warnings": list(found.warnings)}
        print_json(checkpoint_document(found.row, whole=True) | more)
    elif prompt:
        typer.echo(text)
    else:
        typer.echo(_head(found.row))
        typer.echo("\n".join(f"  {line}" for line in text.splitlines()[1:]))


@app.command()
@about_project
def prune(
    project: Project,
    checkpoint: Annotated[
        list[str], typer.Argument(help="Let go of these, whatever their age.", metavar="CHECKPOINT...")
    ] = [],
    as_json: JsonOption = False,
) -> None:
    """Let go of old checkpoints: seven days are kept, of each mission three at least, the last of a completed one 30 days.

    \b
    Examples:
      fleet checkpoints prune
      fleet checkpoints prune ckpt_0190c2
    """
    from reconciler.cli.tending import existing_log
    from reconciler.control.coordination import open_coordination
    from reconciler.control.desk import checkpoints as desk_checkpoints
    from reconciler.control.session import open_session

    with open_session(project) as session:
        existing_log(session)
        desk, _ = open_coordination(session)
        gone = list(checkpoint)
        for key in gone:
            desk.run(desk_checkpoints.delete(key))
        if not gone:
            gone = desk.run(desk_checkpoints.prune()).value
    if as_json:
        print_json({"pruned": gone})
    else:
        typer.echo("\n".join(f"{key} is gone" for key in gone) or "nothing is old enough")


def _all(rows: Any, files: Any, mission_id: str) -> list[tuple[Row, str]]:
    """Every checkpoint with where it is kept, newest first."""
    from reconciler.work.refusals import InputRefused

    in_files = set(files.ids(mission_id))
    found: dict[str, tuple[Row, str]] = {}
    for key, row in rows.scan("checkpoints"):
        if not mission_id or row["mission_id"] == mission_id:
            found[key] = row, "both" if key in in_files else "log"
    for key in in_files - set(found):
        try:
            row = files.read(key)
        except InputRefused as damaged:
            typer.echo(f"warning: {damaged}", err=True)
            continue
        if row is not None:
            found[key] = row, "file"
    return [found[key] for key in sorted(found, reverse=True)]


def _cut(table: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What it is of, no longer than leaves the id whole."""
    return [(*row[:3], row[3] if len(row[3]) <= 12 else f"{row[3][:11]}…", row[4]) for row in table]


def _head(row: Row) -> str:
    from reconciler.plan.reasons import counted

    of = row["mission_id"] or row["specialist_id"]
    lines = [f"{row['id']} of {of}, taken {local_time(row['created_at'])} ({row['trigger']})"]
    note = (row.get("context") or {}).get("note")
    counts = (("sortie", "active_sorties"), ("reservation", "held_locks"), ("message", "pending_messages"))
    lines.append("  open: " + ", ".join(counted(len(row.get(key) or []), word) for word, key in counts))
    return "\n".join([*lines, *([f"  note: {note}"] if note else [])])

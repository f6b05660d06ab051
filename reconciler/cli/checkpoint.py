"""`fleet checkpoint`: keep how far agents are, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.cli.tending import existing_log

if TYPE_CHECKING:
    from reconciler.projections.rows import Row


@about_project
def checkpoint(
    project: Project,
    mission: Annotated[
        str, typer.Option("--mission", help="Only of this mission, by name or id.", metavar="MISSION")
    ] = "",
    specialist: Annotated[
        str, typer.Option("--specialist", help="Of what this specialist has in its hands.", metavar="NAME")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="What whoever goes on should know.", metavar="TEXT")] = "",
    ttl: Annotated[str, typer.Option("--ttl", help="It may be thrown away after this long.", metavar="TIME")] = "",
    as_json: JsonOption = False,
) -> None:
    """Keep how far agents are: open sorties, reservations, messages in hand, and what to do next.

    Without an option every mission under way gets one, or all that is open when none is. A checkpoint is in the log and in
    a file under `.flightline/checkpoints/`. Fleet takes them by itself at 25, 50 and 75 % of a mission, on errors, before
    compaction and at the end; `fleet resume --checkpoint` goes on from one.

    \b
    Examples:
      fleet checkpoint
      fleet checkpoint --mission add-login --note "the schema is agreed"
      fleet checkpoint --specialist builder-1 --ttl 2d
    """
    from reconciler.cli.apply import duration
    from reconciler.control.coordination import checkpoint_document, open_coordination, specialist_of
    from reconciler.control.desk import checkpoints, missions
    from reconciler.control.session import open_session

    if mission and specialist:
        raise typer.BadParameter("either a mission or a specialist", param_hint="--specialist")
    hours = duration(ttl, "--ttl") / 3_600_000 if ttl else None
    with open_session(project) as session:
        existing_log(session)
        desk, store = open_coordination(session, lambda text: typer.echo(f"warning: {text}", err=True))
        rows = store.rows()
        made: list[Row] = []
        if not mission and not specialist and hours is None:
            made = desk.run(checkpoints.take_all("manual", note=note)).value
        if not made:
            command = checkpoints.take(
                mission_id=missions.find(rows, mission).id if mission else "",
                specialist_id=specialist_of(rows, specialist) if specialist else "",
                note=note,
                ttl_hours=hours,
            )
            made = [desk.run(command).value]
        made = [store.rows().get("checkpoints", row["id"]) or row for row in made]
    if as_json:
        print_json([checkpoint_document(row) for row in made])
        return
    for row in made:
        about = f"of {row['mission_id']}" if row["mission_id"] else f"of {row['specialist_id']}"
        summary = row["recovery"]["mission_summary"]
        typer.echo(f"{row['id']} {about}" + (f": {summary}" if summary else ""))

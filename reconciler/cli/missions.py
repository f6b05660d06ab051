"""`fleet missions`: what people do with missions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.apply import TimeoutOption, duration
from reconciler.cli.missions_plan import plan
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import age, colour_wanted, columns, local_time, paint, print_json, print_json_line, width

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.events.envelope import Event
    from reconciler.ops.work_view import MissionView, Names

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)
app.command("plan")(plan)

MissionArgument = Annotated[
    str, typer.Argument(help="Its name in fleet.yaml (the last run), or its id.", metavar="MISSION")
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; exit code 1 when it failed.")]
_HEADINGS = ("", "MISSION", "RUN", "STATUS", "SORTIES", "SINCE", "")
_SIGNS = {"pending": "·", "in_progress": "▶", "review": "?", "completed": "✔", "failed": "✘", "cancelled": "-"}


@app.callback()
def missions() -> None:
    """Look at missions, run them, and go on with what failed."""


@app.command("list")
@about_project
def list_(
    project: Project,
    status: Annotated[list[str], typer.Option("--status", help="Only in this status (repeatable).")] = [],
    every: Annotated[bool, typer.Option("--all", "-a", help="Earlier runs too, and what has been put away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List missions, the newest first.

    \b
    Examples:
      fleet missions list
      fleet missions list --status in_progress --status failed
      fleet missions list --all --json
    """
    from reconciler.control.session import open_session
    from reconciler.control.work_documents import mission_document
    from reconciler.ops.work_view import latest_runs, mission_views

    with open_session(project) as session:
        store = session.store
        found: list[MissionView] = []
        if store is not None:
            found = mission_views(store.rows()) if every else list(latest_runs(store.rows()))
    if status:
        found = [one for one in found if one.status in status]
    if as_json:
        print_json([mission_document(one) for one in found])
    elif found:
        typer.echo("\n".join(mission_table(found)))
    else:
        typer.echo("no missions")


def mission_table(found: Sequence[MissionView]) -> list[str]:
    """One line a mission, under headings."""
    import time

    now = time.time_ns() // 1_000_000
    rows = [
        (
            _SIGNS[one.status],
            one.name,
            str(one.run) if one.run else "-",
            one.status.replace("_", " "),
            f"{one.completed}/{one.total}" + (f" ({one.held} held)" if one.held else ""),
            age(one.completed_at or one.started_at or one.created_at, now),
            one.reason or one.title,
        )
        for one in found
    ]
    return columns(_HEADINGS, rows, limit=max(width(), 80)).splitlines()


@app.command()
@about_project
def show(project: Project, mission: MissionArgument, as_json: JsonOption = False) -> None:
    """Show a mission with all its sorties, and what each waits for.

    \b
    Examples:
      fleet missions show add-login
      fleet missions show add-login --json
    """
    from reconciler.cli.sorties import sortie_table
    from reconciler.control.session import open_session
    from reconciler.control.work_documents import mission_document, sortie_document
    from reconciler.control.work_door import reading_store
    from reconciler.control.work_reasons import explained
    from reconciler.ops.work_view import mission_view, sortie_views

    with open_session(project) as session:
        rows = explained(reading_store(session).rows())
        found = mission_view(rows, mission)
        own = sortie_views(rows, mission_id=found.id)
    if as_json:
        print_json({**mission_document(found), "definitions": [sortie_document(one) for one in own]})
        return
    run = f", run {found.run}" if found.run else ""
    typer.echo(paint(f"mission/{found.name}{run}: {found.title}", "bold", on=colour_wanted()))
    ended = f", ended {local_time(found.completed_at)}" if found.completed_at else ""
    about = f": {found.reason}" if found.reason else ""
    typer.echo(f"{found.status.replace('_', ' ')}{about}, since {local_time(found.started_at)}{ended}  ({found.id})")
    typer.echo("\n" + "\n".join(sortie_table(own)))


@app.command()
@about_project
def run(
    project: Project,
    mission: Annotated[str, typer.Argument(help="Its name in fleet.yaml.", metavar="MISSION")],
    wait: WaitOption = False,
    timeout: TimeoutOption = "",
    as_json: JsonOption = False,
) -> int:
    """Run a mission of fleet.yaml (again), with the definition that the file has now.

    `fleet apply` starts each mission by itself, once, and again when its work was edited.

    \b
    Examples:
      fleet missions run add-login
      fleet missions run add-login --wait --timeout 30m
    """
    from reconciler.control.checkpoints.filing import Filing
    from reconciler.control.desk import missions as desk_missions
    from reconciler.control.desk.desk import Desk
    from reconciler.control.session import open_session
    from reconciler.control.work_door import declared
    from reconciler.errors import NotFound

    timeout_ms = duration(timeout, "--timeout")
    with open_session(project) as session:
        desired = declared(session)
        name = mission.removeprefix("mission/")
        spec = desired.missions.get(name)
        if spec is None:
            known = ", ".join(sorted(desired.missions)) or "none"
            raise NotFound(f"there is no mission {mission} in {session.file.name}", hint=f"known: {known}")
        desk = Desk(session.writable(desired.database), session.cause, after=Filing(session.directory))
        begun = desk.run(desk_missions.run(spec)).value
        return _say(session, begun.id, "began", wait=wait, timeout_ms=timeout_ms, as_json=as_json)


@app.command()
@about_project
def retry(
    project: Project,
    mission: MissionArgument,
    wait: WaitOption = False,
    timeout: TimeoutOption = "",
    as_json: JsonOption = False,
) -> int:
    """Go on with a failed mission from the sorties that failed; what is completed stays done.

    \b
    Examples:
      fleet missions retry add-login
      fleet missions retry add-login --wait
    """
    from reconciler.control.desk import missions as desk_missions
    from reconciler.control.session import open_session
    from reconciler.control.work_door import open_desk

    timeout_ms = duration(timeout, "--timeout")
    with open_session(project) as session:
        desk, rows = open_desk(session)
        found = desk_missions.find(rows, mission)
        desk.run(desk_missions.retry(found.id, by=session.cause.actor))
        return _say(session, found.id, "goes on", wait=wait, timeout_ms=timeout_ms, as_json=as_json)


@app.command()
@about_project
def cancel(
    project: Project,
    mission: MissionArgument,
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever wonders.", metavar="TEXT")] = "",
    as_json: JsonOption = False,
) -> int:
    """Call a mission off: its open sorties are cancelled, and whoever works on one is told to stop.

    \b
    Examples:
      fleet missions cancel add-login --why "the plan has changed"
    """
    from reconciler.control.desk import missions as desk_missions
    from reconciler.control.session import open_session
    from reconciler.control.work_door import open_desk

    with open_session(project) as session:
        desk, rows = open_desk(session)
        found = desk_missions.find(rows, mission)
        desk.run(desk_missions.cancel(found.id, by=session.cause.actor, reason=why))
        return _say(session, found.id, "was cancelled", wait=False, timeout_ms=0, as_json=as_json)


def _say(session: Session, mission_id: str, word: str, *, wait: bool, timeout_ms: int, as_json: bool) -> int:
    """What became of a mission; the exit code."""
    from reconciler.control.work_documents import mission_document
    from reconciler.ops.work_view import mission_view
    from reconciler.plan.reasons import counted

    store = session.writable()
    found = mission_view(store.rows(), mission_id)
    if as_json and wait:
        print_json_line({"event": "mission", **mission_document(found)})
    elif as_json:
        print_json(mission_document(found))
    else:
        run = f" (run {found.run})" if found.run else ""
        size = counted(sum(found.counts.values()), "sortie")
        typer.echo(f"mission/{found.name}{run} {word}: {size}, {found.completed} done")
    if not wait:
        return 0
    from reconciler.cli.work_progress import await_missions

    return await_missions(session, store, {mission_id}, timeout_ms=timeout_ms, as_json=as_json)


@app.command()
@about_project
def graph(
    project: Project,
    mission: MissionArgument,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Mermaid text, for documents and pull requests.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Draw a mission's graph: how its last run stands, or how it is declared where it never ran.

    \b
    Examples:
      fleet missions graph add-login
      fleet missions graph add-login --mermaid
    """
    from reconciler.control.session import open_session
    from reconciler.control.work_graph import sorties_of
    from reconciler.work import graph as drawing

    with open_session(project) as session:
        sorties = sorties_of(session, mission)
    if as_json:
        edges = {one.plan.name or one.id: one for one in sorties}
        names = {one.id: one.plan.name or one.id for one in sorties}
        print_json(
            [
                {
                    "name": name,
                    "title": one.title,
                    "status": one.status,
                    "depends_on": [names.get(other, other) for other in one.plan.depends_on],
                    "when": one.plan.when or "success",
                }
                for name, one in edges.items()
            ]
        )
    else:
        typer.echo(drawing.mermaid(sorties) if mermaid else drawing.draw(sorties))


@app.command()
@about_project
def logs(
    project: Project,
    mission: MissionArgument,
    tail: Annotated[int, typer.Option("--tail", "-n", help="Only the last lines; 0 for all.", min=0)] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the mission has ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what has happened in a mission and its sorties, oldest first.

    \b
    Examples:
      fleet missions logs add-login
      fleet missions logs add-login --follow
      fleet missions logs add-login --tail 0 --json
    """
    from reconciler.control.session import open_session
    from reconciler.control.work_door import reading_store
    from reconciler.ops.work_story import follow_story, story
    from reconciler.ops.work_view import Names, mission_view

    with open_session(project) as session:
        store = reading_store(session)
        found, names = mission_view(store.rows(), mission), Names(store.rows())
        events = story(store, found.id)
        for event in events[-tail:] if tail else events:
            _tell(event, names, as_json=as_json)
        if follow and not found.ended:
            last = events[-1].sequence_number if events else 0
            for event in follow_story(store, found.id, after=last):
                _tell(event, names, as_json=as_json)


def _tell(event: Event, names: Names, *, as_json: bool) -> None:
    from reconciler.events.document import event_document
    from reconciler.events.sentences import sentence

    text = names.spoken(sentence(event))
    if as_json:
        print_json_line({"text": text, **event_document(event)})
        return
    time = paint(local_time(event.occurred_at), "dim", on=colour_wanted())
    sys.stdout.write(f"{time}  {text}\n")
    sys.stdout.flush()

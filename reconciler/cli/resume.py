"""`fleet resume`: go on, after a suspension or after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.cli.suspend import ResourceArgument

if TYPE_CHECKING:
    from reconciler.control.checkpoints.finding import Found
    from reconciler.control.desk.resuming import Resumed
    from reconciler.control.session import Session
    from reconciler.projections.rows import Rows


@about_project
def resume(
    project: Project,
    resource: ResourceArgument = "",
    why: Annotated[str, typer.Option("--why", help="The reason, if there is one to tell.", metavar="TEXT")] = "",
    checkpoint: Annotated[
        str,
        typer.Option(
            "--checkpoint", help="Take agents' work up again from this checkpoint, or `latest`.", metavar="ID"
        ),
    ] = "",
    mission: Annotated[
        str, typer.Option("--mission", help="Take this mission up again from its newest checkpoint.", metavar="MISSION")
    ] = "",
    on: Annotated[
        str, typer.Option("--on", help="The specialist that goes on, instead of any free one.", metavar="SPECIALIST")
    ] = "",
    gone: Annotated[
        list[str],
        typer.Option("--gone", help="A specialist that is gone, though it was just heard of.", metavar="SPECIALIST"),
    ] = [],
    as_json: JsonOption = False,
) -> None:
    """Go on: end a suspension, or take agents' work up again from a checkpoint after a crash.

    With a resource it ends a suspension; with --checkpoint or --mission it takes work up again. Alone it ends the
    suspension of the whole fleet; where there is none, it takes up the missions that seem to have been interrupted, those
    in progress of which nothing was heard for five minutes.

    From a checkpoint, sorties of specialists that are gone go to one that is free, their reservations are asked for again,
    and messages that nobody dealt with wait anew. What somebody alive holds stays theirs and is named.

    \b
    Examples:
      fleet resume service/web --why "the leak is found"
      fleet resume --checkpoint latest
      fleet resume --mission add-login --on builder-2 --gone builder-1
      fleet resume
    """
    from reconciler.control.session import open_session

    wanted = checkpoint or mission or on or gone
    if resource and wanted:
        raise typer.BadParameter("a suspension has no checkpoint", param_hint="RESOURCE")
    with open_session(project) as session:
        if wanted:
            found = _found(session, checkpoint, mission)
            _show([_take_up(session, found, on, gone)], as_json=as_json)
            return
        if not resource and not _suspended(session) and _take_up_interrupted(session, as_json=as_json):
            return
        from reconciler.control.suspending import resume as go_on

        event = go_on(session, resource, why=why.strip())
        if as_json:
            from reconciler.control.documents import suspension_document

            print_json(suspension_document(event, session.cause.actor))
            return
    typer.echo(f"{event.data['resource'] or 'The fleet'} is looked after again.")


def _suspended(session: Session) -> bool:
    """Whether the whole fleet is left alone just now."""
    from reconciler.cli.tending import now_ms
    from reconciler.ops.status import suspensions

    store = session.store
    return store is not None and any(not one.resource for one in suspensions(store.projected(), now_ms()))


def _found(session: Session, checkpoint: str, mission: str) -> Found:
    from reconciler.control.checkpoints.files import Files
    from reconciler.control.checkpoints.finding import find, newest, newest_of_all
    from reconciler.control.coordination import rows_of
    from reconciler.control.desk import missions

    rows, files = rows_of(session), Files(session.directory)
    if checkpoint and checkpoint != "latest":
        found = find(rows, files, checkpoint)
    elif mission:
        found = newest(rows, files, missions.find(rows, mission).id)
    else:
        found = newest_of_all(rows, files)
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    return found


def _take_up(session: Session, found: Found, on: str, gone: list[str]) -> tuple[Resumed, dict[str, str]]:
    from reconciler.cli.tending import existing_log
    from reconciler.control.coordination import open_coordination, specialist_of
    from reconciler.control.desk.resuming import resume as take_up

    existing_log(session)
    desk, store = open_coordination(session)
    rows = store.rows()
    lost = [specialist_of(rows, name) for name in gone]
    done = desk.run(take_up(found.checkpoint, specialist_id=specialist_of(rows, on) if on else "", gone=lost)).value
    return done, _titles(store.rows(), done)


def _take_up_interrupted(session: Session, *, as_json: bool) -> bool:
    """Take up what seems to have been interrupted; whether there was anything."""
    from reconciler.cli.tending import now_ms
    from reconciler.control.checkpoints.files import Files
    from reconciler.control.checkpoints.finding import find
    from reconciler.control.checkpoints.interrupted import interrupted

    store = session.store
    candidates = interrupted(store, now_ms()) if store is not None else []
    if not candidates:
        return False
    files = Files(session.directory)
    founds = [find(store.rows(), files, one.checkpoint.id) for one in candidates if store is not None]
    _show([_take_up(session, found, "", []) for found in founds], as_json=as_json)
    return True


def _titles(rows: Rows, done: Resumed) -> dict[str, str]:
    keys = [*done.sorties, *done.held, done.mission_id, done.specialist_id, *done.held.values()]
    found: dict[str, str] = {}
    for key in keys:
        for table, field in (("sorties", "title"), ("missions", "title"), ("specialists", "name")):
            row = rows.get(table, key)
            if row is not None:
                found[key] = row[field]
    return found


def _show(done: list[tuple[Resumed, dict[str, str]]], *, as_json: bool) -> None:
    if as_json:
        print_json([_document(one) for one, _ in done])
        return
    for one, titles in done:
        typer.echo("\n".join(_lines(one, titles)))


def _lines(one: Resumed, titles: dict[str, str]) -> list[str]:
    def called(key: str) -> str:
        return titles.get(key, key)

    of = f" of {called(one.mission_id)}" if one.mission_id else ""
    who = called(one.specialist_id) if one.specialist_id else "whoever claims it"
    lines = [f"{one.checkpoint_id}{of} is taken up again by {who}"]
    lines += [f"  sortie “{called(key)}” goes on" for key in one.sorties]
    lines += [f"  {path} is reserved again" for path in one.locks]
    lines += [f"  message {key} waits anew" for key in one.messages]
    for key, holder in one.held.items():
        lines.append(f"  sortie “{called(key)}” stays with {called(holder)}, which was just heard of")
        lines.append(f"    if it is gone: fleet resume --checkpoint {one.checkpoint_id} --gone {called(holder)}")
    lines += [f"  in the way: {text}" for text in one.recovery.blockers]
    return lines


def _document(one: Resumed) -> dict[str, Any]:
    return {
        "checkpoint_id": one.checkpoint_id,
        "mission_id": one.mission_id or None,
        "specialist_id": one.specialist_id or None,
        "sorties": list(one.sorties),
        "assigned": one.assigned or None,
        "held": dict(one.held),
        "locks": list(one.locks),
        "messages": list(one.messages),
        "blockers": list(one.blockers),
        "recovery": one.recovery.to_document(),
        "prompt": one.recovery.to_prompt(),
    }

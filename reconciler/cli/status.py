"""`fleet status`: desired, projected and observed, side by side."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import (
    age,
    colour_wanted,
    columns,
    local_time,
    paint,
    print_json,
    print_json_line,
    width,
)

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.control.survey import Survey
    from reconciler.ops.status import ReplicaStatus, Side

_HEADINGS = ("", "SERVICE", "DESIRED", "PROJECTED", "OBSERVED", "SINCE")
_CLEAR = "\x1b[H\x1b[2J"
_SHORT_COMMIT = 8
_ENDED_MISSIONS = 3
_WIDTH = 80


@about_project
def status(
    project: Project,
    at: Annotated[
        str, typer.Option("--at", help="As it was then: a sequence number, a time, or '2 hours ago'.", metavar="WHEN")
    ] = "",
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again whenever it changes, until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", help="Seconds between looks with --watch.", min=0.1, metavar="SECONDS")
    ] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Show each replica three times: as the file wants it, as the log has it, as Podman shows it.

    It works without Podman (what is observed is then unknown) and before the first apply.

    \b
    Examples:
      fleet status
      fleet status --watch
      fleet status --at '2 hours ago'
      fleet status --json
    """
    from reconciler.control.session import open_session

    with open_session(project) as session:
        if watch:
            _watch(session, at, interval, as_json=as_json)
            return
        found = _survey(session, at)
        if as_json:
            from reconciler.control.documents import status_document

            print_json(status_document(found, session, _now_ms()))
        else:
            typer.echo(_text(found, session))
    if found.unusable:
        from reconciler.errors import LogUnusable

        raise typer.Exit(LogUnusable.exit_code)


def _survey(session: Session, at: str) -> Survey:
    from reconciler.control.survey import survey, survey_at

    if not at:
        return survey(session)
    from reconciler.events.moment import parse_moment

    return survey_at(session, parse_moment(at, now_ms=_now_ms()))


def _watch(session: Session, at: str, interval: float, *, as_json: bool) -> None:
    """Print whenever something has changed; on a terminal, in place."""
    from reconciler.control.documents import status_document

    in_place = sys.stdout.isatty() and not as_json
    before = None
    while True:
        found = _survey(session, at)
        document = status_document(found, session, _now_ms())
        if in_place:
            sys.stdout.write(_CLEAR)
        if in_place or document != before:
            if as_json:
                print_json_line(document)
            else:
                typer.echo(_text(found, session) + ("" if in_place else "\n"))
                sys.stdout.flush()
        before = document
        time.sleep(interval)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _text(found: Survey, session: Session) -> str:
    from reconciler.cli.crew_table import crew_table
    from reconciler.control.crew_documents import crew_of
    from reconciler.control.documents import statuses_of

    on = colour_wanted()
    lines = [paint(_title(found, session), "bold", on=on)]
    lines += [paint(f"warning: {warning}", "yellow", on=on) for warning in (*_held(found), *found.warnings)]
    statuses = statuses_of(found, _now_ms())
    if statuses:
        lines += ["", *_table(statuses, found, on=on)]
    crew = crew_of(found, _now_ms())
    if crew:
        lines += ["", *crew_table(crew, _now_ms(), past=found.past, on=on)]
    elif not statuses and not found.missions:
        lines += ["", "no services"]
    if found.missions:
        lines += ["", *_missions(found, on=on)]
    if found.projected.sequence == 0 and not found.past and not found.unusable:
        lines += ["", "nothing has been applied yet: fleet apply"]
    return "\n".join(lines)


def _held(found: Survey) -> Iterator[str]:
    """What keeps Fleet from acting: a suspension of the whole fleet, or a freeze window."""
    from reconciler.control.documents import frozen_now, suspensions_of
    from reconciler.ops.status import suspension_text

    for one in suspensions_of(found, _now_ms()):
        if not one.resource:
            yield f"the fleet is {suspension_text(one)}"
    window = frozen_now(found, _now_ms())
    if window is not None:
        yield f"{window}; no edit of the file is taken up until then"


def _title(found: Survey, session: Session) -> str:
    name = found.desired.name if found.desired is not None else (found.revision or {}).get("document", {}).get("name")
    title = f"fleet {name or session.directory.name}"
    row = found.revision
    if row is not None:
        commit = f" at commit {row['commit'][:_SHORT_COMMIT]}" if row.get("commit") else ""
        by = f" by {row.get('author') or row['actor']}" if row.get("author") or row.get("actor") else ""
        title += f", revision {row['revision']} of {local_time(row['at'])}{by}{commit}"
    return title + (f", as it was at event {found.projected.sequence}" if found.past else "")


def _table(statuses: Sequence[ReplicaStatus], found: Survey, *, on: bool) -> Iterator[str]:
    """One line a replica, and under it, further in, what a person should know of it."""
    counts: dict[str, int] = {}
    for one in statuses:
        counts[one.service] = counts.get(one.service, 0) + 1
    limit = max(width(), _WIDTH)
    rows = [_row(one, found, alone=counts[one.service] == 1) for one in statuses]
    headings, *lines = columns(_HEADINGS, rows, limit=limit).splitlines()
    yield paint(headings, "dim", on=on)
    for one, line in zip(statuses, lines, strict=True):
        yield paint(line[:1], "green" if one.agrees else "yellow", on=on) + line[1:]
        for text in one.differences:
            yield paint(f"     {text}", "yellow", on=on)
        for text in one.notes:
            yield paint(f"     {text}", "dim", on=on)


def _missions(found: Survey, *, on: bool) -> Iterator[str]:
    """Missions that are under way or have failed, and those that ended last."""
    from reconciler.cli.missions import mission_table

    pressing = [one for one in found.missions if one.status != "completed" and one.status != "cancelled"]
    over = [one for one in found.missions if one not in pressing][:_ENDED_MISSIONS]
    headings, *lines = mission_table([*pressing, *over])
    yield paint(headings, "dim", on=on)
    yield from lines


def _row(one: ReplicaStatus, found: Survey, *, alone: bool) -> tuple[str, ...]:
    return (
        "✓" if one.agrees else "✗",
        one.service if alone and one.replica == 1 else f"{one.service}/{one.replica}",
        _cell(one.desired),
        _cell(one.projected),
        "-" if found.past else _cell(one.observed),
        age(one.projected.since or one.observed.since, _now_ms()),
    )


def _cell(side: Side) -> str:
    code = f" ({side.exit_code})" if side.exit_code is not None and side.state == "exited" else ""
    return f"{side.state}{code} {side.health}".rstrip()

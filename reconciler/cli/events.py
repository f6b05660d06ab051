"""`fleet events`: read and follow the log, and look up what a type of event means."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.events_statistics import statistics
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import columns, print_json, print_json_line, short_local_time
from reconciler.events.envelope import STREAM_TYPES, Event

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.store import EventQuery

_POLL_SECONDS = 0.2
_HEADINGS = ("SEQ", "TIME", "STREAM", "WHAT HAPPENED")

app = typer.Typer(
    name="events",
    rich_markup_mode=None,
    add_completion=False,
    invoke_without_command=True,
)


@app.callback(invoke_without_command=True)
@about_project
def events(
    project: Project,
    context: typer.Context,
    types: Annotated[
        list[str], typer.Option("--type", "-t", help="Only events of this type; may be repeated.", metavar="TYPE")
    ] = [],
    stream: Annotated[
        str,
        typer.Option("--stream", "-s", help="Only one stream, or all of a type: service/web, fleet.", metavar="STREAM"),
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="From then on: a time, '2 hours ago', or a sequence number.", metavar="WHEN")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", help="Up to then: a time, '5m ago', or a sequence number.", metavar="WHEN")
    ] = "",
    correlation: Annotated[
        str, typer.Option("--correlation", help="Only what belongs to one apply or request.", metavar="ID")
    ] = "",
    causation: Annotated[
        str, typer.Option("--causation", help="Only what one event led to directly.", metavar="ID")
    ] = "",
    grep: Annotated[
        str, typer.Option("--grep", "-g", help="Only events with this text in their data.", metavar="TEXT")
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", "-n", help="At most so many, the newest; 0 for all.", min=0, metavar="N")
    ] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new events until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the log, oldest first. Times are local; with --json each line is one event, times in UTC.

    \b
    Examples:
      fleet events                            the newest 50
      fleet events --stream service/web       everything about one service
      fleet events --since '2 hours ago' --type container_exited
      fleet events --grep postgres --limit 0 --json
      fleet events --follow                   as they happen
      fleet events explain container_exited   what a type means
    """
    if context.invoked_subcommand is not None:
        return
    from reconciler.control.session import open_session

    with open_session(project) as session:
        query = _query(types, stream, since, until, correlation, causation, grep)
        shown = _Shown(as_json=as_json)
        last = _print_newest(session, query, limit, shown)
        if follow:
            _follow(session, query, last, shown)


def _query(
    types: Sequence[str], stream: str, since: str, until: str, correlation: str, causation: str, grep: str
) -> EventQuery:
    from reconciler.events.document import parse_id
    from reconciler.events.moment import parse_moment
    from reconciler.events.registry import entry
    from reconciler.projections.store import EventQuery

    for name in types:
        entry(name)
    stream_type, _, stream_id = stream.partition("/")
    if stream_type and stream_type not in STREAM_TYPES:
        raise typer.BadParameter(
            f"{stream_type!r} is no type of stream; there are {', '.join(STREAM_TYPES)}", param_hint="--stream"
        )
    now_ms = time.time_ns() // 1_000_000
    begin = parse_moment(since, now_ms=now_ms) if since else None
    end = parse_moment(until, now_ms=now_ms) if until else None
    return EventQuery(
        types=tuple(types),
        stream_type=stream_type,
        stream_id=stream_id,
        after=begin.sequence - 1 if begin is not None and begin.sequence else 0,
        before=end.sequence + 1 if end is not None and end.sequence is not None else None,
        since_ms=begin.time_ms if begin is not None else None,
        until_ms=end.time_ms if end is not None else None,
        correlation_id=parse_id(correlation) if correlation else None,
        causation_id=parse_id(causation) if causation else None,
        text=grep,
    )


class _Shown:
    """Prints events as lines; the columns keep their widths from one batch to the next."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._begun = False

    def print(self, events: Sequence[Event]) -> None:
        if self._as_json:
            from reconciler.events.document import event_document

            for event in events:
                print_json_line(event_document(event))
            return
        if not events:
            return
        from reconciler.events.sentences import sentence

        rows = [
            (
                str(event.sequence_number),
                short_local_time(event.occurred_at),
                f"{event.stream_type}/{event.stream_id}",
                sentence(event),
            )
            for event in events
        ]
        text = columns(_HEADINGS, rows)
        typer.echo(text if not self._begun else text.partition("\n")[2])
        self._begun = True


def _print_newest(session: Session, query: EventQuery, limit: int, shown: _Shown) -> int:
    """Print the newest events that fit; the sequence number up to which the log has been looked at."""
    store = session.store
    if store is None:
        typer.echo("the log is empty: nothing has been applied yet", err=True)
        return 0
    head = store.head()
    before = min(query.before, head + 1) if query.before is not None else head + 1
    newest = replace(query, before=before, newest_first=True, limit=limit + 1 if limit else None)
    found = list(store.events(newest))
    if limit and len(found) > limit:
        found.pop()
        typer.echo(f"the newest {limit}; --limit 0 shows all", err=True)
    shown.print(found[::-1])
    return head


def _follow(session: Session, query: EventQuery, last: int, shown: _Shown) -> None:
    for batch in _new_events(session, query, last):
        shown.print(batch)


def _new_events(session: Session, query: EventQuery, last: int) -> Iterator[list[Event]]:
    """Batches of what is appended after `last`, for ever. The log may not be there yet when this begins."""
    while True:
        store = session.store
        if store is not None:
            head = store.head()
            if head > last:
                after = max(last, query.after)
                yield list(store.events(replace(query, after=after, before=head + 1)))
                last = head
        time.sleep(_POLL_SECONDS)


app.command()(statistics)


@app.command()
def types(
    as_json: JsonOption = False,
) -> None:
    """List every type of event with the stream that it is written to.

    \b
    Examples:
      fleet events types
      fleet events types --json
    """
    from reconciler.events.registry import TYPES

    if as_json:
        print_json(
            [
                {"event_type": name, "stream_type": found.stream_type, "schema_version": found.version}
                for name, found in sorted(TYPES.items())
            ]
        )
        return
    typer.echo(
        columns(
            ("TYPE", "STREAM", "VERSION"),
            [(name, found.stream_type, str(found.version)) for name, found in sorted(TYPES.items())],
        )
    )


@app.command()
def explain(
    event_type: Annotated[str, typer.Argument(metavar="TYPE", help="An event type, such as container_exited.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a type of event means, its fields and an example.

    \b
    Examples:
      fleet events explain container_exited
      fleet events explain revision_accepted --json
    """
    import json

    from reconciler.events.registry import explain as explanation_of

    found = explanation_of(event_type)
    if as_json:
        print_json({**found._asdict(), "fields": [field._asdict() for field in found.fields]})
        return
    typer.echo(f"{found.event_type}   stream {found.stream_type}, version {found.version}\n\n{found.meaning}\n")
    rows = [
        (field.name, field.type, "required" if field.required else _default(field.default)) for field in found.fields
    ]
    typer.echo(columns(("FIELD", "TYPE", ""), rows))
    typer.echo("\nExample:\n" + json.dumps(found.example, indent=2))


def _default(value: object) -> str:
    return "optional" if value in (None, [], {}) else f"default {value}"

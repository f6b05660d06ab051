"""`fleet compact`: old events move to the archive, where they are read as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.cli.tending import Counter, existing_log, now_ms, size

if TYPE_CHECKING:
    from reconciler.ops.compact import Compacted
    from reconciler.projections.store import Store


@about_project
def compact(
    project: Project,
    keep: Annotated[
        int | None, typer.Option("--keep", help="Leave so many of the newest events in the table.", min=0, metavar="N")
    ] = None,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Only events older than this: 7d, 12h.", metavar="AGE")
    ] = "",
    limits: Annotated[
        bool, typer.Option("--limits", help="Only what the limits in the file call old, as the schedule does.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Move old events to the archive: compressed files beside the database that are read through as if nothing had moved.

    Nothing is lost: events, time travel, verify and rebuild go on as before, and the database gets smaller. Without an
    option every event is moved that is there when the command starts. Others may read and write meanwhile.

    \b
    Examples:
      fleet compact
      fleet compact --keep 1000
      fleet compact --older-than 7d
      fleet compact --limits
    """
    from reconciler.control.checkpoints.occasions import take_before
    from reconciler.control.session import open_session
    from reconciler.ops.compact import compact as run
    from reconciler.ops.settings import settings_of

    with open_session(project) as session:
        store = existing_log(session)
        chosen = settings_of(store.rows()).compaction if limits else None
        take_before(store, session.cause, session.directory, "compaction")
        until = _until(store, keep, older_than, limits=limits)
        with Counter("archiving event", quiet=as_json) as counter:
            done = run(store, session.cause, until=until, trigger="manual", limits=chosen, progress=counter)
    if as_json:
        print_json(_document(done))
    else:
        typer.echo(_text(done))


def _until(store: Store, keep: int | None, older_than: str, *, limits: bool) -> int:
    """The last event to move: the earliest of all that was asked for."""
    from reconciler.events.moment import Moment
    from reconciler.ops.compact import old_events
    from reconciler.ops.settings import settings_of
    from reconciler.units import parse_duration

    bounds = [store.head()]
    if keep is not None:
        bounds.append(store.head() - keep)
    if older_than:
        try:
            age_ms = parse_duration(older_than)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--older-than") from None
        bounds.append(store.sequence_at(Moment(time_ms=now_ms() - age_ms)))
    if limits:
        bounds.append(old_events(store, settings_of(store.rows()).compaction, now_ms=now_ms()))
    return max(min(bounds), 0)


def _text(done: Compacted) -> str:
    if not done.segments:
        return "nothing to move"
    archive = f"the archive has {size(done.archive_size)}"
    if done.shrunk:
        shrinking = f"the database went from {size(done.size_before)} to {size(done.size_after)}"
    else:
        shrinking = "another process kept the database from getting smaller; the next compaction tries again"
    lines = [f"moved {done.events:,} events of {sum(one.streams for one in done.segments):,} streams to the archive"]
    lines += [f"  events {one.first} to {one.last} in {one.file} ({size(one.size)})" for one in done.segments]
    return "\n".join([*lines, f"{archive}; {shrinking}"])


def _document(done: Compacted) -> dict[str, object]:
    return {
        "events": done.events,
        "segments": [
            {"file": one.file, "first": one.first, "last": one.last, "size": one.size, "streams": one.streams}
            for one in done.segments
        ],
        "size_before": done.size_before,
        "size_after": done.size_after,
        "archive_size": done.archive_size,
        "shrunk": done.shrunk,
    }

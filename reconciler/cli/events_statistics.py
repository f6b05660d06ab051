"""`fleet events statistics`: how many events of what kind, by whom and when, and how much room they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import local_time, print_json
from reconciler.cli.tending import now_ms, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.ops.statistics import Statistics

_SHOWN_DAYS = 7


@about_project
def statistics(
    project: Project,
    top: Annotated[int, typer.Option("--top", help="How many of each kind to show; 0 for all.", min=0)] = 10,
    as_json: JsonOption = False,
) -> None:
    """Count the log by type, stream and actor, with rates and sizes. The archive is included.

    \b
    Examples:
      fleet events statistics
      fleet events statistics --top 0
      fleet events statistics --json
    """
    from reconciler.control.session import open_session
    from reconciler.errors import NotFound
    from reconciler.ops.statistics import statistics as count

    with open_session(project) as session:
        store = session.store
        if store is None:
            raise NotFound("nothing has been applied yet", hint="fleet apply")
        found = count(store, now_ms=now_ms())
    if as_json:
        from reconciler.control.documents import statistics_document

        print_json(statistics_document(found))
    else:
        typer.echo("\n".join(_lines(found, top)))


def _lines(found: Statistics, top: int) -> Iterator[str]:
    rates, sizes = found.rates, found.sizes
    archived = f", {found.events - found.live:,} of them in {found.segments} archive file(s)" if found.segments else ""
    yield f"{found.events:,} events in {found.streams:,} streams{archived}"
    yield f"from {local_time(found.first_at)} to {local_time(found.last_at)}"
    yield f"last hour {rates.last_hour:,}, last day {rates.last_day:,}, last week {rates.last_week:,}"
    yield f"on average {rates.per_day:,} a day"
    yield f"database {size(sizes.database)}, archive {size(sizes.archive)} ({sizes.per_archived_event} bytes an event)"
    yield from _ranking("types", found.types, top)
    yield from _ranking("streams", found.largest, top)
    yield from _ranking("kinds of stream", found.stream_types, top)
    yield from _ranking("actors", found.actors, top)
    yield from _ranking("doors", found.sources, top)
    yield from _ranking("days", dict([*found.days.items()][-_SHOWN_DAYS:]), 0)


def _ranking(title: str, counts: Mapping[str, int], top: int) -> Iterator[str]:
    shown = [*counts.items()][: top or None]
    if not shown:
        return
    yield f"\n{title}"
    wide = max(len(f"{count:,}") for _, count in shown)
    yield from (f"  {count:>{wide},}  {name or '-'}" for name, count in shown)
    if len(shown) < len(counts):
        yield f"  {'':>{wide}}  and {len(counts) - len(shown)} more"

"""`fleet history`: revisions and applies, newest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import columns, local_time, print_json

if TYPE_CHECKING:
    from reconciler.ops.history import Entry
    from reconciler.projections.store import Store

_HEADINGS = ("WHEN", "WHAT", "RESULT", "BY", "COMMIT", "DETAIL")
_SHORT_COMMIT = 8


@about_project
def history(
    project: Project,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many; 0 for all.", min=0, metavar="N")] = 20,
    at: Annotated[
        str, typer.Option("--at", help="As it was then: a sequence number, a time, or '2 hours ago'.", metavar="WHEN")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List the file's revisions and the applies, newest first: who, from which commit, and what became of them.

    \b
    Examples:
      fleet history
      fleet history --limit 0 --json
      fleet history --at '2 hours ago'
    """
    from reconciler.control.session import open_session

    with open_session(project) as session:
        store = session.store
        entries = _entries(store, at) if store is not None else ()
    shown = entries[:limit] if limit else entries
    if as_json:
        from reconciler.control.documents import entry_document

        print_json([entry_document(entry) for entry in shown])
        return
    if not entries:
        typer.echo("nothing has been applied yet")
        return
    typer.echo(columns(_HEADINGS, [_row(entry) for entry in shown]))
    if len(shown) < len(entries):
        typer.echo(f"{len(entries) - len(shown)} older; --limit 0 shows all", err=True)


def _entries(store: Store, at: str) -> tuple[Entry, ...]:
    from reconciler.events.moment import parse_moment
    from reconciler.ops import history as library

    if not at:
        return library.history(store.rows(), writing=store.lease_holder() is not None)
    moment = parse_moment(at, now_ms=time.time_ns() // 1_000_000)
    # What was under way then was under way, whoever holds the lease now.
    return library.history(store.rows_at(store.sequence_at(moment)), writing=True)


def _row(entry: Entry) -> tuple[str, ...]:
    what = f"revision {entry.revision}" if entry.kind == "revision" else f"apply of {entry.revision}"
    took = f" in {entry.duration_ms / 1000:.1f}s" if entry.duration_ms is not None else ""
    return (
        local_time(entry.at),
        what,
        entry.result.replace("_", " "),
        entry.author or entry.actor or "-",
        entry.commit[:_SHORT_COMMIT] or "-",
        entry.detail + took,
    )

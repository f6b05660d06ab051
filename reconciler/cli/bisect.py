"""`fleet bisect`: the event after which a service went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, local_time, paint, print_json, short_local_time
from reconciler.cli.tending import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.ops.bisect import Episode, Verdict
    from reconciler.ops.why import Link
    from reconciler.projections.store import Store


@about_project
def bisect(
    project: Project,
    unhealthy: Annotated[
        str, typer.Option("--unhealthy", help="The service that is not well.", metavar="SERVICE", show_default=False)
    ],
    good: Annotated[
        str, typer.Option("--good", help="A moment when it was still well: a number, a time, '2h ago'.", metavar="WHEN")
    ] = "",
    bad: Annotated[str, typer.Option("--bad", help="The last moment to look at (default: now).", metavar="WHEN")] = "",
    as_json: JsonOption = False,
) -> None:
    """Find the first event after which a service was not well, and what led to it.

    Not well is: unhealthy, exited or gone without Fleet's doing, paused, failing to start, given up. Where that came and
    went several times, the stretch that lasts until now is told, or the latest one; earlier ones are listed.

    \b
    Examples:
      fleet bisect --unhealthy web
      fleet bisect --unhealthy web --good '2 days ago'
      fleet bisect --unhealthy service/web --json
    """
    from reconciler.control.session import open_session
    from reconciler.errors import NotFound
    from reconciler.ops.bisect import bisect as search

    with open_session(project) as session:
        store = session.store
        if store is None:
            raise NotFound("nothing has been applied yet", hint="fleet apply")
        after = _sequence(store, good) or 0
        verdict = search(store, unhealthy, good=after, bad=_sequence(store, bad))
    if as_json:
        print_json(_document(verdict))
    else:
        typer.echo("\n".join(_lines(verdict)))


def _sequence(store: Store, moment: str) -> int | None:
    from reconciler.events.moment import parse_moment

    return store.sequence_at(parse_moment(moment, now_ms=now_ms())) if moment else None


def _lines(verdict: Verdict) -> Iterator[str]:
    on = colour_wanted()
    first, last = verdict.looked
    episode = verdict.episode
    if episode is None:
        yield f"service/{verdict.service} was well all along, from event {first} to {last}"
        return
    event = episode.first
    yield paint(f"service/{verdict.service} went wrong with event {event.sequence_number}", "bold", on=on)
    yield f"  {local_time(event.occurred_at)}  {'; '.join(episode.symptoms)}"
    ended = episode.ended
    until = f"until event {ended.sequence_number}" if ended is not None else f"and still, at event {last}"
    yield f"  well up to event {episode.last_good}, not well {until}"
    yield ""
    yield from _chain("what led to it", verdict.causes)
    if verdict.change:
        yield from _chain("what was running then", verdict.change)
    if verdict.earlier:
        places = ", ".join(str(one.first.sequence_number) for one in verdict.earlier)
        yield f"it had gone wrong before, and recovered: at {places}"


def _chain(title: str, links: Sequence[Link]) -> Iterator[str]:
    yield title
    for depth, link in enumerate(links):
        mark = f"{'  ' * depth}└ " if depth else ""
        yield f"  {link.event.sequence_number:>6}  {short_local_time(link.event.occurred_at)}  {mark}{link.text}"
    yield ""


def _document(verdict: Verdict) -> dict[str, Any]:
    from reconciler.events.document import event_document

    def links(chain: Sequence[Link]) -> list[dict[str, Any]]:
        return [{"text": link.text, "event": event_document(link.event)} for link in chain]

    episode = verdict.episode
    return {
        "service": verdict.service,
        "from": verdict.looked[0],
        "to": verdict.looked[1],
        "found": episode is not None,
        "episode": _episode(episode) if episode is not None else None,
        "causes": links(verdict.causes),
        "change": links(verdict.change),
        "earlier": [_episode(one) for one in verdict.earlier],
    }


def _episode(episode: Episode) -> dict[str, Any]:
    return {
        "first_bad": episode.first.sequence_number,
        "event_type": episode.first.event_type,
        "last_good": episode.last_good,
        "symptoms": list(episode.symptoms),
        "ended_by": episode.ended.sequence_number if episode.ended is not None else None,
    }

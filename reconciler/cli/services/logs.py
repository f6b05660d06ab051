"""`fleet services logs`: what services have printed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, paint, print_json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.ops.service_view import ServiceReplica
    from reconciler.runtime.model import ContainerRuntime

    Source = Literal["stdout", "stderr"]
    Show = Callable[[ServiceReplica, Source, bytes], None]

DEFAULT_TAIL = 100


@about_project
def logs(
    project: Project,
    names: Annotated[list[str] | None, typer.Argument(help="Services; all when left out.", metavar="[NAME]...")] = None,
    tail: Annotated[int, typer.Option("--tail", "-n", help="How many of the last lines.", min=0)] = DEFAULT_TAIL,
    every: Annotated[bool, typer.Option("--all", help="All lines, not just the last.")] = False,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="When each line was written.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as lines are written, until Ctrl-C.")] = False,
    since: Annotated[
        str, typer.Option("--since", help="Only lines since then: 10m, 2h, or a time.", metavar="WHEN")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what services have printed, running or stopped.

    With several containers each line begins with the container's name.

    \b
    Examples:
      fleet services logs postgres
      fleet services logs web --tail 20 --timestamps
      fleet services logs --follow --since 10m
    """
    from reconciler.cli.services.asked import asked_for
    from reconciler.control.session import open_session

    with open_session(project) as session:
        replicas = asked_for(session, names or ())
        there = [replica for replica in replicas if replica.container is not None]
        _say_missing(replicas, there)
        options: dict[str, Any] = {
            "tail": None if every else tail,
            "timestamps": timestamps,
            "follow": follow,
            "since": _since(since) if since else None,
        }
        _print(session.runtime, there, options, as_json=as_json)


def _say_missing(replicas: Sequence[ServiceReplica], there: Sequence[ServiceReplica]) -> None:
    from reconciler.errors import NotFound
    from reconciler.ops.service_view import no_container

    missing = [no_container(replica) for replica in replicas if replica.container is None]
    if not there:
        raise missing[0] if missing else NotFound("there are no services yet", hint="fleet init")
    for problem in missing:
        print(f"fleet: {problem.what} ({problem.hint})", file=sys.stderr)


def _print(
    runtime: ContainerRuntime, replicas: Sequence[ServiceReplica], options: dict[str, Any], *, as_json: bool
) -> None:
    show = _as_json if as_json else _plain(replicas)
    if options["follow"] and len(replicas) > 1:
        _follow_all(runtime, replicas, options, show)
        return
    for replica in replicas:
        for source, line in _lines(runtime, replica, options):
            show(replica, source, line)


def _lines(
    runtime: ContainerRuntime, replica: ServiceReplica, options: dict[str, Any]
) -> Iterator[tuple[Source, bytes]]:
    assert replica.container is not None
    return runtime.logs(replica.container.container_id, **options)


def _follow_all(
    runtime: ContainerRuntime, replicas: Sequence[ServiceReplica], options: dict[str, Any], show: Show
) -> None:
    """Lines of all as they come; ends when the last one has ended."""
    import queue
    import threading

    lines: queue.SimpleQueue[tuple[ServiceReplica, Source, bytes] | BaseException | None] = queue.SimpleQueue()

    def read(replica: ServiceReplica) -> None:
        try:
            for source, line in _lines(runtime, replica, options):
                lines.put((replica, source, line))
            lines.put(None)
        except BaseException as error:
            lines.put(error)

    for replica in replicas:
        threading.Thread(target=read, args=(replica,), daemon=True).start()
    left = len(replicas)
    while left:
        item = lines.get()
        if isinstance(item, BaseException):
            raise item
        if item is None:
            left -= 1
        else:
            show(*item)


def _plain(replicas: Sequence[ServiceReplica]) -> Show:
    """Lines as they are; behind the container's name where there are several."""
    several = len(replicas) > 1
    longest = max(len(replica.name) for replica in replicas)
    colour = colour_wanted()
    out = sys.stdout.buffer

    def show(replica: ServiceReplica, source: Source, line: bytes) -> None:
        name = paint(f"{replica.name.ljust(longest)} |", "cyan", on=colour) + " " if several else ""
        out.write(name.encode() + line + b"\n")
        out.flush()

    return show


def _as_json(replica: ServiceReplica, source: Source, line: bytes) -> None:
    print_json_line(
        {
            "service": replica.service,
            "replica": replica.replica,
            "container": replica.name,
            "stream": source,
            "line": line.decode("utf-8", "replace"),
        }
    )


def _since(text: str) -> int:
    """Unix seconds of `10m`, `1h30m`, or a time."""
    from reconciler.events.moment import parse_moment
    from reconciler.units import parse_duration

    now_ms = time.time_ns() // 1_000_000
    try:
        return (now_ms - parse_duration(text)) // 1000
    except ValueError:
        moment = parse_moment(text, now_ms=now_ms)
    return (moment.time_ms or 0) // 1000

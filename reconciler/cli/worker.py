"""`fleet worker`: work as one specialist of the fleet."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reconciler.cli.apply import duration
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json_line, utc_time

if TYPE_CHECKING:
    from reconciler.control.worker.loop import Worker

_INTERRUPTED = 130


@about_project
def worker(
    project: Project,
    specialist: Annotated[
        str, typer.Option("--specialist", "-s", help="The specialist of fleet.yaml to work as.", metavar="NAME")
    ],
    replica: Annotated[int, typer.Option("--replica", "-n", help="Which of its replicas.", min=1)] = 1,
    once: Annotated[bool, typer.Option("--once", help="Do one thing, and end.")] = False,
    idle_exit: Annotated[bool, typer.Option("--idle-exit", help="End when no sortie is open.")] = False,
    grace: Annotated[
        str, typer.Option("--grace", help="How long a command may go on after SIGTERM.", metavar="TIME")
    ] = "10s",
    as_json: JsonOption = False,
) -> int:
    """Work as one specialist: claim sorties, do them, report, and ask again.

    It does what the accepted revision says of the specialist; before the first apply, what the file says. `fleet apply`
    starts workers by itself; this is the same worker, in the foreground. SIGTERM lets the command that runs go on for
    the grace, and hands back what is not done then.

    With FLEET_REMOTE and FLEET_TOKEN it asks the server there for work instead of the log on this machine, and works in
    this folder.

    \b
    Examples:
      fleet worker --specialist builder
      fleet worker --specialist builder --replica 2 --idle-exit
      fleet worker -s reviewer --once --json
    """
    from reconciler.client.address import REMOTE
    from reconciler.control.session import open_session
    from reconciler.control.worker.loop import WorkerOptions
    from reconciler.control.worker.opening import open_worker

    grace_ms = duration(grace, "--grace") or 0
    options = WorkerOptions(once=once, idle_exit=idle_exit, grace_s=grace_ms / 1000)
    tell = _Lines(as_json=as_json)
    where = replace(project, remote=project.remote or os.environ.get(REMOTE, ""))
    with (
        open_session(where, source="worker") as session,
        open_worker(session, specialist, replica, tell, options) as found,
        _signals(found) as caught,
    ):
        found.run()
    return _INTERRUPTED if signal.SIGINT in caught else 0


class _Lines:
    """One line for everything that happens."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._lock = threading.Lock()

    def __call__(self, level: Literal["info", "warning", "error"], what: str, /, **facts: Any) -> None:
        import time

        now_ms = time.time_ns() // 1_000_000
        with self._lock:
            if self._as_json:
                print_json_line({"timestamp": utc_time(now_ms), "level": level, "event": what, **facts})
            else:
                sys.stdout.write(f"{_clock(now_ms)}  {_sentence(what, facts)}\n")
                sys.stdout.flush()


def _clock(now_ms: int) -> str:
    from reconciler.cli.output import local_time

    return local_time(now_ms)[11:]


def _sentence(what: str, facts: dict[str, Any]) -> str:
    if "sortie" not in facts:
        return "  ".join([what, *(str(value) for value in facts.values())])
    subject = f"{facts['mission']} / {facts['name']}" if facts["mission"] else facts["name"]
    kind = "" if facts["kind"] == "work" else f"{facts['kind']} of "
    more = f": {facts['error']}" if facts.get("error") else ""
    took = f" in {facts['seconds']:.1f} s" if "seconds" in facts else ""
    return f"{what}  {kind}{subject} (attempt {facts['attempt']}){took}{more}"


@contextmanager
def _signals(found: Worker) -> Iterator[list[int]]:
    """Within the block the first signal ends the worker in good order, and a second one at once."""
    caught: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        # The thread that was interrupted may hold a lock that ending the worker needs.
        grace = None if len(caught) == 1 else 0.0
        threading.Thread(target=found.stop, kwargs={"grace_s": grace}, daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

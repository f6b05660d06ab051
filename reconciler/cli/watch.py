"""`fleet watch`: keep the fleet what the file says."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from reconciler.cli.apply import duration
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted
from reconciler.cli.serve import DEFAULT_PORT

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.control.watch.loop import WatchOptions
    from reconciler.control.watch.notify import Supervisor

_INTERRUPTED = 130
# A turn that carries a plan out may take long; one that takes longer than this hangs.
_LONGEST_TURN_S = 1_800.0


@about_project
def watch(
    project: Project,
    detect_only: Annotated[
        bool, typer.Option("--detect-only", help="Record and report what others change, and do not put it right.")
    ] = False,
    interval: Annotated[
        str, typer.Option("--interval", help="Time between looks, instead of reconcile.interval.", metavar="TIME")
    ] = "",
    polling: Annotated[
        bool, typer.Option("--polling", help="Look at files often, and take no notices from the file system.")
    ] = False,
    auto_resume: Annotated[
        bool, typer.Option("--auto-resume", help="Take up missions that were interrupted, from their checkpoints.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Open the fleet over HTTP meanwhile, like `fleet serve`.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", help="The port for --serve; 0 is any free one.", min=0, max=65535)
    ] = DEFAULT_PORT,
    socket: Annotated[
        Path | None, typer.Option("--socket", help="A unix socket for --serve instead.", metavar="PATH")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print lines on a terminal, too.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Keep the fleet what the file says: take every edit, put right what others change, restart what fails.

    It looks when a file is saved, when Podman tells that something happened, and on an interval. A file that is wrong is
    rejected, and the last good revision stays in force. What keeps failing is left alone for longer each time; `fleet
    services up` ends that. On a terminal the keys are p (pause), a (apply now, and yes to what waits), l (logs) and
    q (quit); elsewhere it prints one line for everything that happens. SIGTERM ends it in good order.

    At the start it tells of missions that seem to have been interrupted: in progress, with a checkpoint, and silent for five
    minutes. With --auto-resume it takes them up.

    \b
    Examples:
      fleet watch
      fleet watch --detect-only
      fleet watch --json --interval 10s
      fleet watch --serve
    """
    from reconciler.control.session import open_session
    from reconciler.control.watch.loop import WatchOptions

    options = WatchOptions(
        interval_ms=duration(interval, "--interval"),
        detect_only=detect_only,
        polling=polling,
        auto_resume=auto_resume,
    )
    with open_session(project, source="watch") as session, ExitStack() as stack:
        _check(session)
        if serve:
            stack.enter_context(_served(project, port, socket, as_json=as_json))
        if colour_wanted() and sys.stdin.isatty() and not (plain or as_json):
            return _on_terminal(session, options)
        return _in_lines(session, options, as_json=as_json)


@contextmanager
def _served(project: Project, port: int, socket: Path | None, *, as_json: bool) -> Iterator[None]:
    """The fleet's server, in threads of its own and with a log of its own, for as long as the block lasts."""
    from reconciler.api.server import serving
    from reconciler.api.settings import ServeSettings
    from reconciler.cli.serve import tell

    settings = ServeSettings(port=port, socket=socket)
    with serving(project, settings) as server:
        tell(server, settings, as_json=as_json)
        yield


def _check(session: Session) -> None:
    """Find out what no watching will mend.

    Raises:
        NotFound: there is nothing to watch.
        ToolMissing: there is no Podman.
    """
    from reconciler.errors import NotFound, RuntimeUnreachable

    if not session.file.exists() and session.store is None:
        raise NotFound(f"there is no {session.file.name} here and nothing has been applied", hint="fleet init")
    try:
        _ = session.runtime
    except RuntimeUnreachable as error:
        print(f"fleet: {error}; waiting for it", file=sys.stderr)


def _in_lines(session: Session, options: WatchOptions, *, as_json: bool) -> int:
    from reconciler.cli.watch_lines import Lines
    from reconciler.control.watch.loop import Loop

    lines = Lines(sys.stdout, as_json=as_json)
    loop = Loop(session, lines, options)
    lines.tell("info", "watching", file=str(session.file), detect_only=options.detect_only)
    code = run_loop(loop, session.environ, str(session.file))
    lines.tell("info", "stopped")
    return code


def _on_terminal(session: Session, options: WatchOptions) -> int:
    from reconciler.cli.watch_view import View, keys
    from reconciler.control.watch.loop import Loop

    view = View(session)
    loop = Loop(session, view, options)
    with view, keys(view.on_key(loop)):
        return run_loop(loop, session.environ, str(session.file))


class Runs(Protocol):
    """What runs until it is stopped, turn after turn."""

    @property
    def turning(self) -> bool: ...
    @property
    def turned_at(self) -> float: ...
    @property
    def interval_s(self) -> float: ...
    def run(self, *, ready: Callable[[], None]) -> None: ...
    def stop(self) -> None: ...


def run_loop(loop: Runs, environ: Mapping[str, str], what: str) -> int:
    """Run until a signal or a key ends it; 0, or 130 after Ctrl-C.

    Args:
        what: what is watched, for the supervisor's status.
    """
    from reconciler.control.watch.notify import Supervisor

    supervisor = Supervisor(environ)
    supervisor.watch_over(lambda: _alive(loop))
    with _signals(loop, supervisor) as caught:
        loop.run(ready=lambda: supervisor.ready(f"watching {what}"))
    supervisor.stopping()
    return _INTERRUPTED if signal.SIGINT in caught else 0


def _alive(loop: Runs) -> bool:
    allowed = _LONGEST_TURN_S if loop.turning else 2 * loop.interval_s + 60
    return time.monotonic() - loop.turned_at < allowed


@contextmanager
def _signals(loop: Runs, supervisor: Supervisor) -> Iterator[list[int]]:
    """Within the block the first signal ends the loop in good order, and a second Ctrl-C the process at once."""
    caught: list[int] = []

    def end() -> None:
        supervisor.stopping()
        loop.stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in caught:
            raise KeyboardInterrupt
        caught.append(number)
        # The thread that was interrupted may hold a lock that ending the loop needs.
        threading.Thread(target=end, daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

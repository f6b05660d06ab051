"""What `fleet watch` shows on a terminal: what the file asks for, what is being done, how everything is, what happened."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.apply.report import ActionState, GateState
from reconciler.cli.output import short_local_time
from reconciler.control.reading import now_ms
from reconciler.errors import FleetError
from reconciler.events.sentences import sentence
from reconciler.plan.model import AnyAction, verb_of
from reconciler.projections.store import EventQuery
from reconciler.runtime.process.logfile import last_lines

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from reconciler.apply.report import Reporter
    from reconciler.control.look import Look
    from reconciler.control.session import Session
    from reconciler.control.watch.loop import Loop
    from reconciler.control.watch.teller import Level
    from reconciler.projections.pools import ProjectedProcess

_MESSAGES = 6
_EVENTS = 6
_SERVICES = 20
_LOG_LINES = 4
_STYLES = {
    "error": "red",
    "warning": "yellow",
    "failed": "red",
    "skipped": "yellow",
    "done": "green",
    "running": "green",
    "healthy": "green",
    "unhealthy": "red",
    "exited": "red",
    "missing": "red",
    "paused": "yellow",
}
_KEYS = "p pause · a apply now · l logs · q quit"


class View:
    """A teller and a reporter that draw. A context manager: the screen is its own meanwhile."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._messages: deque[tuple[int, str, str]] = deque(maxlen=_MESSAGES)
        self._edits: list[str] = []
        self._progress: dict[str, tuple[str, str, float]] = {}
        self._events: list[tuple[int, str]] = []
        self._logs: list[str] | None = None
        self._seen: Look | None = None
        self._paused = False
        self._live: Live | None = None

    def __enter__(self) -> View:
        from rich.live import Live

        self._live = Live(get_renderable=self.picture, refresh_per_second=4, screen=True)
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)
            for at, _, text in self._messages:
                print(f"{short_local_time(at)}  {text}")

    def tell(self, level: Level, what: str, **facts: Any) -> None:
        if what == "plan":
            return
        named = " ".join(f"{name}={value}" for name, value in facts.items() if name in ("service", "replica", "health"))
        with self._lock:
            self._messages.append((now_ms(), level, f"{what} {named}".strip()))

    def looked(self, seen: Look) -> None:
        events = self._last_events()
        with self._lock:
            self._seen, self._events = seen, events
            if seen.reading.changed:
                self._edits = _edits(seen)

    def reporter(self, seen: Look) -> Reporter:
        with self._lock:
            self._progress = {
                action.id: ("waiting", "", 0.0) for action in seen.plan.actions if verb_of(action) != "record"
            }
        return self

    def on_problems(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self.tell("error", problem)

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        with self._lock:
            if action.id in self._progress or state == "failed":
                self._progress[action.id] = (state, detail, seconds)

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        words = {"wait": "waiting", "open": "done", "failed": "failed"}
        with self._lock:
            self._progress[f"{gate} service/{service}"] = (words[state], detail, seconds)

    def on_key(self, loop: Loop) -> Callable[[str], None]:
        """What a key does."""

        def pressed(key: str) -> None:
            match key:
                case "p":
                    self._paused = loop.pause()
                case "a":
                    loop.apply_now()
                case "l":
                    self._logs = None if self._logs is not None else self._read_logs()
                case "q":
                    loop.stop()
                case _:
                    pass

        return pressed

    def picture(self) -> RenderableType:
        """Everything, as it is now."""
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            parts: list[RenderableType] = [self._heading(), Text("")]
            if self._edits:
                parts += [
                    Text("IN THE FILE", style="bold"),
                    *(Text(f"  {line}") for line in self._edits[-8:]),
                    Text(""),
                ]
            if self._progress:
                parts += [self._progress_table(), Text("")]
            parts += [self._services(), Text("")]
            if self._logs is not None:
                parts += [Text("LOGS", style="bold"), *(Text(f"  {line}") for line in self._logs), Text("")]
            for at, level, text in self._messages:
                parts.append(Text(f"{short_local_time(at)}  {text}", style=_STYLES.get(level, "")))
            if self._events:
                parts += [Text(""), Text("LAST EVENTS", style="bold")]
                parts += [Text(f"  {short_local_time(at)}  {text}", style="dim") for at, text in self._events]
        return Group(*parts)

    def _heading(self) -> RenderableType:
        from rich.text import Text

        seen = self._seen
        if seen is None:
            return Text(f"fleet watch · looking …   {_KEYS}", style="bold")
        state = "paused" if self._paused else "as declared" if seen.plan.empty else f"{len(seen.plan.actions)} to do"
        revision = seen.projected.head.revision
        return Text(f"{seen.desired.name} · revision {revision} · {state}   {_KEYS}", style="bold")

    def _progress_table(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("PLAN", "STATE", "TIME", ""):
            table.add_column(heading)
        for name, (state, detail, seconds) in self._progress.items():
            took = f"{seconds:.1f} s" if seconds >= 0.05 else ""
            table.add_row(name, Text(state, style=_STYLES.get(state, "")), took, detail if detail != state else "")
        return table

    def _services(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("SERVICE", "STATE", "HEALTH", "FAILURES"):
            table.add_column(heading)
        if self._seen is None:
            return table
        projected = self._seen.projected
        for container in list(projected.all_containers())[:_SERVICES]:
            backoff = projected.backoffs.get(container.key)
            failures = f"{backoff.failures}{', given up' if backoff.abandoned else ''}" if backoff is not None else ""
            state, health = (Text(word, style=_STYLES.get(word, "")) for word in (container.state, container.health))
            table.add_row(container.key, state, health, failures)
        for process in self._processes():
            address = f"specialist/{process.pool}/{process.replica}"
            worker = projected.pools[process.pool].workers.get(process.replica)
            backoff = projected.backoffs.get(address)
            failures = f"{backoff.failures}{', given up' if backoff.abandoned else ''}" if backoff is not None else ""
            state = Text(process.state, style=_STYLES.get(process.state, ""))
            table.add_row(address, state, Text(worker.status if worker is not None else ""), failures)
        return table

    def _processes(self) -> list[ProjectedProcess]:
        """The processes of specialists, as many as there is room for."""
        pools = self._seen.projected.pools if self._seen is not None else {}
        return [one for _, pool in sorted(pools.items()) for one in pool.processes][:_SERVICES]

    def _last_events(self) -> list[tuple[int, str]]:
        store = self._session.store
        if store is None:
            return []
        newest = list(store.events(EventQuery(newest_first=True, limit=_EVENTS)))
        return [(event.occurred_at, sentence(event)) for event in reversed(newest)]

    def _read_logs(self) -> list[str]:
        lines: list[str] = []
        containers = list(self._seen.projected.all_containers()) if self._seen is not None else []
        for container in containers:
            try:
                for _, line in self._session.runtime.logs(container.container_id, tail=_LOG_LINES):
                    lines.append(f"{container.key}  {line.decode(errors='replace')}")
            except FleetError as error:
                lines.append(f"{container.key}  {error}")
        for process in self._processes():
            for line in last_lines(Path(process.log), _LOG_LINES) if process.log else ():
                lines.append(f"specialist/{process.pool}/{process.replica}  {line.decode(errors='replace')}")
        return lines


def _edits(seen: Look) -> list[str]:
    """What the file asks for that was not so before: each resource, why, and the fields that differ."""
    lines = []
    for action in seen.plan.actions:
        if verb_of(action) == "record":
            continue
        fields = ", ".join(f"{one.path}: {one.old} → {one.new}" for one in action.reason.changes)
        lines.append(f"{action.id}: {fields or action.reason.text}")
    return lines


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Within the block single keys are read from the terminal, without Enter and without being shown."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    ended, wake = os.pipe()

    def read() -> None:
        while True:
            ready, _, _ = select.select([descriptor, ended], [], [])
            if ended in ready:
                return
            key = os.read(descriptor, 1).decode(errors="replace")
            if not key:
                return
            pressed(key)

    tty.setcbreak(descriptor)
    thread = threading.Thread(target=read, name="fleet-keys", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.write(wake, b".")
        thread.join()
        os.close(ended)
        os.close(wake)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

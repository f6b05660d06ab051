"""Progress of an apply: a live table on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from reconciler.apply.report import ActionState, GateState, Reporter
from reconciler.cli.output import paint, print_json_line
from reconciler.plan.model import AnyAction, Plan, verb_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

_COLOURS = {"done": "green", "open": "green", "failed": "red", "skipped": "yellow", "running": "cyan", "wait": "cyan"}
_WORDS = {"open": "ready", "wait": "waiting"}
# Preparations and records are quick and many; only those that fail are worth a line.
_QUIET_VERBS = frozenset({"record"})


class Progress(Reporter, Protocol):
    """A reporter that is shown: used in a `with` block around the apply."""

    begun: bool

    def __enter__(self) -> Progress: ...

    def __exit__(self, *exception: object) -> None: ...


def progress_for(plan: Plan, *, as_json: bool, colour: bool) -> Progress:
    """The way of showing progress that fits the output."""
    if as_json:
        return JsonProgress()
    if colour and sys.stdout.isatty():
        return LiveProgress(plan)
    return PlainProgress(sys.stdout, colour=colour)


class JsonProgress:
    """One JSON document a line for everything that happens."""

    begun = False

    def __enter__(self) -> JsonProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def on_problems(self, problems: Sequence[str]) -> None:
        self.begun = True
        print_json_line({"event": "problems", "problems": list(problems)})

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        self.begun = True
        line: dict[str, Any] = {
            "event": "action",
            "id": action.id,
            "resource": action.resource,
            "verb": verb_of(action),
            "state": state,
            "seconds": round(seconds, 3),
        }
        print_json_line({**line, "detail": detail} if detail else line)

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        self.begun = True
        line: dict[str, Any] = {
            "event": "gate",
            "resource": f"service/{service}",
            "gate": gate,
            "state": state,
            "seconds": round(seconds, 3),
        }
        print_json_line({**line, "detail": detail} if detail else line)


class PlainProgress:
    """One line for everything that has ended."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self.begun = False
        self._stream = stream
        self._colour = colour

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def on_problems(self, problems: Sequence[str]) -> None:
        self.begun = True
        for problem in problems:
            self._line("failed", "before anything is touched", problem, 0.0)

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        self.begun = True
        quiet = state == "done" and verb_of(action) in _QUIET_VERBS
        if state not in ("running", "waiting") and not quiet:
            self._line(state, action.id, detail, seconds)

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        self.begun = True
        if state != "wait" or not detail:
            self._line(state, f"{gate} service/{service}", detail, seconds)

    def _line(self, state: str, what: str, detail: str, seconds: float) -> None:
        word = paint(f"{_WORDS.get(state, state):<8}", _COLOURS.get(state, "dim"), on=self._colour)  # type: ignore[arg-type]
        took = f" ({seconds:.1f} s)" if seconds >= 0.05 else ""
        about = f": {detail}" if detail and detail != _WORDS.get(state, state) else ""
        print(f"{word} {what}{about}{took}", file=self._stream, flush=True)


class LiveProgress:
    """A table of resources with what is being done to each, its state and its time."""

    def __init__(self, plan: Plan) -> None:
        self.begun = False
        self._rows: dict[str, _Row] = {
            action.id: _Row(action.resource, verb_of(action), "waiting")
            for action in plan.actions
            if verb_of(action) not in _QUIET_VERBS
        }
        self._problems: list[str] = []
        self._live: Live | None = None

    def __enter__(self) -> LiveProgress:
        return self

    def _begin(self) -> None:
        """Take the screen with the first thing that happens; until then it may be used to ask something."""
        self.begun = True
        if self._live is None:
            from rich.live import Live

            self._live = Live(get_renderable=self._table, refresh_per_second=8)
            self._live.__enter__()

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def on_problems(self, problems: Sequence[str]) -> None:
        self._begin()
        self._problems = list(problems)

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        self._begin()
        if action.id in self._rows or state == "failed":
            row = self._rows.setdefault(action.id, _Row(action.resource, verb_of(action), state))
            row.change(state, detail, seconds)

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        self._begin()
        key = f"{gate} service/{service}"
        self._rows.setdefault(key, _Row(f"service/{service}", f"until {gate}", state)).change(state, detail, seconds)

    def _table(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        shown: list[RenderableType] = [Text(problem, style="red") for problem in self._problems]
        return Group(*shown, self._rows_table())

    def _rows_table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
        for heading in ("RESOURCE", "ACTION", "STATE", "TIME", ""):
            table.add_column(heading, no_wrap=heading != "")
        for row in list(self._rows.values()):
            state = Text(_WORDS.get(row.state, row.state), style=_COLOURS.get(row.state, "dim"))
            table.add_row(row.resource, row.verb, state, row.time(), row.detail)
        return table


class _Row:
    """One line of the live table."""

    def __init__(self, resource: str, verb: str, state: str) -> None:
        self.resource = resource
        self.verb = verb
        self.state = state
        self.detail = ""
        self._since = 0.0
        self._seconds = 0.0

    def change(self, state: str, detail: str, seconds: float) -> None:
        if state in ("running", "wait") and not self._since:
            self._since = time.monotonic()
        self.state, self.detail, self._seconds = state, detail, seconds

    def time(self) -> str:
        if self.state in ("running", "wait"):
            return f"{time.monotonic() - self._since:.1f} s"
        return f"{self._seconds:.1f} s" if self._seconds else ""

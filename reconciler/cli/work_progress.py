"""Waiting for missions on the terminal: the graph in place where a person looks on, a line for each change elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.cli.output import Colour, colour_wanted, paint, print_json_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from reconciler.control.awaiting import Standing, Waited
    from reconciler.control.session import Session
    from reconciler.ops.work_view import SortieView
    from reconciler.projections.store import Store

EXIT_CODES = {"completed": 0, "failed": 1, "timed_out": 124, "interrupted": 130}

COLOURS: dict[str, Colour] = {
    "completed": "green",
    "failed": "red",
    "in_progress": "cyan",
    "review": "yellow",
    "blocked": "yellow",
    "cancelled": "dim",
    "pending": "dim",
}


def await_missions(
    session: Session,
    store: Store,
    ids: Collection[str],
    *,
    timeout_ms: int = 0,
    as_json: bool = False,
    tend: Callable[[], None] = lambda: None,
) -> int:
    """Wait for missions with progress; the exit code that their outcome has."""
    from reconciler.cli.interruption import interruptible
    from reconciler.control.awaiting import wait
    from reconciler.control.checkpoints.filing import Filing

    interrupt, filing = threading.Event(), Filing(session.directory)
    shown = _watcher(as_json=as_json)
    with interruptible(interrupt, begun=lambda: True), shown:
        waited = wait(store, ids, shown, timeout_ms=timeout_ms, interrupt=interrupt, tend=tend, filing=filing)
    if as_json:
        print_json_line(_document(waited))
    else:
        for line in _sentences(waited):
            print(line, file=sys.stdout if waited.ending == "completed" else sys.stderr)
    return EXIT_CODES[waited.ending]


def _watcher(*, as_json: bool) -> _Lines | _Live:
    if not as_json and colour_wanted():
        return _Live()
    return _Lines(as_json=as_json)


class _Lines:
    """A line for each sortie that has moved."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def __call__(self, found: Standing, changed: Sequence[SortieView]) -> None:
        for one in changed:
            if self._as_json:
                from reconciler.control.work_documents import sortie_document

                print_json_line({"event": "sortie", **sortie_document(one)})
            else:
                print(_sortie_line(one), flush=True)


class _Live:
    """Every mission's sorties, in place."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._found: Standing | None = None

    def __enter__(self) -> _Live:
        from rich.live import Live

        self._live = Live(get_renderable=self._picture, refresh_per_second=4)
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def __call__(self, found: Standing, changed: Sequence[SortieView]) -> None:
        self._found = found

    def _picture(self) -> RenderableType:
        from rich.text import Text

        lines = Text()
        for mission in self._found.missions if self._found is not None else ():
            lines.append(f"mission/{mission.name}  {mission.completed} of {mission.total} done\n", style="bold")
            for one in self._found.sorties if self._found is not None else ():
                if one.mission_id == mission.id:
                    lines.append(f"  {_sortie_line(one)}\n", style=COLOURS.get(one.status, ""))
        return lines


def _sortie_line(one: SortieView) -> str:
    who = f" by {one.assigned_to}" if one.assigned_to and one.status in ("assigned", "in_progress", "completed") else ""
    again = f" (attempt {one.attempt})" if one.attempt > 1 else ""
    about = f": {one.doing}" if one.doing else ""
    return f"{one.status.replace('_', ' '):<11} {one.address}{who}{again}{about}"


def _document(waited: Waited) -> dict[str, Any]:
    from reconciler.control.work_documents import mission_document

    return {
        "event": "waited",
        "status": waited.ending,
        "seconds": round(waited.seconds, 3),
        "missions": [mission_document(one) for one in waited.standing.missions],
    }


def _sentences(waited: Waited) -> list[str]:
    on = colour_wanted()
    lines = []
    for one in waited.standing.missions:
        word = paint(one.status.replace("_", " "), COLOURS.get(one.status, "cyan"), on=on)
        about = f": {one.reason}" if one.reason else ""
        lines.append(f"mission/{one.name} {word}, {one.completed} of {one.total} sorties done{about}")
        if one.status == "failed":
            lines.append(f"  fleet missions retry {one.name} goes on from what failed; fleet why mission/{one.name}")
    if waited.ending == "timed_out":
        lines.append(f"Out of time after {waited.seconds:.1f} s; the missions go on without this command.")
    elif waited.ending == "interrupted":
        lines.append("Interrupted; the missions go on without this command.")
    return lines

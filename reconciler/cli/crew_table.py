"""Specialists in a table of 80 columns: what is wanted, what runs, and what each works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.cli.output import age, columns, paint, width

if TYPE_CHECKING:
    from reconciler.ops.crew_status import CrewStatus, ProcessSide

_HEADINGS = ("", "SPECIALIST", "DESIRED", "PROJECTED", "OBSERVED", "REPORTS", "SEEN")
_WIDTH = 80


def crew_table(statuses: Sequence[CrewStatus], now_ms: int, *, past: bool = False, on: bool = False) -> Iterator[str]:
    """One line a replica, and under it, further in, what a person should know of it.

    Args:
        past: nobody looked at the processes then.
        on: whether to use colours.
    """
    rows = [_row(one, now_ms, past=past) for one in statuses]
    headings, *lines = columns(_HEADINGS, rows, limit=max(width(), _WIDTH)).splitlines()
    yield paint(headings, "dim", on=on)
    for one, line in zip(statuses, lines, strict=True):
        yield paint(line[:1], "green" if one.agrees else "yellow", on=on) + line[1:]
        for text in one.differences:
            yield paint(f"     {text}", "yellow", on=on)
        notes = [f"works on {one.report.current_sortie}"] if one.report.current_sortie else []
        for text in (*notes, *one.notes):
            yield paint(f"     {text}", "dim", on=on)


def _row(one: CrewStatus, now_ms: int, *, past: bool) -> tuple[str, ...]:
    sides = [_cell(one.desired), _cell(one.projected), "-" if past else _cell(one.observed)] if one.pool else ["-"] * 3
    reports = "drains" if one.report.draining and one.report.status not in ("", "completed") else one.report.status
    return (
        "✓" if one.agrees else "✗",
        one.address.removeprefix("specialist/"),
        *sides,
        reports or "-",
        age(one.report.last_seen, now_ms) if one.report.last_seen else "-",
    )


def _cell(side: ProcessSide) -> str:
    code = f" ({side.exit_code})" if side.exit_code is not None and side.state == "exited" else ""
    return f"{side.state}{code}"

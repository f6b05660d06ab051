"""Printing: JSON for programs, columns that fit the terminal for people, times in local time.

Colour is used on a terminal only and never when `NO_COLOR` is set.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

Colour = Literal["red", "green", "yellow", "blue", "cyan", "dim", "bold"]
_CODES: dict[str, str] = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
    "dim": "2",
    "bold": "1",
}


def colour_wanted(stream: TextIO | None = None) -> bool:
    """Whether this stream is a terminal that a person looks at in colour."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return (stream or sys.stdout).isatty()


def paint(text: str, colour: Colour, *, on: bool) -> str:
    """The text in a colour, or as it is."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if on else text


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80


def print_json(document: Any) -> None:
    """One JSON document, indented."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def print_json_line(document: Any) -> None:
    """One JSON document on one line, flushed, for streams."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()


def columns(headings: Sequence[str], rows: Iterable[Sequence[str]], *, limit: int | None = None) -> str:
    """Left-aligned columns, each as wide as its widest cell; the last one is cut where a line would wrap.

    Args:
        headings: upper-case titles.
        rows: cells as text, as many as there are headings.
        limit: width in characters; the terminal's when left out, without bound when the output is not a terminal.
    """
    table = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    room = limit if limit is not None else (width() if sys.stdout.isatty() else 0)
    lines = []
    for row in table:
        line = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        lines.append(line if not room or len(line) <= room else line[: room - 1] + "…")
    return "\n".join(lines)


def local_time(milliseconds: int | None) -> str:
    """Local time to the second, `2026-11-24 12:04:19`; `-` for none."""
    if not milliseconds:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short_local_time(milliseconds: int) -> str:
    """Local time without the year, `11-24 12:04:19`, for lists that must fit 80 columns."""
    return local_time(milliseconds)[5:]


def utc_time(milliseconds: int | None) -> str | None:
    """ISO 8601 UTC with milliseconds, for JSON."""
    if not milliseconds:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


def age(milliseconds: int | None, now_ms: int) -> str:
    """How long ago in one unit or two: `3m12s`, `2h`, `5d`; `-` for none."""
    if not milliseconds:
        return "-"
    seconds = max(0, (now_ms - milliseconds) // 1000)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds < 600 else f"{seconds // 60}m"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600}h"

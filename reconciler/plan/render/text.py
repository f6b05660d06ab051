"""A plan for a terminal: the counts first, then what is destroyed, then everything else by kind, each with its why."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from reconciler.plan.model import Plan
from reconciler.plan.render.headline import Entry, groups, left_alone, summary
from reconciler.plan.render.values import change_text

_COLOURS = {"-/+": "31", "-": "31", "x": "33", "+": "32", "&": "32", ">": "32", "~": "33", "<>": "33", "!": "36"}
_BOLD, _DIM, _YELLOW = "1", "2", "33"
_INDENT = 6
_SHORTEST_VALUE = 16


def text(plan: Plan, *, colour: bool = False, width: int = 80) -> str:
    """The plan as lines that fit the width.

    Args:
        colour: whether to use the terminal's colours.
    """
    return "\n".join(_Writer(colour, max(width, 40)).lines(plan))


class _Writer:
    def __init__(self, colour: bool, width: int) -> None:
        self._colour = colour
        self._width = width

    def lines(self, plan: Plan) -> Iterator[str]:
        """The whole plan."""
        if plan.empty:
            number = plan.counts.unchanged
            yield f"Nothing to do: {number} resource{'' if number == 1 else 's'} unchanged."
        else:
            yield from self._wrapped(f"Plan for {plan.fleet}: ", summary(plan), _BOLD)
        if plan.warnings:
            yield from ("", self._paint("Warnings", _BOLD))
            for notice in plan.warnings:
                yield from self._item("!", notice.resource, notice.text, _YELLOW)
        for heading, entries in groups(plan):
            yield from ("", self._paint(heading, _BOLD))
            for entry in entries:
                yield from self._entry(entry)
        if plan.later:
            yield from ("", self._paint("In the next run", _BOLD))
            for later in plan.later:
                yield from self._entry(Entry("~>", (later.resource,), later.why, "", later.changes))
        alone = list(left_alone(plan))
        if alone:
            yield from ("", self._paint("Left alone", _BOLD))
            for resource, why in alone:
                yield from self._item("=", resource, why, _DIM)

    def _entry(self, entry: Entry) -> Iterator[str]:
        told = f"{entry.text} — {entry.origin}" if entry.origin else entry.text
        yield from self._item(entry.symbol, entry.title, told, _COLOURS.get(entry.symbol, _DIM))
        room = self._width - _INDENT - 2
        for change in entry.changes:
            limit = max(_SHORTEST_VALUE, (room - len(change.path) - 5) // 2)
            line = change_text(change, limit=limit)
            yield from (self._paint(one, _DIM) for one in self._hanging("", line, _INDENT + 2))

    def _item(self, symbol: str, resource: str, told: str, code: str) -> Iterator[str]:
        head = f"  {symbol:<{_INDENT - 3}} {resource}"
        if len(head) + 2 + len(told) <= self._width:
            yield f"{self._paint(head, code)}  {told}"
        else:
            yield from (self._paint(one, code) for one in self._hanging(head, "", _INDENT))
            yield from self._hanging("", told, _INDENT + 2)

    def _wrapped(self, head: str, told: str, code: str) -> Iterator[str]:
        for line in wrap(head + told, self._width, subsequent_indent="  "):
            yield self._paint(line, code)

    def _hanging(self, head: str, told: str, indent: int) -> list[str]:
        """Lines that begin with the head and go on indented."""
        start = head or " " * indent
        return wrap(
            told or head.strip(),
            self._width,
            initial_indent=" " * indent if told else head[: len(head) - len(head.lstrip())],
            subsequent_indent=" " * (indent + 2),
            break_on_hyphens=False,
        ) or [start]

    def _paint(self, line: str, code: str) -> str:
        return f"\x1b[{code}m{line}\x1b[0m" if self._colour else line

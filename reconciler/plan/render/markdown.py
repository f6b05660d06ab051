"""A plan as Markdown, to be posted under a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.plan.model import Plan
from reconciler.plan.render.headline import Entry, groups, left_alone, summary
from reconciler.plan.render.values import change_text

_LONGEST_VALUE = 60
_SPECIAL = str.maketrans({one: f"\\{one}" for one in "\\`*_{}[]<>()#|~!"})


def markdown(plan: Plan) -> str:
    """The counts, warnings, a table of what is done by kind, and what is left alone."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"### Plan for {_plain(plan.fleet)}: {summary(plan) if not plan.empty else 'nothing to do'}"
    if plan.warnings:
        yield ""
        yield "\n>\n".join(f"> ⚠ **{_plain(one.resource)}** {_plain(one.text)}" for one in plan.warnings)
    entries = [(heading, entry) for heading, found in groups(plan) for entry in found]
    if entries:
        yield from ("", "| what | resource | why |", "|---|---|---|")
        yield from (f"| {heading} | {_code(entry.title)} | {_why(entry)} |" for heading, entry in entries)
    if plan.later:
        yield from ("", "In the next run:", "")
    for later in plan.later:
        changes = [_code(change_text(change, limit=_LONGEST_VALUE)) for change in later.changes]
        yield f"- {'<br>'.join([f'{_code(later.resource)}: {_plain(later.why)}', *changes])}"
    alone = list(left_alone(plan))
    if alone:
        yield from ("", "Left alone:", "")
        yield from (f"- {_code(resource)}: {_plain(why)}" for resource, why in alone)


def _why(entry: Entry) -> str:
    told = _plain(entry.text) + (f" — *{entry.origin}*" if entry.origin else "")
    changes = [_code(change_text(change, limit=_LONGEST_VALUE)) for change in entry.changes]
    return "<br>".join([told, *changes])


def _plain(text: str) -> str:
    """Text that stays text, whatever is in it."""
    return text.replace("\n", " ").translate(_SPECIAL)


def _code(text: str) -> str:
    """Text between backticks, longer ones where it has some itself; a table cell ends at a bar even there."""
    inner = text.replace("\n", " ").replace("|", "\\|")
    fence = "`"
    while fence in inner:
        fence += "`"
    space = " " if "`" in inner else ""
    return f"{fence}{space}{inner}{space}{fence}"

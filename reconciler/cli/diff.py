"""`fleet diff`: what differs between two revisions of the file, by meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import Colour, colour_wanted, paint, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.ops.revisions import Comparison, Difference
    from reconciler.plan.model import FieldChange

_SIGNS: dict[str, tuple[str, Colour]] = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_LONGEST_VALUE = 60


@about_project
def diff(
    project: Project,
    old: Annotated[
        str, typer.Argument(help="A revision's number (default: the one before the other).", metavar="[REV]")
    ] = "",
    new: Annotated[str, typer.Argument(help="Another one (default: the revision that holds).", metavar="[REV]")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what differs between two revisions, field by field. Defaults, units and the order of sets are no difference.

    Both are read from the log: the files need not be there any more. Values that are named like secrets are masked.

    \b
    Examples:
      fleet diff            the revision that holds, and the one before it
      fleet diff 3          revision 3, and the one that holds
      fleet diff 3 5 --json
    """
    from reconciler.control.session import open_session
    from reconciler.errors import NotFound
    from reconciler.ops.revisions import compare_revisions

    with open_session(project) as session:
        store = session.store
        if store is None:
            raise NotFound("nothing has been applied yet", hint="fleet apply")
        comparison = compare_revisions(store.rows(), _number(old), _number(new))
    if as_json:
        from reconciler.control.documents import comparison_document

        print_json(comparison_document(comparison))
    else:
        typer.echo("\n".join(_lines(comparison)))


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise typer.BadParameter(f"{text!r} is no revision's number; fleet history lists them", param_hint="REV")
    return int(text)


def _lines(comparison: Comparison) -> Iterator[str]:
    on = colour_wanted()
    if not comparison.differences:
        yield f"revisions {comparison.old} and {comparison.new} mean the same"
        return
    yield paint(f"revision {comparison.old} → {comparison.new}", "bold", on=on)
    for difference in comparison.differences:
        yield from _difference(difference, on=on)


def _difference(difference: Difference, *, on: bool) -> Iterator[str]:
    sign, colour = _SIGNS[difference.kind]
    yield paint(f"{sign} {difference.resource or 'the fleet itself'}", colour, on=on)
    for change in difference.changes:
        yield f"    {change.path}: {_change(difference.kind, change)}"


def _change(kind: str, change: FieldChange) -> str:
    if kind == "added":
        return _value(change.new)
    return _value(change.old) if kind == "removed" else f"{_value(change.old)} → {_value(change.new)}"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"

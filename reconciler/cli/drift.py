"""`fleet drift`: what somebody or something changed behind Fleet's back."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import age, colour_wanted, local_time, paint, print_json

if TYPE_CHECKING:
    from reconciler.control.drift import Drift, DriftReport, Ignore

DRIFT_EXIT_CODE = 2


@about_project
def drift(project: Project, as_json: JsonOption = False) -> int:
    """Show what the world changed against the log: by resource and field, with what happened. Changes nothing.

    It exits with 0 when nothing drifted, with 2 when something did, and with another code when that cannot be told. What
    `reconcile.ignore_drift` leaves alone is shown with its reason and its end, and does not count. An edit of the file that
    was not applied is no drift: `fleet plan` shows it.

    \b
    Examples:
      fleet drift
      fleet drift --json
      fleet drift || fleet apply
    """
    from reconciler.control.drift import drift as find
    from reconciler.control.session import open_session

    with open_session(project) as session:
        report = find(session)
    if as_json:
        from reconciler.control.documents import drift_document

        print_json(drift_document(report))
    else:
        for warning in report.warnings:
            print(f"fleet: {warning}", file=sys.stderr)
        typer.echo(_text(report))
    return DRIFT_EXIT_CODE if report.found else 0


def _text(report: DriftReport) -> str:
    on = colour_wanted()
    counted = [one for one in report.drifts if not one.ignored]
    ignored = [one for one in report.drifts if one.ignored]
    if counted:
        lines = [f"{len(counted)} field{'' if len(counted) == 1 else 's'} drifted in {report.fleet}"]
    else:
        lines = [f"Nothing drifted in {report.fleet}."]
    for one in counted:
        lines += ["", *_lines(one, paint("!", "yellow", on=on))]
    if ignored:
        lines += ["", "Ignored"]
        for one in ignored:
            lines += _lines(one, "=")
    if report.ignores:
        lines += ["", "Exceptions"]
        lines += [f"  {_rule(one)}" for one in report.ignores]
    return "\n".join(lines)


def _lines(one: Drift, symbol: str) -> list[str]:
    since = f", {age(one.since, time.time_ns() // 1_000_000)} ago" if one.since else ""
    first = f"  {symbol} {one.resource}  {one.field}: {_value(one.expected)} → {_value(one.actual)}"
    told = [f"      {one.cause}{since}"]
    return [first, *told, *([f"      {one.ignored}"] if one.ignored else [])]


def _value(value: Any) -> str:
    return str(value) if value not in (None, "") else "-"


def _rule(one: Ignore) -> str:
    until = "" if one.until is None else f" {'ran out' if one.expired else 'until'} {local_time(one.until)}"
    why = f": {one.why}" if one.why else ""
    return f"{one.resource} {one.field}{until} ({one.source}){why}"

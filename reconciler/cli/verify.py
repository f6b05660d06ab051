"""`fleet verify`: is the log what was recorded, and are the projections what follows from it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, paint, print_json
from reconciler.cli.tending import Counter

if TYPE_CHECKING:
    from reconciler.ops.verify import Report

_UNSOUND = 6


@about_project
def verify(
    project: Project,
    expect: Annotated[
        list[str],
        typer.Option(
            "--expect",
            help="A hash that was noted earlier, by its event's number; its beginning suffices.",
            metavar="NUMBER:HASH",
        ),
    ] = [],
    as_json: JsonOption = False,
) -> None:
    """Check every event of the log and everything that follows from it. Changes nothing.

    Looks at the chain of hashes, the order of each stream, what events refer to, the archive's files, and whether the
    projections are what a fresh fold of the log gives. Says the first bad event and why. The exit code is 6 when
    anything is wrong. The hash of the newest event, noted elsewhere, proves later that nothing before it was rewritten.

    \b
    Examples:
      fleet verify
      fleet verify --json
      fleet verify --expect 1042:3f5a1c0d
    """
    from reconciler.control.session import open_session
    from reconciler.ops.verify import verify as check

    anchors = dict(_anchor(text) for text in expect)
    with open_session(project) as session, Counter("checking event", quiet=as_json) as counter:
        report = check(session.database, anchors=anchors, progress=counter)
    if as_json:
        print_json(_document(report))
    else:
        typer.echo(_text(report))
    raise typer.Exit(0 if report.sound else _UNSOUND)


def _anchor(text: str) -> tuple[int, bytes]:
    number, _, noted = text.partition(":")
    try:
        sequence, sealed = int(number), bytes.fromhex(noted)
    except ValueError:
        sequence, sealed = 0, b""
    if sequence < 1 or not sealed:
        raise typer.BadParameter(f"{text!r} is no NUMBER:HASH such as 1042:3f5a1c0d", param_hint="--expect")
    return sequence, sealed


def _text(report: Report) -> str:
    on = colour_wanted()
    archived = f", {report.archived} of them in {report.segments} file(s) of the archive" if report.archived else ""
    lines = [f"{report.head} events{archived}"]
    if report.sound:
        lines.append(paint("✓ the log is what was recorded, and the projections follow from it", "green", on=on))
    else:
        place = f", the first at event {report.first_bad}" if report.first_bad is not None else ""
        lines.append(paint(f"✗ something is wrong{place}", "red", on=on))
        lines += [f"  {fault.check:<10} {fault.what}" for fault in report.faults]
    if report.loose:
        count, first = len(report.loose), report.loose[0]
        lines.append(f"! {count} event(s) name a cause that is not in the log, the first is {first}")
    lines += [f"· {note}" for note in report.notes]
    if report.head:
        lines.append(f"  newest {report.head}:{report.hash.hex()}")
    if not report.sound:
        lines.append(f"  {_remedy(report)}")
    return "\n".join(lines)


def _remedy(report: Report) -> str:
    """What a person can do about it."""
    if {fault.check for fault in report.faults} <= {"projection", "snapshot"}:
        return "fleet rebuild makes anew what follows from the log"
    return "fleet restore puts a backup in its place; fleet bundle collects what a bug report needs"


def _document(report: Report) -> dict[str, object]:
    return {
        "ok": report.sound,
        "head": report.head,
        "hash": report.hash.hex(),
        "archived": report.archived,
        "segments": report.segments,
        "first_bad": report.first_bad,
        "faults": [
            {"check": fault.check, "sequence_number": fault.sequence, "what": fault.what} for fault in report.faults
        ],
        "loose": list(report.loose),
        "notes": list(report.notes),
    }

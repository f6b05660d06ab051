"""`fleet replay`: would this release, and this file, have planned what was planned?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import Colour, colour_wanted, local_time, paint, print_json, utc_time
from reconciler.cli.tending import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.control.session import Session
    from reconciler.ops.replay import Replayed, Step
    from reconciler.plan.model import Notice
    from reconciler.projections.projected import Projected
    from reconciler.spec.desired import Desired

_DIFFERENT = 2
_SIGNS: dict[str, tuple[str, Colour]] = {"same": ("✓", "green"), "different": ("✗", "red"), "passed over": ("·", "dim")}


@about_project
def replay(
    project: Project,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="A file to plan with, in place of what each revision said.", metavar="FILE"),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", help="Only applies from then on: a number, a time, '2h ago'.", metavar="WHEN")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Plan every apply of the log again, from what the log knew when it began, and compare. Changes nothing.

    Tells whether this release decides as the one did that wrote the log, or, with a file, what that file would have
    done. The exit code is 2 when anything differs.

    \b
    Examples:
      fleet replay
      fleet replay --against fleet.yaml --since '1 day ago'
      fleet replay --json
    """
    from reconciler.control.session import open_session
    from reconciler.errors import NotFound
    from reconciler.ops.replay import replay as run

    with open_session(project) as session:
        store = session.store
        if store is None:
            raise NotFound("nothing has been applied yet", hint="fleet apply")
        desired = _load(session, against) if against is not None else None
        first = _first(session, since)
        found = list(run(store.events(), against=desired, adjust=_held_back, since=first))
    if as_json:
        print_json([_document(one) for one in found])
    else:
        typer.echo("\n".join(_lines(found)))
    raise typer.Exit(_DIFFERENT if any(one.verdict == "different" for one in found) else 0)


def _load(session: Session, file: Path) -> Desired:
    from reconciler.spec.load import load

    return load(file.absolute(), project=session.directory, options=session.load_options()).desired


def _first(session: Session, since: str) -> int:
    from reconciler.events.moment import parse_moment

    if not since or session.store is None:
        return 0
    moment = parse_moment(since, now_ms=now_ms())
    return moment.sequence if moment.sequence is not None else session.store.sequence_at(moment) + 1


def _held_back(desired: Desired, projected: Projected) -> Desired:
    from reconciler.control.held import hold_back

    held: tuple[Desired, tuple[Notice, ...]] = hold_back(desired, projected)
    return held[0]


def _lines(found: Sequence[Replayed]) -> Iterator[str]:
    on = colour_wanted()
    for one in found:
        sign, colour = _SIGNS[one.verdict]
        note = f" ({one.note})" if one.note else ""
        what = f"apply of revision {one.revision} at event {one.sequence}: {one.verdict}, {one.steps} actions{note}"
        yield f"{paint(sign, colour, on=on)} {local_time(one.at)}  {what}"
        yield from (f"    would be done, and was not:  {_step(step)}" for step in one.only_planned)
        yield from (f"    was done, and would not be:  {_step(step)}" for step in one.only_recorded)
    different = sum(one.verdict == "different" for one in found)
    yield f"{len(found)} applies, {different} of them planned differently" if found else "no apply in the log"


def _step(step: Step) -> str:
    place = f"/{step.replica}" if step.replica else ""
    return f"{step.action.replace('_', ' ')} {step.resource}{place}" + (f" ({step.why})" if step.why else "")


def _document(one: Replayed) -> dict[str, Any]:
    def steps(found: Sequence[Step]) -> list[dict[str, Any]]:
        return [
            {"action": step.action, "resource": step.resource, "replica": step.replica or None, "why": step.why}
            for step in found
        ]

    return {
        "apply_id": one.apply_id,
        "sequence_number": one.sequence,
        "at": utc_time(one.at),
        "revision": one.revision,
        "verdict": one.verdict,
        "actions": one.steps,
        "only_planned": steps(one.only_planned),
        "only_recorded": steps(one.only_recorded),
        "note": one.note,
    }

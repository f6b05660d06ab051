"""`fleet plan`: what apply would do, and why, without doing any of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.apply import ExcludeOption, SkipTagsOption, TagsOption, TargetOption
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, print_json, width

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.errors import Problem
    from reconciler.plan.model import Plan, PlanOptions

CHANGES_EXIT_CODE = 2


@about_project
def plan(
    project: Project,
    target: TargetOption = [],
    exclude: ExcludeOption = [],
    tags: TagsOption = [],
    skip_tags: SkipTagsOption = [],
    at: Annotated[
        str,
        typer.Option(
            "--at",
            help="Against the fleet as it was then: a sequence number, a time, or '2 hours ago'.",
            metavar="WHEN",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Save the plan, to be carried out by `fleet apply FILE` exactly so.", metavar="FILE"
        ),
    ] = None,
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 0 without changes, 2 with some, 1 on an error.")
    ] = False,
) -> int:
    """Show what apply would do, and why: counts first, then every change by field, and what stays as it is.

    It tells an edit of the file from what the world changed. Nothing is touched: no container, no image, no byte of the
    log; before the first apply no log is made. With --at it tells what the file of today would have changed in the fleet
    as the log knew it then. A plan saved with --out is refused later if the file, the log or the world has moved on.

    \b
    Examples:
      fleet plan
      fleet plan --target service/web
      fleet plan --markdown > comment.md
      fleet plan --json --detailed-exitcode
      fleet plan --at "2 hours ago"
      fleet plan --out plan.fleet && fleet apply plan.fleet
    """
    if as_json and as_markdown:
        raise typer.BadParameter("choose one of --json and --markdown", param_hint="--markdown")
    if at and out is not None:
        raise typer.BadParameter("a plan against the past cannot be carried out", param_hint="--out")
    from reconciler.control.session import open_session
    from reconciler.plan.model import PlanOptions

    options = PlanOptions(targets=tuple(target), exclude=tuple(exclude), tags=tuple(tags), skip_tags=tuple(skip_tags))
    with open_session(project) as session:
        found, warnings = _plan(session, options, at, out)
    from reconciler.plan.render import document, markdown, text

    if as_json:
        print_json(document(found))
    elif as_markdown:
        sys.stdout.write(markdown(found))
    else:
        for warning in warnings:
            print(f"fleet: {warning}", file=sys.stderr)
        typer.echo(text(found, colour=colour_wanted(), width=width()))
    return CHANGES_EXIT_CODE if detailed_exitcode and not found.empty else 0


def _plan(session: Session, options: PlanOptions, at: str, out: Path | None) -> tuple[Plan, tuple[Problem, ...]]:
    """The plan against the present, or against the past, and what the file is warned of."""
    from reconciler.control.look import look
    from reconciler.control.past import plan_at
    from reconciler.control.reading import now_ms
    from reconciler.events.moment import parse_moment

    if at:
        return plan_at(session, parse_moment(at, now_ms=now_ms()), options), ()
    seen = look(session, options)
    if out is not None:
        from reconciler.control.saved import save

        save(seen, options, out, actor=session.cause.actor)
    return seen.plan, seen.reading.warnings

"""`fleet plan`: what apply would do, and why, without doing any of it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli.apply import ExcludeOption, SkipTagsOption, TagsOption, TargetOption
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, print_json, width

CHANGES_EXIT_CODE = 2


@about_project
def plan(
    project: Project,
    target: TargetOption = [],
    exclude: ExcludeOption = [],
    tags: TagsOption = [],
    skip_tags: SkipTagsOption = [],
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 0 without changes, 2 with some, 1 on an error.")
    ] = False,
) -> int:
    """Show what apply would do, and why: counts first, then every change by field, and what stays as it is.

    It tells an edit of the file from what the world changed. Nothing is touched: no container, no image, no byte of the
    log; before the first apply no log is made.

    \b
    Examples:
      fleet plan
      fleet plan --target service/web
      fleet plan --markdown > comment.md
      fleet plan --json --detailed-exitcode
    """
    if as_json and as_markdown:
        raise typer.BadParameter("choose one of --json and --markdown", param_hint="--markdown")
    from reconciler.control.look import look
    from reconciler.control.session import open_session
    from reconciler.plan.model import PlanOptions

    options = PlanOptions(targets=tuple(target), exclude=tuple(exclude), tags=tuple(tags), skip_tags=tuple(skip_tags))
    with open_session(project) as session:
        seen = look(session, options)
    from reconciler.plan.render import document, markdown, text

    if as_json:
        print_json(document(seen.plan))
    elif as_markdown:
        sys.stdout.write(markdown(seen.plan))
    else:
        for warning in seen.reading.warnings:
            print(f"fleet: {warning}", file=sys.stderr)
        typer.echo(text(seen.plan, colour=colour_wanted(), width=width()))
    return CHANGES_EXIT_CODE if detailed_exitcode and not seen.plan.empty else 0

"""`fleet rollback`: go back to an earlier revision of the file, and stay there until the file changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.apply import TimeoutOption, WaitLeaseOption, duration, finish, run_cycle
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, print_json_line, width

if TYPE_CHECKING:
    from reconciler.control.cycle import Confirmation, Look
    from reconciler.control.session import Session
    from reconciler.events.envelope import NewEvent


@about_project
def rollback(
    project: Project,
    revision: Annotated[
        int, typer.Argument(help="The revision to go back to (default: the one before).", min=0, metavar="REV")
    ] = 0,
    to: Annotated[int, typer.Option("--to", help="The same, as an option.", min=0, metavar="REV")] = 0,
    why: Annotated[str, typer.Option("--why", help="The reason, for the history.", metavar="TEXT")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    timeout: TimeoutOption = "",
    wait_lease: WaitLeaseOption = "0s",
    as_json: JsonOption = False,
) -> int:
    """Go back to an earlier revision: show the plan, ask, record it, carry it out.

    The file stays as it is, and what it says is not taken up again, neither by `fleet apply` nor by the loop, until it is
    edited. What the log does not hold cannot come back: volumes keep their data, and config files must be as they were.

    \b
    Examples:
      fleet rollback
      fleet rollback 12 --why "the new image leaks"
      fleet rollback --to 12 --yes
    """
    if revision and to and revision != to:
        raise typer.BadParameter("two different revisions were given", param_hint="--to")
    from reconciler.control.look import look
    from reconciler.control.rollback import must_be_possible, reverting
    from reconciler.control.session import open_session
    from reconciler.plan.model import PlanOptions

    with open_session(project) as session:
        event = reverting(session, revision or to, why=why.strip())
        seen = look(session, requests=[event])
        must_be_possible(seen)
        _show(event, seen, as_json=as_json)
        said = _confirmed(session, event, yes=yes)
        result = run_cycle(
            session,
            seen,
            PlanOptions(),
            confirm=lambda _: said,
            timeout_ms=duration(timeout, "--timeout"),
            wait_lease_ms=duration(wait_lease, "--wait-lease"),
            as_json=as_json,
            purpose="rollback",
        )
    if not as_json:
        typer.echo(f"Revision {event.data['to_revision']} holds; {event.data['revision']} is not taken up again.")
    return finish(result, as_json=as_json)


def _show(event: NewEvent, seen: Look, *, as_json: bool) -> None:
    from reconciler.plan.render import document, text

    if as_json:
        print_json_line({"event": "plan", **event.data, "plan": document(seen.plan)})
        return
    typer.echo(f"From revision {event.data['revision']} back to {event.data['to_revision']}")
    typer.echo(text(seen.plan, colour=colour_wanted(), width=width()))


def _confirmed(session: Session, event: NewEvent, *, yes: bool) -> Confirmation:
    """Somebody's yes.

    Raises:
        ConfirmationMissing: nobody gave one.
    """
    from reconciler.control.cycle import Confirmation
    from reconciler.errors import ConfirmationMissing

    if yes:
        return Confirmation(session.cause.actor, "flag")
    question = f"Roll back to revision {event.data['to_revision']}?"
    if sys.stdin.isatty() and sys.stdout.isatty() and typer.confirm(question):
        return Confirmation(session.cause.actor, "prompt")
    raise ConfirmationMissing("the rollback was not confirmed, and nothing was done", hint="fleet rollback --yes")

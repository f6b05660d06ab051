"""`fleet services up`: start services and wait until they are ready."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.apply import EXIT_CODES, confirmation, duration, finish, run_cycle
from reconciler.cli.options import Project, about_project

if TYPE_CHECKING:
    from reconciler.control.look import Look
    from reconciler.control.session import Session
    from reconciler.events.envelope import NewEvent
    from reconciler.plan.model import PlanOptions

NamesArgument = Annotated[list[str], typer.Argument(help="Services; all for none.", metavar="[NAME]...")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Confirm replacing containers whose block was edited.")]
ReadyOption = Annotated[str, typer.Option("--timeout", help="How long to wait until they are ready.", metavar="TIME")]

TRIES = 30


@about_project
def up(project: Project, names: NamesArgument = [], yes: YesOption = False, timeout: ReadyOption = "60s") -> int:
    """Start what fleet.yaml declares and wait until it accepts connections.

    A container that is there is started, not made a second time. Services that were stopped with `fleet services down`
    are wanted up again. Afterwards it says how to reach them.

    \b
    Examples:
      fleet services up
      fleet services up postgres
    """
    from reconciler.control.look import look
    from reconciler.control.requests import chosen_services, start_requests
    from reconciler.control.session import open_session

    with open_session(project) as session:
        first = look(session)
        chosen = chosen_services(first.desired, names)
        options = narrowed(chosen if names else ())
        return bring_up(session, chosen, options, start_requests(first.projected, chosen), yes=yes, timeout=timeout)


def narrowed(services: Sequence[str], *, restart: Sequence[str] = ()) -> PlanOptions:
    """Options for a plan about these services and what they depend on; about everything for none."""
    from reconciler.plan.model import PlanOptions

    return PlanOptions(
        targets=tuple(f"service/{name}" for name in services), restart=tuple(f"service/{name}" for name in restart)
    )


def bring_up(
    session: Session,
    chosen: Sequence[str],
    options: PlanOptions,
    requests: Sequence[NewEvent],
    *,
    yes: bool,
    timeout: str,
) -> int:
    """Carry out what these services need, wait until they are ready and say how to reach them; the exit code."""
    from reconciler.control.look import look

    patience_ms = duration(timeout, "--timeout")
    seen = look(session, options, requests=requests)
    if not seen.settled:
        result = run_cycle(
            session,
            seen,
            options,
            confirm=confirmation(session, yes=yes),
            ready_ms=patience_ms,
            purpose="services up",
        )
        if result is not None and not result.succeeded:
            finish(result, as_json=False)
            return EXIT_CODES[result.status]
    now = look(session, options)
    _wait(session, now, chosen, patience_ms)
    _tell(session, now, chosen)
    return 0


def _wait(session: Session, now: Look, chosen: Sequence[str], patience_ms: int) -> None:
    """Try until all are ready: 30 times, evenly over the time that is allowed.

    Raises:
        TimedOut: they are not.
    """
    from reconciler.control.ready import unready
    from reconciler.errors import TimedOut

    waiting: list[str] = []
    for attempt in range(1, TRIES + 1):
        waiting = unready(session.runtime, now.desired, now.projected, chosen)
        if not waiting:
            return
        typer.echo(f"waiting for {', '.join(waiting)} ({attempt}/{TRIES})")
        time.sleep(patience_ms / 1000 / TRIES)
    raise TimedOut(
        f"not ready after {patience_ms / 1000:g} s: {', '.join(waiting)}", hint=f"fleet services logs {waiting[0]}"
    )


def _tell(session: Session, now: Look, chosen: Sequence[str]) -> None:
    from reconciler.control.connections import connections

    shown = connections(now.desired, now.projected, session.runtime, chosen)
    width = max((len(one.service) for one in shown), default=0)
    for one in shown:
        where = ", ".join(one.addresses) or "no published port"
        typer.echo(f"{one.service:<{width}}  {where}  (container {one.container})")
    typer.echo(f"Next: fleet services logs {chosen[0]}" if len(chosen) == 1 else "Next: fleet services status")

"""`fleet services down`: stop services and keep everything they have."""

from __future__ import annotations

import typer

from reconciler.cli.apply import EXIT_CODES, confirmation, finish, run_cycle
from reconciler.cli.options import Project, about_project
from reconciler.cli.services.up import NamesArgument, narrowed


@about_project
def down(project: Project, names: NamesArgument = []) -> int:
    """Stop services; their containers and data are kept.

    It is remembered that they are wanted down: no later apply starts them before `fleet services up` does.

    \b
    Examples:
      fleet services down
      fleet services down web
    """
    from reconciler.control.look import look
    from reconciler.control.requests import chosen_services, running_services, stop_requests
    from reconciler.control.session import open_session

    with open_session(project) as session:
        first = look(session)
        chosen = chosen_services(first.desired, names)
        running = running_services(first.projected, chosen)
        for name in chosen:
            if name not in running:
                typer.echo(f"{name} was not running")
        options = narrowed([name for name in chosen if name in first.projected.services])
        requests = stop_requests(first.projected, chosen)
        if not requests and not running:
            return 0
        seen = look(session, options, requests=requests)
        if seen.settled:
            return 0
        result = run_cycle(
            session, seen, options, confirm=confirmation(session, yes=False), wait=False, purpose="services down"
        )
        if result is not None and not result.succeeded:
            finish(result, as_json=False)
            return EXIT_CODES[result.status]
        for name in running:
            typer.echo(f"{name} is stopped; its containers and data are kept")
        if running:
            typer.echo(f"Next: fleet services up{' ' + ' '.join(names) if names else ''}")
    return 0

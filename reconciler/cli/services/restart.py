"""`fleet services restart`: stop and start services."""

from __future__ import annotations

from reconciler.cli.options import Project, about_project
from reconciler.cli.services.up import NamesArgument, ReadyOption, YesOption, bring_up, narrowed


@about_project
def restart(project: Project, names: NamesArgument = [], yes: YesOption = False, timeout: ReadyOption = "60s") -> int:
    """Stop and start services, one replica after the other, and wait until they are ready.

    One that was stopped with `fleet services down` is started.

    \b
    Examples:
      fleet services restart
      fleet services restart web
    """
    from reconciler.control.look import look
    from reconciler.control.requests import chosen_services, start_requests
    from reconciler.control.session import open_session

    with open_session(project) as session:
        first = look(session)
        chosen = chosen_services(first.desired, names)
        options = narrowed(chosen if names else (), restart=chosen)
        return bring_up(session, chosen, options, start_requests(first.projected, chosen), yes=yes, timeout=timeout)

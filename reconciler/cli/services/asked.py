"""Which containers a command about services means."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING

from reconciler.errors import ToolMissing

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.ops.service_view import ServiceReplica


def asked_for(session: Session, names: Iterable[str]) -> tuple[ServiceReplica, ...]:
    """The replicas that these names mean, as they are now; all for no name.

    Raises:
        ToolMissing: Podman is not installed.
        RuntimeUnreachable: it cannot be read.
        NotFound: there is no such service.
    """
    from reconciler.control.survey import survey
    from reconciler.ops.service_view import chosen, service_replicas

    runtime = session.runtime
    found = survey(session)
    observed = found.observed if found.observed is not None else runtime.observe(session.project)
    return chosen(service_replicas(found.desired, found.projected, observed), names)


def podman_program() -> str:
    """Path of the `podman` program, for what only it can do.

    Raises:
        ToolMissing: it is not installed.
    """
    program = shutil.which("podman")
    if program is None:
        from reconciler.runtime.podman.discovery import HOW_TO_INSTALL

        raise ToolMissing("the podman program is not installed, and a terminal needs it", hint=HOW_TO_INSTALL)
    return program

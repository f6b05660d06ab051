"""A survey of a fleet on another machine, taken there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reconciler.client.calls import log
from reconciler.control.survey import Survey
from reconciler.decoders import known
from reconciler.runtime.model import Observed
from reconciler.runtime.process.model import ObservedProcesses
from reconciler.spec.desired import desired_from_document

if TYPE_CHECKING:
    from reconciler.control.remote.session import RemoteSession


def remote_survey(session: RemoteSession) -> Survey:
    """What the server reads of the file, the log and the world."""
    found = session.client.send(log.survey())
    return Survey(
        desired=desired_from_document(found.desired) if found.desired is not None else None,
        projected=session.store.projected(),
        observed=msgspec.convert(found.observed, known(Observed)) if found.observed is not None else None,
        revision=found.revision,
        warnings=tuple(found.warnings),
        unusable=found.unusable,
        processes=msgspec.convert(found.processes, known(ObservedProcesses)) if found.processes is not None else None,
    )

"""What a worker works by: the declared specialist of the revision that holds, and the environment of its commands.

The accepted revision counts, not what the file says while it is being edited; before the first revision it is the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.control.reading import last_good, read_file
from reconciler.errors import NotFound
from reconciler.spec.desired import Desired, SecretUse, SpecialistSpec
from reconciler.spec.secrets import resolve

if TYPE_CHECKING:
    from reconciler.control.session import Session

PRIVATE = frozenset({"FLEET_TOKEN"})
"""What a worker knows and its commands do not."""


def declared(session: Session, name: str) -> tuple[Desired, SpecialistSpec]:
    """The fleet and the specialist of this name in it.

    Raises:
        NotFound: there is no such specialist.
        SpecInvalid: nothing was accepted yet, and the file is wrong.
    """
    desired = _desired(session)
    found = desired.specialists.get(name)
    if found is None:
        known = ", ".join(sorted(desired.specialists)) or "none"
        raise NotFound(f"there is no specialist {name!r} in the fleet {desired.name}", hint=f"declared: {known}")
    return desired, found


def _desired(session: Session) -> Desired:
    from reconciler.projections.projected import RevisionHead

    store = session.store
    if store is not None:
        with store.snapshot() as (rows, _):
            head = store.projected().head
            reading = last_good(rows, head)
        if reading is not None:
            return reading.desired
    return read_file(session, None, RevisionHead()).desired


def environment(
    spec: SpecialistSpec, desired: Desired, *, project: Path, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment in which a specialist's commands run: this process's own, and what the specialist declares.

    A secret that whoever started this process has put into it already is not fetched again.

    Raises:
        FleetError: a secret has no value.
    """
    found = {name: value for name, value in environ.items() if name not in PRIVATE}
    for name, value in spec.environment.items():
        if not isinstance(value, SecretUse):
            found[name] = value
        elif name not in environ:
            source = desired.secrets[value.secret]
            found[name] = resolve(source, project=project, environ=environ).decode("utf-8", "surrogateescape")
    return found

"""Taking over a container that runs already, as one entry in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.apply.adopting import adoption, suggestions
from reconciler.control.look import look
from reconciler.plan.naming import container_name

if TYPE_CHECKING:
    from reconciler.control.session import Session


def take_over(session: Session, service: str, container: str, *, replica: int = 1, wait_lease_ms: int = 0) -> str:
    """Make a running container this service's; the container itself is not touched. Its name.

    Raises:
        NotFound: there is no such container or service.
        ActionFailed: the container is owned, or the service has one.
        LeaseHeld: another writer is at work.
    """
    seen = look(session)
    adoption(session.runtime, container, service, replica=replica, desired=seen.desired, projected=seen.projected)
    store = session.writable(seen.desired.database)
    with store.lease("import", wait_ms=wait_lease_ms, cause=session.cause) as lease:
        now = look(session)
        events = adoption(
            session.runtime, container, service, replica=replica, desired=now.desired, projected=now.projected
        )
        store.append([*now.observations, *events], session.cause, lease=lease)
    return str(events[-1].data["name"])


def candidates(session: Session) -> dict[str, str]:
    """Services without a container, each with a container of nobody's that has the name which Fleet would give it."""
    seen = look(session)
    names: dict[str, tuple[str, ...]] = {}
    for name, spec in seen.desired.services.items():
        usual = container_name(seen.desired.name, spec, 1)
        # Compose numbers with `-` now and with `_` formerly.
        names[name] = tuple(dict.fromkeys((usual, name, usual.replace("-", "_"))))
    return suggestions(session.runtime, seen.desired, seen.projected, names)

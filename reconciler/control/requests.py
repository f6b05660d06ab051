"""What a person asks for beside the file: a service stopped until further notice, or up again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors import NotFound
from reconciler.events.envelope import NewEvent
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired


def chosen_services(desired: Desired, names: Iterable[str]) -> tuple[str, ...]:
    """The declared services that these names mean; all for no name.

    Raises:
        NotFound: for a name that is no service; lists those there are.
    """
    wanted = tuple(dict.fromkeys(name.removeprefix("service/") for name in names))
    unknown = [name for name in wanted if name not in desired.services]
    if unknown:
        known = ", ".join(sorted(desired.services)) or "none"
        raise NotFound(f"there is no service {unknown[0]} in the file", hint=f"known: {known}")
    return wanted or tuple(sorted(desired.services))


def stop_requests(projected: Projected, services: Iterable[str]) -> list[NewEvent]:
    """The wish that these be down; one that is wished for already is not wished for again."""
    return [
        _request("service_stop_requested", name)
        for name in services
        if name in projected.services and projected.services[name].wanted == "up"
    ]


def start_requests(projected: Projected, services: Iterable[str]) -> list[NewEvent]:
    """The wish that these be up: for those that were stopped on request, given up, or put back to an older definition."""
    failing = {key.rpartition("/")[0] for key in projected.backoffs}
    return [
        _request("service_start_requested", name)
        for name in services
        if name in projected.services
        and (projected.services[name].wanted == "down" or projected.services[name].reverted or name in failing)
    ]


def running_services(projected: Projected, services: Iterable[str]) -> list[str]:
    """Those of these that have a container which runs."""
    return [
        name
        for name in services
        if any(container.state in ("running", "paused") for container in projected.containers.get(name, ()))
    ]


def _request(event_type: str, service: str) -> NewEvent:
    return NewEvent(event_type, "service", service, {"service": service})

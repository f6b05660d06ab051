"""Held back: a definition that was tried and taken back is not tried again until its block is edited. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.plan.model import Notice
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired
from reconciler.spec.roles import definition_digest


def hold_back(desired: Desired, projected: Projected) -> tuple[Desired, tuple[Notice, ...]]:
    """The desired state with the last good definition in the place of each that was taken back, and what to tell of it."""
    held = [
        name
        for name, service in sorted(projected.services.items())
        if service.reverted
        and name in desired.services
        and definition_digest(desired.services[name]) == service.reverted
    ]
    if not held:
        return desired, ()
    services = {**desired.services, **{name: projected.services[name].definition for name in held}}
    notices = tuple(
        Notice(
            f"service/{name}",
            "what the file says was tried and never became healthy, so the last good definition holds: "
            f"edit the block, or `fleet services up {name}` to try it again",
        )
        for name in held
    )
    return replace(desired, services=services), notices

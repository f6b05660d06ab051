"""Checks that need the whole fleet: references, circles, host ports, names in the engine, and what needs an allowance."""

from __future__ import annotations

from reconciler.spec.checks.allowances import check_allowances
from reconciler.spec.checks.cycles import check_cycles
from reconciler.spec.checks.draft import Draft
from reconciler.spec.checks.engine_names import check_engine_names
from reconciler.spec.checks.host_ports import check_host_ports
from reconciler.spec.checks.references import check_dependencies, check_references
from reconciler.spec.checks.work import check_work
from reconciler.spec.reading import Reading

__all__ = ["Draft", "check_fleet"]


def check_fleet(draft: Draft, reading: Reading) -> None:
    """Report everything about the whole that is wrong."""
    for service in draft.services.values():
        check_allowances(service, reading)
    check_references(draft, reading)
    check_dependencies(draft, reading)
    active = draft.active()
    check_cycles(
        {name: service.spec.depends_on for name, service in active.items()},
        "services",
        lambda name, other: active[name].spot("depends_on", other),
        reading,
    )
    check_host_ports(draft, reading)
    check_engine_names(draft, reading)
    check_work(draft, reading)

"""The basis of a plan: digests of what it was computed on, so that a saved plan is recognised once that has moved on."""

from __future__ import annotations

from typing import Any

from reconciler.plan.model import Basis
from reconciler.projections.pools import ProjectedPool
from reconciler.projections.projected import Projected, ProjectedContainer
from reconciler.spec.desired import Desired, to_document
from reconciler.spec.roles import digest_of


def basis_of(desired: Desired, projected: Projected) -> Basis:
    """The digests of the file and of what the log says, with the log's position.

    Of the log only what a plan depends on counts: times, causes and a health check's first verdict do not, so that a plan
    does not go stale by itself.
    """
    return Basis(digest_of(desired), digest_of(_relevant(projected)), projected.sequence)


def parts_of_desired(desired: Desired) -> dict[str, str]:
    """The digest of each thing that the file declares, so that it can be told which of them moved."""
    document = to_document(desired)
    services = document.pop("services", {})
    return {
        **{f"service/{name}": digest_of(spec) for name, spec in services.items()},
        **{section: digest_of(value) for section, value in document.items()},
    }


def parts_of_projected(projected: Projected) -> dict[str, str]:
    """The digest of each thing in the log that a plan depends on."""
    services = {
        f"service/{name}": [one.digest, one.wanted, one.reverted, one.document]
        for name, one in projected.services.items()
    }
    containers = {f"container {one.name}": _container(one) for one in projected.all_containers()}
    named = (
        "networks",
        "network options",
        "volumes",
        "images",
        "suspensions",
        "drift ignores",
        "back-offs",
        "handlers",
        "missions",
        "specialists",
    )
    shared = dict(zip(named, _relevant(projected)[2:], strict=True))
    return {name: digest_of(value) for name, value in {**services, **containers, **shared}.items()}


def _relevant(projected: Projected) -> list[Any]:
    return [
        [
            [name, one.digest, one.wanted, one.reverted, one.document]
            for name, one in sorted(projected.services.items())
        ],
        [_container(one) for one in projected.all_containers()],
        projected.networks,
        [[name, one.internal, one.subnet] for name, one in sorted(projected.made_networks.items())],
        projected.volumes,
        [[name, one.image_id, one.build_digest] for name, one in sorted(projected.images.items())],
        [[name, one.until, one.why] for name, one in sorted(projected.suspensions.items())],
        [[*key, until] for key, until in sorted(projected.drift_ignores.items())],
        [[key, one.until, one.abandoned] for key, one in sorted(projected.backoffs.items())],
        projected.handlers,
        [
            [name, one.run, one.status, one.title, one.description, one.priority, one.parallel, one.definition]
            for name, one in sorted(projected.missions.items())
        ],
        [_pool(one) for _, one in sorted(projected.pools.items())],
    ]


def _pool(one: ProjectedPool) -> list[Any]:
    processes = [
        [each.replica, each.process_id, each.digest, each.state, each.exit_code, each.external, each.drains_until]
        for each in one.processes
    ]
    return [one.name, one.document, one.wanted, one.stopped, one.draining, processes]


def _container(one: ProjectedContainer) -> list[Any]:
    return [
        one.key,
        one.container_id,
        one.name,
        one.digest,
        one.image_id,
        one.state,
        one.exit_code,
        one.external,
        one.health == "unhealthy",
        one.resources,
        one.completed_digest,
        {field: found.get("actual") for field, found in one.drift.items()},
    ]

"""Builders for looks: what the log knows, what the engine shows, and events as one line each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.events.envelope import NewEvent
from reconciler.projections.projected import Projected, ProjectedContainer, ProjectedIntent, ProjectedService
from reconciler.runtime.model import (
    LABEL_DIGEST,
    LABEL_INTENT,
    LABEL_PROJECT,
    LABEL_REPLICA,
    LABEL_RESOURCE,
    Observed,
    ObservedContainer,
)

NOW = 1_700_000_100_000
STARTED = 1_700_000_000_000
INTENT = "0190c2a0000070008000000000000001"


def known(service: str = "web", replica: int = 1, **more: Any) -> ProjectedContainer:
    """A container that the log knows; it runs unless something else is said."""
    values: dict[str, Any] = {
        "key": f"{service}/{replica}",
        "service": service,
        "replica": replica,
        "container_id": f"id-{service}-{replica}",
        "name": f"shop-{service}-{replica}",
        "digest": "v1:a",
        "image": "img",
        "image_id": "sha256:1",
        "started_at": STARTED,
        "changed_at": STARTED,
    }
    return ProjectedContainer(**{**values, **more})


def seen(service: str = "web", replica: int = 1, **more: Any) -> ObservedContainer:
    """A container that the engine shows; it runs unless something else is said. `labels` are added to ours."""
    labels = {
        LABEL_PROJECT: "p",
        LABEL_RESOURCE: f"service/{service}",
        LABEL_REPLICA: str(replica),
        LABEL_DIGEST: "v1:a",
        LABEL_INTENT: f"evt_{INTENT}",
        **more.pop("labels", {}),
    }
    values: dict[str, Any] = {
        "container_id": f"id-{service}-{replica}",
        "name": f"shop-{service}-{replica}",
        "state": "running",
        "image": "img",
        "image_id": "sha256:1",
        "started_at": STARTED // 1000,
    }
    return ObservedContainer(labels=labels, **{**values, **more})


def log(*containers: ProjectedContainer, intent: str = "", replica: int = 1, kind: str = "service") -> Projected:
    """What the log says: these containers, and perhaps an open intent for service/web."""
    by_service: dict[str, list[ProjectedContainer]] = {}
    for container in containers:
        by_service.setdefault(container.service, []).append(container)
    document = {"name": "web", **({"kind": kind} if kind != "service" else {})}
    opened = ProjectedIntent(INTENT, intent, "service/web", replica, "apply_1")
    return Projected(
        services={"web": ProjectedService("web", document, "v1:a")},
        containers={name: tuple(found) for name, found in by_service.items()},
        definitions={"v1:a": document},
        intents={INTENT: opened} if intent else {},
    )


def world(*containers: ObservedContainer) -> Observed:
    """What the engine shows."""
    return Observed(containers)


def lines(events: Iterable[NewEvent]) -> list[str]:
    """Each event as `type stream field=value …`, with what is the same everywhere left out, and its cause."""
    told = []
    for event in events:
        data = {key: value for key, value in event.data.items() if key not in ("service", "replica", "container_id")}
        fields = " ".join(f"{key}={value}" for key, value in sorted(data.items()))
        cause = " <- intent" if event.causation_id is not None and event.causation_id.hex == INTENT else ""
        told.append(f"{event.event_type} {event.stream_id} {fields}".rstrip() + cause)
    return told

"""Flapping: a container that goes back and forth between Fleet and somebody else who steers it too. Pure.

Each change from outside is put right at once, which is right once and a quarrel when it goes on. From the fourth change
in ten minutes on it is recorded with whoever is suspected, and the replica is left alone for longer each time, on the
same curve as one that crashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.control.watch.backoff import delay_ms
from reconciler.events.envelope import Event, NewEvent
from reconciler.projections.projected import Projected, ProjectedContainer
from reconciler.runtime.model import LABEL_PROJECT, Observed
from reconciler.spec.desired import Desired

WINDOW_MS = 600_000
THRESHOLD = 4

# A crash is not among them: it has a back-off of its own.
CHANGES = ("container_vanished", "container_paused", "container_drifted")

# Labels by which others mark what they steer, with the name that a person knows them by.
_MANAGERS: tuple[tuple[str, str], ...] = (
    ("PODMAN_SYSTEMD_UNIT", "systemd unit"),
    ("com.docker.compose.project", "Compose project"),
    ("io.podman.compose.project", "podman-compose project"),
    ("io.kubernetes.pod.name", "Kubernetes pod"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change from outside."""

    service: str
    replica: int
    at_ms: int
    kind: str


def changes_of(events: Iterable[Event | NewEvent]) -> list[Change]:
    """The changes from outside among these events, recorded or just seen."""
    return [
        Change(event.data["service"], event.data["replica"], event.occurred_at or 0, event.event_type)
        for event in events
        if event.event_type in CHANGES
    ]


def decide(
    desired: Desired,
    projected: Projected,
    past: Iterable[Change],
    new: Iterable[Change],
    *,
    suspects: Mapping[str, str],
    now_ms: int,
    jitter: float = 0.5,
) -> list[NewEvent]:
    """What is to be recorded about replicas that somebody has just changed once too often.

    Args:
        past: changes that the log has.
        new: those that were just seen.
        suspects: who else may steer a service, by its name.
    """
    since = now_ms - WINDOW_MS
    before = list(past)
    events: list[NewEvent] = []
    for service, replica in sorted({(one.service, one.replica) for one in new}):
        spec = desired.services.get(service)
        container = _container(projected, service, replica)
        if spec is None or container is None:
            continue
        both = [*before, *new]
        changes = [one for one in both if (one.service, one.replica) == (service, replica) and one.at_ms > since]
        if len(changes) < THRESHOLD:
            continue
        place = {"service": service, "replica": replica}
        found = {**place, "changes": len(changes), "window_ms": WINDOW_MS}
        found["suspect"] = suspects.get(service) or f"whoever {_doing(changes)} it"
        detected = NewEvent("flapping_detected", "service", service, found)
        delay = delay_ms(len(changes) - THRESHOLD + 2, spec.restart.backoff, jitter)
        pause = {**place, "failures": len(changes), "delay_ms": delay, "until": now_ms + delay}
        events += [detected, NewEvent("backoff_started", "service", service, pause, causation_id=detected.event_id)]
    return events


def suspects(observed: Observed, project: str) -> dict[str, str]:
    """Who else marks a container of ours as theirs, by the service that it belongs to."""
    found: dict[str, str] = {}
    for container in observed.containers:
        service = container.labels.get("fleet.resource", "").removeprefix("service/")
        named = [f"{name} {container.labels[label]}" for label, name in _MANAGERS if container.labels.get(label)]
        if container.labels.get(LABEL_PROJECT, project) != project:
            named.append(f"Fleet project {container.labels[LABEL_PROJECT]}")
        if service and named:
            found[service] = named[0]
    return found


def _container(projected: Projected, service: str, replica: int) -> ProjectedContainer | None:
    return next((one for one in projected.containers.get(service, ()) if one.replica == replica), None)


def _doing(changes: Iterable[Change]) -> str:
    kinds = {one.kind for one in changes}
    words = {"container_vanished": "removes", "container_paused": "pauses", "container_drifted": "changes"}
    return " and ".join(words[kind] for kind in sorted(kinds))

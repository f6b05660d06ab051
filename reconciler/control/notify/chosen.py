"""Which events a declaration chooses, and the name that a sink goes by in the log. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from reconciler.events.envelope import Event
from reconciler.spec.desired import Notification, to_document
from reconciler.spec.roles import digest_of

# Telling of these would never come to an end.
_UNTOLD = frozenset({"notification_delivered", "notification_failed"})
_DRIFT = frozenset(
    {"container_drifted", "container_exited", "container_vanished", "network_vanished", "volume_vanished"}
)
_DIGITS = 12


def sink_name(one: Notification) -> str:
    """`webhook-…` or the program with a digest of the whole declaration: an edited one begins anew, and shows no secret."""
    kind = one.command[0].rpartition("/")[2] if one.command else "webhook"
    return f"{kind}-{digest_of(to_document(one)).partition(':')[2][:_DIGITS]}"


def chooses(one: Notification, event: Event) -> bool:
    """Whether an event is to be told: by its type, or by a word for what it comes to.

    The words are `apply_succeeded`, `apply_failed`, `apply_interrupted` and `apply_timed_out` for the end of an apply, and
    `drift_seen` for what the world did.
    """
    if event.event_type in _UNTOLD:
        return False
    return any(fnmatchcase(name, pattern) for name in _names(event) for pattern in one.events)


def _names(event: Event) -> list[str]:
    names = [event.event_type]
    if event.event_type == "apply_completed":
        names.append(f"apply_{event.data.get('status')}")
    if event.event_type in _DRIFT or (event.event_type.startswith("container_") and event.data.get("external")):
        names.append("drift_seen")
    return names

"""Upcasters: how an event that an older release wrote is read today.

The log is never rewritten. An upcaster turns the data of one version of a type into that of the next; reading applies as
many as it takes. They are as pure as folds, and stay for as long as there are logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.errors import LogUnusable
from reconciler.events.registry import TYPES, EventType

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

# (type, version that the upcaster reads) → the function that gives the next version. No type has a second version yet.
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}


class EventTooNew(LogUnusable):
    """The log holds an event that only a newer Fleet understands; this one may read around it but not write."""

    code = "event_too_new"


def upcast(
    event_type: str,
    schema_version: int,
    data: dict[str, Any],
    *,
    types: Mapping[str, EventType] = TYPES,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> dict[str, Any]:
    """The data as the current version of its type has it; data of the current version is returned as it is.

    Args:
        schema_version: the version that the event was written with.
        types, upcasters: the tables to go by.

    Raises:
        EventTooNew: the type, or this version of it, is not known to this release, or an upcaster is missing.
    """
    found = types.get(event_type)
    if found is not None and found.version == schema_version:
        return data
    if found is None or schema_version > found.version:
        raise EventTooNew(
            f"{event_type} version {schema_version} was written by a newer Fleet",
            hint="update Fleet to write to this log",
        )
    for version in range(schema_version, found.version):
        step = upcasters.get((event_type, version))
        if step is None:
            raise EventTooNew(f"{event_type} version {version} cannot be read: its upcaster is missing")
        data = step(data)
    return data

"""An old event is read in the shape of today, whatever number of versions lie between."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.events.registry import TYPES, EventType
from reconciler.events.upcasters import EventTooNew, Upcaster, upcast

# The life of a made-up type: version 1 had a size in megabytes, 2 counted bytes, 3 named the unit in the field.
FLAGS = {"flag_raised": EventType("flags", "system", version=3)}


def _bytes(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "size": data["size"] * 1_048_576}


def _named(data: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in data.items() if name != "size"}
    return {**rest, "size_bytes": data["size"]}


STEPS: dict[tuple[str, int], Upcaster] = {("flag_raised", 1): _bytes, ("flag_raised", 2): _named}


@pytest.mark.parametrize(
    ("version", "data"),
    [(1, {"flag": "a", "size": 2}), (2, {"flag": "a", "size": 2_097_152}), (3, {"flag": "a", "size_bytes": 2_097_152})],
)
def test_each_version_reads_as_the_newest(version: int, data: dict[str, Any]) -> None:
    before = dict(data)
    newest = {"flag": "a", "size_bytes": 2_097_152}
    assert upcast("flag_raised", version, data, types=FLAGS, upcasters=STEPS) == newest
    assert data == before


def test_data_of_the_current_version_is_handed_through() -> None:
    data = {"service": "web"}
    assert upcast("service_removed", TYPES["service_removed"].version, data) is data


@pytest.mark.parametrize(("event_type", "version"), [("flag_raised", 4), ("flag_lowered", 1)])
def test_what_only_a_newer_fleet_knows_is_said_to_be_newer(event_type: str, version: int) -> None:
    with pytest.raises(EventTooNew, match=f"{event_type} version {version} was written by a newer Fleet") as caught:
        upcast(event_type, version, {}, types=FLAGS, upcasters=STEPS)
    assert caught.value.exit_code == 6
    assert "update Fleet" in caught.value.hint


def test_a_missing_step_is_named() -> None:
    with pytest.raises(EventTooNew, match="flag_raised version 2 cannot be read: its upcaster is missing"):
        upcast("flag_raised", 2, {"size": 1}, types=FLAGS, upcasters={})

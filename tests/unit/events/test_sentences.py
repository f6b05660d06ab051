"""Every event in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.events.envelope import Event
from reconciler.events.registry import TYPES, explain
from reconciler.events.sentences import sentence
from reconciler.ids import uuid7


def event(event_type: str, data: dict[str, Any], stream: str = "service/web") -> Event:
    stream_type, _, stream_id = stream.partition("/")
    return Event(
        1, uuid7(), event_type, stream_type, stream_id, 1, data, None, uuid7(), {}, 0, 0, 1, b"",  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("event_type", sorted(TYPES))
def test_every_type_has_a_sentence(event_type: str) -> None:
    told = sentence(event(event_type, explain(event_type).example))
    assert told
    assert "\n" not in told
    assert not told.endswith(".")


REPLICA = {"service": "web", "replica": 2, "container_id": "4f1c9e2ab37d55"}


@pytest.mark.parametrize(
    ("event_type", "data", "told"),
    [
        ("container_exited", {**REPLICA, "exit_code": 3}, "container web/2 exited with code 3; Fleet did not do it"),
        (
            "container_exited",
            {**REPLICA, "exit_code": 137, "oom_killed": True},
            "container web/2 ran out of memory and was killed; Fleet did not do it",
        ),
        ("container_started", {**REPLICA, "external": True}, "container web/2 was started; Fleet did not do it"),
        ("revision_accepted", {"revision": 3}, "revision 3 of the file was accepted"),
        (
            "revision_accepted",
            {"revision": 3, "commit": "1a2b3c4d5e6f7a8b", "author": "Ada"},
            "revision 3 of the file was accepted at commit 1a2b3c4d5e6f by Ada",
        ),
        (
            "revision_rejected",
            {"revision": 3, "problems": [{"file": "fleet.yaml", "line": 7, "message": "unknown key"}]},
            "revision 3 of the file was rejected, line 7: unknown key",
        ),
        (
            "revision_rejected",
            {"revision": 3, "problems": [{"file": "fleet.yaml", "message": "it is empty"}]},
            "revision 3 of the file was rejected, it is empty",
        ),
        (
            "revision_reverted",
            {"revision": 3, "to_revision": 2, "automatic": True, "why": "never healthy"},
            "revision 3 was automatically rolled back to 2: never healthy",
        ),
        (
            "action_intended",
            {
                "action": "replace_container",
                "resource": "service/web",
                "replica": 2,
                "reason": {"text": "edited", "changes": [{"path": name} for name in "abcde"]},
            },
            "replace container service/web/2 was decided: edited [a, b, c and 2 more]",
        ),
        ("resource_suspended", {"resource": "", "why": "moving"}, "the fleet was suspended: moving"),
    ],
)
def test_what_is_said(event_type: str, data: dict[str, Any], told: str) -> None:
    assert sentence(event(event_type, data)) == told


def test_an_event_that_lacks_what_its_sentence_names_falls_back_to_its_name() -> None:
    assert sentence(event("container_exited", {"name": "x"})) == "service/web: container exited (x)"


def test_an_unknown_type_of_a_newer_release_is_readable() -> None:
    assert sentence(event("service_teleported", {"title": "to Mars"})) == "service/web: service teleported (to Mars)"
    assert sentence(event("service_teleported", {})) == "service/web: service teleported"

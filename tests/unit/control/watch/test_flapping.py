"""Containers that somebody else keeps changing back."""

from __future__ import annotations

from reconciler.control.watch.flapping import Change, changes_of, decide, suspects
from reconciler.events.envelope import NewEvent
from reconciler.runtime.model import Observed, ObservedContainer
from tests.unit.control.watch.clockwork import MINUTE, SECOND, Clockwork


def _asked(web: Clockwork, *ages: int, kind: str = "container_vanished", suspect: str = "") -> list[NewEvent]:
    past = [Change("web", 1, web.now - age, kind) for age in ages]
    new = [Change("web", 1, web.now, kind)]
    named = {"web": suspect} if suspect else {}
    return decide(web.desired, web.projected, past, new, suspects=named, now_ms=web.now)


def test_three_changes_are_put_right_and_the_fourth_is_a_quarrel() -> None:
    web = Clockwork()
    assert _asked(web, SECOND, 2 * SECOND) == []
    detected, pause = _asked(web, SECOND, 2 * SECOND, 3 * SECOND, suspect="Compose project shop")
    assert detected.event_type == "flapping_detected"
    assert detected.data["changes"] == 4
    assert detected.data["suspect"] == "Compose project shop"
    assert pause.event_type == "backoff_started"
    assert pause.data["until"] - web.now == 10_000
    assert pause.causation_id == detected.event_id


def test_it_is_left_alone_for_longer_each_time() -> None:
    web = Clockwork()
    waits = [_asked(web, *range(1, changes))[1].data["delay_ms"] // 1000 for changes in range(4, 10)]
    assert waits == [10, 20, 40, 80, 160, 300]


def test_changes_long_ago_do_not_count() -> None:
    web = Clockwork()
    assert _asked(web, SECOND, 11 * MINUTE, 12 * MINUTE, 13 * MINUTE) == []


def test_whoever_it_is_is_described_by_what_it_does() -> None:
    web = Clockwork()
    assert _asked(web, 1, 2, 3)[0].data["suspect"] == "whoever removes it"
    assert _asked(web, 1, 2, 3, kind="container_paused")[0].data["suspect"] == "whoever pauses it"


def test_a_service_that_left_the_file_is_nobodys_quarrel() -> None:
    web = Clockwork()
    new = [Change("gone", 1, web.now - age, "container_vanished") for age in range(5)]
    assert decide(web.desired, web.projected, [], new, suspects={}, now_ms=web.now) == []


def test_a_paused_container_that_is_damped_is_left_paused() -> None:
    web = Clockwork()
    web.happens("container_paused")
    assert web.plan() == ["start service/web/1"]
    pause = _asked(web, 1, 2, 3, kind="container_paused")[1]
    web.happens(pause.event_type, **pause.data)
    assert web.plan() == []
    web.passes(10 * SECOND)
    assert web.plan() == ["start service/web/1"]


def test_crashes_are_not_changes_by_somebody() -> None:
    seen = NewEvent("container_exited", "service", "web", {"service": "web", "replica": 1})
    gone = NewEvent("container_vanished", "service", "web", {"service": "web", "replica": 1}, occurred_at=5)
    assert changes_of([seen, gone]) == [Change("web", 1, 5, "container_vanished")]


def test_other_managers_are_known_by_their_labels() -> None:
    def container(**labels: str) -> ObservedContainer:
        marks = {"fleet.resource": "service/web", **{name.replace("_", "."): value for name, value in labels.items()}}
        return ObservedContainer("c1", "web", "running", marks, "web:1", "i1")

    compose = Observed((container(com_docker_compose_project="shop"),))
    assert suspects(compose, "mine") == {"web": "Compose project shop"}
    assert suspects(Observed((container(fleet_project="mine"),)), "mine") == {}
    assert suspects(Observed((container(fleet_project="theirs"),)), "mine") == {"web": "Fleet project theirs"}

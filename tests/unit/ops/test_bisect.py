"""Bisect: stories of a service that went wrong, and the event that it is told to have begun with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import NotFound
from reconciler.events.envelope import Event
from reconciler.ops.bisect import Verdict, bisect, symptoms
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows
from tests.support.story import Log


def running() -> Log:
    """A service that runs."""
    log = Log()
    log.create(log.decide("create", log.edit()))
    return log


def found(log: Log, **options: int) -> tuple[Event, tuple[str, ...]]:
    verdict = bisect(log, "web", **options)
    assert verdict.episode is not None
    return verdict.episode.first, verdict.episode.symptoms


WRONG: dict[str, tuple[Callable[[Log], Event], str]] = {
    "exited": (lambda log: log.see("container_exited", exit_code=3), "web/1 has exited with code 3"),
    "vanished": (lambda log: log.see("container_vanished"), "web/1 is gone"),
    "paused": (lambda log: log.see("container_paused"), "web/1 is paused"),
    "unhealthy": (lambda log: log.see("container_health_changed", health="unhealthy"), "web/1 is unhealthy"),
    "failing": (
        lambda log: log.record(
            "backoff_started",
            "service/web",
            {"service": "web", "replica": 1, "failures": 3, "delay_ms": 1000, "until": 5},
        ),
        "web/1 keeps failing (3 times)",
    ),
    "abandoned": (
        lambda log: log.record(
            "restart_abandoned", "service/web", {"service": "web", "replica": 1, "failures": 9, "why": "too often"}
        ),
        "restarting web/1 was given up after 9 failures",
    ),
    "failed": (
        lambda log: log.record(
            "action_failed",
            "service/web",
            {
                "action": "create",
                "resource": "service/web",
                "intent_id": "evt_1",
                "error": "no such image",
                "apply_id": "apply_1",
            },
        ),
        "create service/web failed: no such image",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_event_it_went_wrong_with(case: str) -> None:
    log = running()
    log.see("container_health_changed", health="healthy")
    happen, told = WRONG[case]
    bad = happen(log)
    log.record("image_pulled", "fleet/shop", {"image": "other:1", "image_id": "sha256:2"})
    event, wrong = found(log)
    assert event == bad
    assert wrong == (told,)


def test_what_led_to_it_and_what_was_running() -> None:
    log = running()
    second = log.edit(2, image="localhost/web:2")
    intent = log.decide("replace", second, text="image changed")
    log.create(intent, container="c2")
    log.record("container_removed", "service/web", {"service": "web", "replica": 1, "container_id": "c1"}, after=intent)
    bad = log.see("container_exited", container="c2", exit_code=1)
    verdict = bisect(log, "service/web")
    assert verdict.episode is not None
    assert verdict.episode.last_good == bad.sequence_number - 1
    assert verdict.causes[0].event == bad
    running_then = [link.event.event_type for link in verdict.change]
    assert running_then == ["container_created", "action_intended", "service_defined", "revision_accepted"]
    assert verdict.change[2].event == second


def test_well_all_along() -> None:
    assert bisect(running(), "web") == Verdict("web", (1, 5), None)


def test_the_stretch_that_lasts_is_the_one_that_matters() -> None:
    log = running()
    first = log.see("container_health_changed", health="unhealthy")
    recovered = log.see("container_health_changed", health="healthy")
    second = log.see("container_exited", exit_code=1)
    log.see("container_vanished")
    verdict = bisect(log, "web")
    assert verdict.episode is not None
    assert verdict.episode.first == second
    assert verdict.episode.ended is None
    assert [one.first for one in verdict.earlier] == [first]
    assert verdict.earlier[0].ended == recovered


def test_the_latest_stretch_where_all_is_well_now() -> None:
    log = running()
    log.see("container_health_changed", health="unhealthy")
    log.see("container_health_changed", health="healthy")
    second = log.see("container_health_changed", health="unhealthy")
    ended = log.see("container_health_changed", health="healthy")
    verdict = bisect(log, "web")
    assert verdict.episode is not None
    assert (verdict.episode.first, verdict.episode.ended) == (second, ended)
    assert len(verdict.earlier) == 1


def test_between_two_moments() -> None:
    log = running()
    first = log.see("container_health_changed", health="unhealthy")
    ended = log.see("container_health_changed", health="healthy")
    second = log.see("container_exited", exit_code=1)
    assert found(log, good=ended.sequence_number)[0] == second
    assert found(log, bad=second.sequence_number - 1)[0] == first
    assert found(log, good=first.sequence_number)[0] == second
    assert bisect(log, "web", bad=first.sequence_number - 1).episode is None
    assert bisect(log, "web", good=ended.sequence_number, bad=ended.sequence_number).episode is None


def test_a_failed_attempt_is_made_good_by_a_start() -> None:
    log = running()
    WRONG["failed"][0](log)
    log.see("container_exited", exit_code=1)
    log.record("container_started", "service/web", {"service": "web", "replica": 1, "container_id": "c1"})
    verdict = bisect(log, "web")
    assert verdict.episode is not None
    assert verdict.episode.ended is not None


def test_what_fleet_or_a_person_stopped_is_well() -> None:
    log = running()
    log.record("service_stop_requested", "service/web", {"service": "web"})
    log.record("container_stopped", "service/web", {"service": "web", "replica": 1, "container_id": "c1"})
    assert bisect(log, "web").episode is None
    log.see("container_vanished")
    assert bisect(log, "web").episode is None


@pytest.mark.parametrize(("code", "well"), [(0, True), (4, False)])
def test_a_job_may_end(code: int, well: bool) -> None:
    log = Log()
    definition = {"name": "web", "kind": "job", "image": "localhost/web:1"}
    data = {"service": "web", "digest": "v1:d1", "definition": definition}
    log.create(log.decide("create", log.record("service_defined", "service/web", data)))
    log.see("container_exited", exit_code=code)
    assert (bisect(log, "web").episode is None) is well


def test_a_service_that_had_another_name() -> None:
    log = running()
    bad = log.see("container_health_changed", health="unhealthy")
    log.record("resource_moved", "fleet/shop", {"from_resource": "service/web", "to_resource": "service/shop-web"})
    log.record("resource_moved", "fleet/shop", {"from_resource": "service/other", "to_resource": "service/else"})
    log.record("resource_moved", "fleet/shop", {"from_resource": "network/a", "to_resource": "network/b"})
    names = {"service": "shop-web", "replica": 1, "container_id": "c1"}
    verdict = bisect(log, "shop-web")
    assert verdict.episode is not None
    assert verdict.episode.first == bad
    assert verdict.episode.ended is None
    log.record("container_health_changed", "service/shop-web", {**names, "health": "healthy"})
    verdict = bisect(log, "shop-web")
    assert verdict.episode is not None
    assert verdict.episode.ended is not None


def test_a_service_that_nobody_knows() -> None:
    with pytest.raises(NotFound, match="knows nothing of service/ghost"):
        bisect(running(), "ghost")


STEPS: dict[str, Callable[[Log], object]] = {
    **{name: make for name, (make, _) in WRONG.items() if name != "failed"},
    "healthy": lambda log: log.see("container_health_changed", health="healthy"),
    "started": lambda log: log.record(
        "container_started", "service/web", {"service": "web", "replica": 1, "container_id": "c1"}
    ),
    "reset": lambda log: log.record("backoff_reset", "service/web", {"service": "web", "replica": 1}),
    "down": lambda log: log.record("service_stop_requested", "service/web", {"service": "web"}),
    "up": lambda log: log.record("service_start_requested", "service/web", {"service": "web"}),
    "other": lambda log: log.record("image_pulled", "fleet/shop", {"image": "x", "image_id": "sha256:1"}),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=25))
def test_it_is_where_the_rows_of_the_whole_log_turn_bad(steps: list[str]) -> None:
    """The service's own events are enough: folding everything gives the same answer."""
    log = running()
    for step in steps:
        STEPS[step](log)
    rows = MemoryRows()
    bad_from, lasting = None, False
    for event in log.recorded:
        fold(event, rows)
        bad = any(symptoms(rows, "web"))
        if bad and not lasting:
            bad_from = event
        lasting = bad
    verdict = bisect(log, "web")
    assert (verdict.episode.first if verdict.episode else None) == bad_from
    if verdict.episode is not None:
        assert (verdict.episode.ended is None) is lasting

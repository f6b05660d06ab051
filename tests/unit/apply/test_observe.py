"""What one look makes of the world: a few lines of log and world, and the events that follow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.apply.observe import observations, ownership, shared_observations
from reconciler.events.envelope import Event
from reconciler.events.registry import validate
from reconciler.ids import uuid7
from reconciler.projections.fold import fold
from reconciler.projections.projected import Projected, ProjectedContainer, project
from reconciler.projections.rows import MemoryRows
from reconciler.runtime.model import LABEL_DIGEST, LABEL_REPLICA, LABEL_RESOURCE, ObservedContainer
from tests.unit.apply.looks import INTENT, NOW, STARTED, known, lines, log, seen, world

FOUND = (
    "container_found web digest=v1:a image=img image_id=sha256:1 "
    f"intent_id=evt_{INTENT} name=shop-web-1 state={{state}} <- intent"
)


def look(projected: Projected, *containers: ObservedContainer) -> list[str]:
    return lines(observations(projected, world(*containers), now_ms=NOW))


def test_nothing_is_told_of_a_world_as_recorded() -> None:
    assert look(log(known()), seen()) == []


def test_a_container_that_ended_by_itself() -> None:
    gone = seen(state="exited", exit_code=137, exited_at=1_700_000_050, oom_killed=True)
    assert look(log(known()), gone) == [
        "container_exited web exit_code=137 exited_at=1700000050000 oom_killed=True",
    ]


def test_a_container_that_was_never_seen_running_has_ended() -> None:
    assert look(log(known(state="created", started_at=None)), seen(state="exited", exit_code=1)) == [
        "container_exited web exit_code=1 oom_killed=False",
    ]


def test_a_container_that_ended_is_told_once() -> None:
    ended = known(state="exited", exit_code=1, changed_at=1_700_000_050_000)
    assert look(log(ended), seen(state="exited", exit_code=1, exited_at=1_700_000_050)) == []


def test_a_container_that_was_started_and_ended_again_between_two_looks() -> None:
    ended = known(state="exited", exit_code=0, changed_at=1_700_000_010_000)
    assert look(log(ended), seen(state="exited", exit_code=2, exited_at=1_700_000_050)) == [
        "container_exited web exit_code=2 exited_at=1700000050000 oom_killed=False",
    ]


def test_a_container_that_is_gone() -> None:
    assert look(log(known())) == ["container_vanished web"]


def test_a_container_that_is_known_to_be_gone_is_no_news() -> None:
    assert look(log(known(state="missing"))) == []


def test_a_container_that_was_taken_for_gone_and_is_not() -> None:
    told = look(log(known(state="missing")), seen())
    assert told == [FOUND.removesuffix(" <- intent").format(state="running")]


def test_a_container_that_somebody_started() -> None:
    assert look(log(known(state="exited")), seen()) == ["container_started web external=True"]


def test_a_container_that_somebody_restarted() -> None:
    events = observations(log(known()), world(seen(started_at=STARTED // 1000 + 60)), now_ms=NOW)
    assert lines(events) == ["container_started web external=True"]
    assert events[0].occurred_at == STARTED + 60_000


def test_a_start_in_the_second_in_which_it_was_recorded_is_ours() -> None:
    assert look(log(known(started_at=STARTED + 300)), seen()) == []


def test_a_container_that_was_paused_and_resumed() -> None:
    assert look(log(known()), seen(state="paused")) == ["container_paused web external=True"]
    assert look(log(known(state="paused")), seen(state="paused")) == []
    assert look(log(known(state="paused")), seen()) == ["container_started web external=True"]


@pytest.mark.parametrize("state", ["unknown", "removing"])
def test_a_state_without_a_name_is_no_news(state: Any) -> None:
    assert look(log(known()), seen(state=state)) == []
    assert look(log(), seen(state=state)) == []


def test_a_container_that_somebody_renamed() -> None:
    assert look(log(known()), seen(name="mine")) == [
        "container_drifted web actual=mine expected=shop-web-1 field=name",
    ]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("", "starting", []),
        ("", "healthy", ["container_health_changed web health=healthy"]),
        ("healthy", "starting", []),
        ("healthy", "unhealthy", ["container_health_changed web health=unhealthy previous=healthy"]),
        ("healthy", "healthy", []),
        ("healthy", "", []),
    ],
)
def test_only_a_verdict_is_a_change_of_health(before: str, now: Any, told: list[str]) -> None:
    assert look(log(known(health=before)), seen(health=now)) == told


def test_a_job_that_is_done() -> None:
    assert look(log(known(), kind="job"), seen(state="exited", exit_code=0)) == [
        "job_completed web digest=v1:a exit_code=0",
    ]


def test_a_job_whose_definition_is_only_in_the_file() -> None:
    projected = log(known(digest="v1:other"), kind="job")
    assert look(projected, seen(state="exited", exit_code=3)) == ["job_completed web digest=v1:other exit_code=3"]


class TestAfterACrash:
    """An intent was recorded and its outcome was not."""

    def test_the_container_was_made(self) -> None:
        assert look(log(intent="create"), seen(state="created")) == [
            FOUND.format(state="created"),
        ]

    def test_the_container_was_started(self) -> None:
        assert look(log(known(state="created"), intent="create"), seen()) == [
            f"container_started web external=False intent_id={INTENT} <- intent",
        ]

    def test_the_container_was_made_and_ended_before_anybody_looked(self) -> None:
        assert look(log(intent="create"), seen(state="exited", exit_code=1)) == [
            FOUND.format(state="exited"),
            "container_exited web exit_code=1 oom_killed=False",
        ]

    def test_a_job_was_made_and_is_done(self) -> None:
        told = look(log(intent="create", kind="job"), seen(state="exited", exit_code=0))
        assert told[1:] == ["job_completed web digest=v1:a exit_code=0"]

    @pytest.mark.parametrize("action", ["stop", "restart", "replace", "delete"])
    def test_the_container_was_stopped(self, action: str) -> None:
        assert look(log(known(), intent=action), seen(state="exited", exit_code=0)) == [
            f"container_stopped web exit_code=0 intent_id={INTENT} <- intent",
        ]

    @pytest.mark.parametrize("action", ["replace", "delete"])
    def test_the_container_was_removed(self, action: str) -> None:
        assert look(log(known(state="exited"), intent=action)) == [
            f"container_removed web intent_id={INTENT} <- intent",
        ]

    def test_the_container_was_renamed(self) -> None:
        assert look(log(known(name="shop-web-1-1234"), intent="replace"), seen()) == [
            f"container_renamed web intent_id={INTENT} name=shop-web-1 <- intent",
        ]

    def test_an_intent_accounts_only_for_its_own_replica(self) -> None:
        projected = log(known(), known(replica=2), intent="delete", replica=2)
        assert look(projected) == [
            "container_vanished web",
            f"container_removed web intent_id={INTENT} <- intent",
        ]

    def test_an_intent_does_not_account_for_what_it_would_not_have_done(self) -> None:
        assert look(log(known(), intent="start"), seen(state="exited", exit_code=1)) == [
            "container_exited web exit_code=1 oom_killed=False",
        ]


class TestUnknownContainers:
    def test_one_without_an_open_intent_is_found_all_the_same(self) -> None:
        told = look(log(), seen(labels={"fleet.intent": ""}))
        assert told == ["container_found web digest=v1:a image=img image_id=sha256:1 name=shop-web-1 state=running"]

    def test_the_one_that_runs_comes_first(self) -> None:
        first, second = seen(container_id="b", name="b", state="created"), seen(container_id="c", name="c")
        told = look(log(), first, second)
        assert [line.split("name=")[1] for line in told] == ["c state=running", "b state=created"]

    @pytest.mark.parametrize(
        "labels",
        [
            {LABEL_RESOURCE: "specialist/builder"},
            {LABEL_RESOURCE: "service/"},
            {LABEL_RESOURCE: "nonsense"},
            {LABEL_REPLICA: "0"},
            {LABEL_REPLICA: "x"},
            {LABEL_REPLICA: "²"},
        ],
    )
    def test_one_whose_labels_name_no_replica_of_a_service_is_left_alone(self, labels: dict[str, str]) -> None:
        assert look(log(), seen(labels=labels)) == []

    def test_the_service_and_replica_of_labels(self) -> None:
        assert ownership(seen("db", 3).labels) == ("db", 3)
        assert ownership({}) is None


def test_networks_and_volumes_that_are_gone() -> None:
    projected = Projected(networks={"a": "shop-a", "b": "shop-b"}, volumes={"data": "shop-data"})
    events = shared_observations(projected, fleet="shop", networks=["shop-b"], volumes=[], now_ms=NOW)
    assert lines(events) == [
        "network_vanished shop engine_name=shop-a network=a",
        "volume_vanished shop engine_name=shop-data volume=data",
    ]
    assert (
        shared_observations(projected, fleet="shop", networks=["shop-a", "shop-b"], volumes=["shop-data"], now_ms=NOW)
        == []
    )


_STATES = st.sampled_from(["created", "running", "paused", "exited", "unknown", "removing"])
_SEEN = st.builds(
    lambda service, replica, state, name, code, started, exited, health, digest: seen(
        service,
        replica,
        container_id=f"{name}-{service}-{replica}",
        name=name,
        state=state,
        exit_code=code,
        started_at=started,
        exited_at=exited,
        health=health,
        labels={LABEL_DIGEST: digest},
    ),
    st.sampled_from(["web", "db"]),
    st.integers(1, 3),
    _STATES,
    st.sampled_from(["one", "two"]),
    st.integers(0, 255),
    st.integers(0, STARTED // 1000 + 100),
    st.integers(0, STARTED // 1000 + 100),
    st.sampled_from(["", "starting", "healthy", "unhealthy"]),
    st.sampled_from(["v1:a", "v1:b"]),
)
_KNOWN = st.builds(
    lambda service, replica, state, name, health, second: known(
        service,
        replica,
        key=f"{service}/{replica}" + (f"+{name}" if second else ""),
        container_id=f"{name}-{service}-{replica}",
        name=name,
        state=state,
        health=health,
    ),
    st.sampled_from(["web", "db"]),
    st.integers(1, 3),
    st.sampled_from(["created", "running", "paused", "exited", "missing"]),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["", "healthy", "unhealthy"]),
    st.just(False),
)
_INTENTS = st.sampled_from(["", "create", "start", "stop", "restart", "replace", "delete", "update"])


def _by_id(containers: list[Any], key: Any) -> list[Any]:
    return list({key(one): one for one in containers}.values())


def _recorded(projected: Projected, events: list[Any]) -> Projected:
    """The log after these events, through the real folds."""
    rows = MemoryRows()
    for name, service in projected.services.items():
        rows.put(
            "services",
            name,
            {
                "name": name,
                "definition": service.document,
                "digest": service.digest,
                "wanted": "up",
                "revision": None,
                "defined_at": 0,
                "reverted": None,
                "last_event_sequence": 1,
            },
        )
    for container in projected.all_containers():
        row = {name: getattr(container, name) for name in ProjectedContainer.__struct_fields__ if name != "key"}
        rows.put("containers", container.key, {**row, "beside": [], "last_event_sequence": 1})
    for number, event in enumerate(events, start=2):
        schema_version, data = validate(event.event_type, event.data)
        fold(
            Event(
                number,
                event.event_id,
                event.event_type,
                event.stream_type,
                event.stream_id,
                number,
                data,
                event.causation_id,
                uuid7(),
                {},
                event.occurred_at,
                NOW,
                schema_version,
                b"",
            ),
            rows,
        )
    return project(rows, sequence=len(events))


@given(st.lists(_KNOWN, max_size=6), st.lists(_SEEN, max_size=6), _INTENTS)
def test_a_second_look_at_the_same_world_sees_nothing_new(
    recorded: list[ProjectedContainer], shown: list[ObservedContainer], intent: str
) -> None:
    projected = log(*_by_id(recorded, lambda one: one.key), intent=intent)
    observed = world(*_by_id(shown, lambda one: one.container_id))
    events = observations(projected, observed, now_ms=NOW)
    again = observations(_recorded(projected, events), observed, now_ms=NOW + 1000)
    assert lines(again) == []


@given(st.lists(_KNOWN, max_size=6), st.lists(_SEEN, max_size=6), st.randoms())
def test_the_order_in_which_the_engine_lists_changes_nothing(
    recorded: list[ProjectedContainer], shown: list[ObservedContainer], random: Any
) -> None:
    projected = log(*_by_id(recorded, lambda one: one.key))
    containers = _by_id(shown, lambda one: one.container_id)
    before = observations(projected, world(*containers), now_ms=NOW)
    random.shuffle(containers)
    assert observations(projected, world(*containers), now_ms=NOW) == before


def test_labels_that_the_definition_asks_for_and_that_are_not_there_are_told_once() -> None:
    wanted = {"v1:a": {"name": "web", "labels": {"tier": "front"}}}
    drift = "container_drifted web actual={'tier': 'back'} expected={'tier': 'front'} field=labels"
    relabelled = seen(labels={"tier": "back"})
    projected = replace(log(known()), definitions=wanted)
    assert look(projected, relabelled) == [drift]
    assert look(projected, seen(labels={"tier": "front", "more": "labels"})) == []
    told = replace(log(known(drift={"labels": {"actual": {"tier": "back"}}})), definitions=wanted)
    assert look(told, relabelled) == []
    adopted = replace(log(known(adopted=True)), definitions=wanted)
    assert look(adopted, relabelled) == []

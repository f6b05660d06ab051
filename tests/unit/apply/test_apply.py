"""Applies in memory: a fleet, what is wanted of it, and the story that the log tells of it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.apply.model import ApplyOptions
from reconciler.apply.report import Silent
from reconciler.errors import ActionFailed, LeaseLost, RuntimeUnreachable
from reconciler.plan.model import Adoption, Need, PlanOptions
from reconciler.runtime.model import LABEL_DIGEST, LABEL_FLEET, LABEL_INTENT, LABEL_PROJECT, LABEL_PROTECT
from reconciler.spec.desired import (
    Build,
    Handler,
    HealthCheck,
    Mount,
    NetworkSpec,
    NetworkUse,
    Resources,
    Restart,
    Update,
    VolumeSpec,
)
from tests.support.simulated import IMAGE
from tests.unit.apply.memory import PROJECT, Fleet, service

QUICK = HealthCheck(test=("CMD", "true"), interval_ms=5, timeout_ms=5, retries=1)
NEVER = HealthCheck(test=("CMD", "false"), interval_ms=5, timeout_ms=5, retries=1)


def calls(fleet: Fleet, *verbs: str) -> list[str]:
    return [call for call in fleet.runtime.calls if call.split()[0] in verbs]


class TestFirstApply:
    def test_the_log_tells_intent_and_outcome_of_everything(self) -> None:
        fleet = Fleet(service("web"))
        result = fleet.apply()
        assert (result.status, result.done, result.failed, result.skipped) == ("succeeded", 2, 0, 0)
        assert fleet.types() == [
            "revision_accepted",
            "apply_started",
            "service_defined",
            "action_intended",
            "container_created",
            "container_started",
            "apply_completed",
        ]

    def test_a_running_container_leads_back_to_the_edit(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        assert fleet.causes("container_started") == [
            "container_started",
            "container_created",
            "action_intended",
            "service_defined",
            "revision_accepted",
        ]

    def test_a_container_carries_the_marks_of_ownership(self) -> None:
        fleet = Fleet(service("web", labels={"mine": "yes"}, protect=True))
        fleet.apply()
        (container,) = fleet.runtime.containers.values()
        labels = container.order.labels
        intent = next(event for event in fleet.log.recorded if event.event_type == "action_intended")
        assert labels[LABEL_PROJECT] == PROJECT
        assert labels["fleet.fleet"] == "shop"
        assert labels["fleet.resource"] == "service/web"
        assert labels["fleet.replica"] == "1"
        assert labels[LABEL_DIGEST].startswith("v1:")
        assert labels[LABEL_INTENT] == f"evt_{intent.event_id.hex}"
        assert labels[LABEL_PROTECT] == "true"
        assert labels["mine"] == "yes"

    def test_a_second_apply_has_nothing_to_do(self) -> None:
        fleet = Fleet(service("web", replicas=2), service("db"))
        fleet.apply()
        assert fleet.plan() == []

    def test_networks_volumes_and_images_come_first(self) -> None:
        fleet = Fleet(
            service(
                "web",
                image="registry/web:1",
                networks=(NetworkUse("front", aliases=("www",)),),
                mounts=(Mount("volume", "/data", "data"),),
            ),
            service("api", image="shop-api:1", build=Build("/api", "sha256:1")),
            networks={"front": NetworkSpec("front", "shop-front")},
            volumes={"data": VolumeSpec("data", "shop-data")},
        )
        fleet.runtime.registry["registry/web:1"] = "sha256:web"
        assert fleet.apply().succeeded
        web = next(one for one in fleet.runtime.containers.values() if one.name == "shop-web-1")
        assert web.order.networks == {"shop-front": ("web", "shop-web-1", "www")}
        assert web.order.volumes == {"data": "shop-data"}
        assert fleet.runtime.networks_made["shop-front"]["fleet.resource"] == "network/front"
        assert fleet.runtime.volumes_made["shop-data"][LABEL_PROJECT] == PROJECT
        told = fleet.types()
        order = [(event.event_type, event.data.get("service")) for event in fleet.log.recorded]
        assert order.index(("image_pulled", None)) < order.index(("container_created", "web"))
        assert {"network_created", "volume_created", "image_built"} <= set(told)
        assert fleet.plan() == []


class TestGates:
    def test_a_dependant_waits_until_the_other_is_healthy(self) -> None:
        fleet = Fleet(service("db", healthcheck=QUICK), service("web", depends_on={"db": "healthy"}))
        assert fleet.apply().succeeded
        told = fleet.story()
        assert told.index("container db/1 became healthy") < told.index("container web/1 was started")

    def test_a_dependant_of_one_that_never_becomes_healthy_is_skipped(self) -> None:
        fleet = Fleet(service("db", healthcheck=NEVER), service("web", depends_on={"db": "healthy"}), service("solo"))
        result = fleet.apply()
        assert (result.status, result.failed, result.skipped) == ("failed", 1, 1)
        assert fleet.states() == {"shop-db-1": "running", "shop-solo-1": "running"}
        assert "container db/1 became unhealthy" in fleet.story()
        skipped = next(event for event in fleet.log.recorded if event.event_type == "action_skipped")
        assert skipped.data["because"].startswith("service/db is not healthy: container shop-db-1 did not become")

    def test_one_that_ends_while_it_is_waited_for_is_not_waited_for_any_longer(self) -> None:
        patient = HealthCheck(test=("CMD", "false"), interval_ms=60_000, retries=100)
        fleet = Fleet(
            service("db", command=("exit", "3"), healthcheck=patient, restart=Restart(policy="no")),
            service("web", depends_on={"db": "healthy"}),
        )
        result = fleet.apply()
        assert "container shop-db-1 ended with exit code 3" in result.failures[0].why
        assert fleet.types().count("container_exited") == 1
        assert fleet.plan() == []

    def test_a_dependant_waits_until_a_job_is_done(self) -> None:
        fleet = Fleet(
            service("migrate", kind="job", command=("true",)), service("web", depends_on={"migrate": "completed"})
        )
        assert fleet.apply().succeeded
        told = fleet.types()
        assert told.index("job_completed") < len(told) - 1 - told[::-1].index("container_started")
        assert told.count("job_completed") == 1
        assert fleet.plan() == []

    def test_a_job_that_fails_keeps_its_dependants_from_starting(self) -> None:
        fleet = Fleet(
            service("migrate", kind="job", command=("exit", "2"), restart=Restart(policy="no")),
            service("web", depends_on={"migrate": "completed"}),
        )
        result = fleet.apply()
        assert result.status == "failed"
        assert "the job migrate ended with exit code 2" in result.failures[0].why
        assert fleet.states() == {"shop-migrate-1": "exited"}

    def test_a_gate_of_a_service_that_runs_already(self) -> None:
        fleet = Fleet(service("db", healthcheck=QUICK))
        fleet.apply()
        before = len(fleet.log.recorded)
        fleet.want(service("db", healthcheck=QUICK), service("web", depends_on={"db": "healthy"}))
        assert fleet.apply().succeeded
        assert "container_health_changed" not in fleet.types(before)

    def test_without_waiting_only_gates_are_waited_for(self) -> None:
        fleet = Fleet(service("db", healthcheck=NEVER))
        assert fleet.apply(wait=False).succeeded
        assert calls(fleet, "run_healthcheck") == []

    def test_a_service_that_ends_at_once_is_a_failure(self) -> None:
        fleet = Fleet(service("web", command=("exit", "4"), restart=Restart(policy="no")))
        result = fleet.apply()
        assert result.status == "failed"
        assert result.failures[0].why == "container shop-web-1 ended with exit code 4; see: fleet services logs web"
        assert fleet.types()[-2:] == ["container_exited", "apply_completed"]


class TestFailures:
    def test_a_failed_branch_does_not_stop_the_others(self) -> None:
        fleet = Fleet(service("a"), service("b", depends_on={"a": "started"}), service("c"))
        fleet.runtime.fail("start")
        result = fleet.apply(parallel=1)
        assert (result.status, result.failed, result.skipped) == ("failed", 1, 1)
        assert fleet.states() == {"shop-a-1": "created", "shop-c-1": "running"}
        assert [line for line in fleet.told.lines if line.startswith("skipped")] == [
            "skipped create service/b/1: create service/a/1 failed",
        ]

    def test_what_failed_is_done_by_the_next_apply(self) -> None:
        fleet = Fleet(service("a"), service("b", depends_on={"a": "started"}))
        fleet.runtime.fail("start")
        fleet.apply()
        assert fleet.plan() == ["start service/a/1", "create service/b/1"]
        assert fleet.apply().succeeded
        assert fleet.plan() == []
        assert fleet.states() == {"shop-a-1": "running", "shop-b-1": "running"}

    def test_a_failure_names_its_intent(self) -> None:
        fleet = Fleet(service("a"))
        fleet.runtime.fail("create", error=ActionFailed("the engine said no"))
        fleet.apply()
        assert fleet.causes("action_failed")[:2] == ["action_failed", "action_intended"]
        assert fleet.log.projected().intents == {}

    def test_a_pull_that_fails_leaves_the_old_one_running(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.want(service("web", image="nowhere/web:2"))
        result = fleet.apply()
        assert result.status == "failed"
        assert fleet.states() == {"shop-web-1": "running"}
        assert next(iter(fleet.runtime.containers.values())).order.image == IMAGE

    def test_the_engine_goes_away(self) -> None:
        fleet = Fleet(service("a"))
        fleet.runtime.fail("start", error=RuntimeUnreachable("gone"))
        with pytest.raises(RuntimeUnreachable):
            fleet.apply()
        assert fleet.types()[-1] == "apply_completed"
        assert fleet.log.recorded[-1].data["status"] == "interrupted"
        assert len(fleet.log.projected().intents) == 1
        assert fleet.apply().succeeded
        assert fleet.states() == {"shop-a-1": "running"}

    def test_the_engine_goes_away_before_anything_is_begun(self) -> None:
        fleet = Fleet(service("a"))
        fleet.runtime.fail("image_id", error=RuntimeUnreachable("gone"))
        with pytest.raises(RuntimeUnreachable):
            fleet.apply()
        assert fleet.types()[-2:] == ["apply_started", "apply_completed"]
        assert fleet.states() == {}

    def test_the_engine_goes_away_while_somebody_is_waited_for(self) -> None:
        fleet = Fleet(service("db", healthcheck=QUICK), service("web", depends_on={"db": "healthy"}))
        fleet.runtime.fail("run_healthcheck", error=RuntimeUnreachable("gone"))
        with pytest.raises(RuntimeUnreachable):
            fleet.apply()

    def test_a_lost_lease_ends_the_work_at_once(self) -> None:
        fleet = Fleet(*(service(f"s{number}") for number in range(5)))
        plan = fleet.look()[2]
        made = fleet.runtime.create

        def create(order: Any) -> str:
            fleet.log.stale = True
            return made(order)

        fleet.runtime.create = create  # type: ignore[method-assign]
        with pytest.raises(LeaseLost):
            fleet.apply(parallel=1)
        assert len(plan.actions) == 10
        assert len(calls(fleet, "create")) == 1
        assert fleet.types()[-1] == "action_intended"

    def test_a_lease_that_is_lost_before_the_first_action(self) -> None:
        fleet = Fleet(service("a"))
        told = fleet.log.append

        def append(events: Any, *args: Any, **more: Any) -> Any:
            recorded = told(events, *args, **more)
            fleet.log.stale = any(event.event_type == "apply_started" for event in events)
            return recorded

        fleet.log.append = append  # type: ignore[method-assign]
        with pytest.raises(LeaseLost):
            fleet.apply()
        assert calls(fleet, "create") == []

    def test_a_mistake_of_ours_is_not_hidden(self) -> None:
        fleet = Fleet(service("a"))
        fleet.runtime.fail("create", error=ZeroDivisionError("bug"))
        with pytest.raises(ZeroDivisionError):
            fleet.apply()
        assert fleet.types()[-1] == "action_intended"


class TestEndingEarly:
    def test_an_interruption_finishes_what_is_under_way_and_says_where_it_stopped(self) -> None:
        fleet = Fleet(service("a"), service("b"), service("c"))
        interrupt = threading.Event()
        start = fleet.runtime.start

        def starting(container: str) -> None:
            interrupt.set()
            start(container)

        fleet.runtime.start = starting  # type: ignore[method-assign]
        result = fleet.apply(parallel=1, interrupt=interrupt)
        assert (result.status, result.left_off) == ("interrupted", "create service/b/1")
        assert fleet.states() == {"shop-a-1": "running"}
        assert fleet.log.recorded[-1].data["left_off"] == "create service/b/1"
        fleet.runtime.start = start  # type: ignore[method-assign]
        assert fleet.apply().succeeded
        assert fleet.plan() == []

    def test_an_interruption_ends_the_waiting(self) -> None:
        patient = HealthCheck(test=("CMD", "false"), interval_ms=60_000, retries=100)
        fleet = Fleet(service("a", healthcheck=patient))
        interrupt = threading.Event()

        class Interrupting(Silent):
            def on_gate(self, service: str, gate: str, state: Any, detail: str = "", seconds: float = 0.0) -> None:
                interrupt.set()

        fleet.told = Interrupting()  # type: ignore[assignment]
        timer = threading.Timer(0.05, interrupt.set)
        timer.start()
        result = fleet.apply(interrupt=interrupt)
        timer.join()
        assert result.status == "interrupted"
        assert result.left_off == ""

    def test_a_time_that_is_over(self) -> None:
        patient = HealthCheck(test=("CMD", "false"), interval_ms=60_000, retries=100)
        fleet = Fleet(service("a", healthcheck=patient), service("b", depends_on={"a": "healthy"}))
        result = fleet.apply(timeout_ms=150)
        assert (result.status, result.left_off) == ("timed_out", "create service/b/1")
        assert fleet.log.recorded[-1].data["status"] == "timed_out"

    def test_one_after_another_or_at_once(self) -> None:
        for parallel, most in ((1, 1), (3, 3)):
            fleet = Fleet(*(service(f"s{number}") for number in range(6)))
            under_way: list[int] = []
            current, lock, start = [0], threading.Lock(), fleet.runtime.start

            def slowly(
                container: str,
                *,
                start: Any = start,
                current: Any = current,
                lock: Any = lock,
                under_way: Any = under_way,
            ) -> None:
                with lock:
                    current[0] += 1
                    under_way.append(current[0])
                time.sleep(0.02)
                start(container)
                with lock:
                    current[0] -= 1

            fleet.runtime.start = slowly  # type: ignore[method-assign]
            assert fleet.apply(parallel=parallel).succeeded
            assert max(under_way) == most


class TestReplacing:
    def test_stop_first(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.want(service("web", command=("serve", "2")))
        before, fleet.runtime.calls = len(fleet.log.recorded), []
        assert fleet.apply().succeeded
        new = next(call for call in fleet.runtime.calls if call.startswith("create")).split()[1]
        assert calls(fleet, "create", "stop", "remove", "rename", "start") == [
            f"create {new}",
            "stop shop-web-1",
            "remove shop-web-1",
            f"rename {new}",
            "start shop-web-1",
        ]
        assert fleet.types(before)[3:-1] == [
            "action_intended",
            "container_created",
            "container_stopped",
            "container_removed",
            "container_renamed",
            "container_started",
        ]
        assert fleet.causes("container_started") == [
            "container_started",
            "container_renamed",
            "container_created",
            "action_intended",
            "service_defined",
            "revision_accepted",
        ]
        assert fleet.plan() == []

    def test_start_first_keeps_the_old_one_until_the_new_one_is_healthy(self) -> None:
        update = Update(order="start-first")
        fleet = Fleet(service("web", healthcheck=QUICK, update=update))
        fleet.apply()
        fleet.want(service("web", healthcheck=QUICK, update=update, command=("serve", "2")))
        fleet.runtime.calls = []
        assert fleet.apply().succeeded
        verbs = [
            call.split()[0] for call in calls(fleet, "create", "start", "run_healthcheck", "stop", "remove", "rename")
        ]
        assert verbs[:6] == ["create", "start", "run_healthcheck", "stop", "remove", "rename"]
        assert fleet.states() == {"shop-web-1": "running"}
        assert fleet.plan() == []

    def test_start_first_with_a_bad_one_leaves_the_old_one_running(self) -> None:
        update = Update(order="start-first")
        fleet = Fleet(service("web", healthcheck=QUICK, update=update))
        fleet.apply()
        old = next(iter(fleet.runtime.containers))
        fleet.want(service("web", healthcheck=NEVER, update=update))
        result = fleet.apply()
        assert result.status == "failed"
        assert list(fleet.runtime.containers) == [old]
        assert fleet.states() == {"shop-web-1": "running"}
        assert "container_stopped" not in [
            event.event_type for event in fleet.log.recorded if event.data.get("container_id") == old
        ]

    @pytest.mark.parametrize("order", ["stop-first", "start-first"])
    def test_auto_revert_brings_the_last_good_definition_back(self, order: Any) -> None:
        update = Update(order=order, auto_revert=True)
        fleet = Fleet(service("web", healthcheck=QUICK, update=update))
        fleet.apply()
        old = next(iter(fleet.runtime.containers))
        fleet.want(service("web", healthcheck=NEVER, update=update))
        result = fleet.apply()
        assert (result.status, result.reverted) == ("failed", ("web",))
        assert {identity: one.state for identity, one in fleet.runtime.containers.items()} == {old: "running"}
        told = next(event for event in fleet.log.recorded if event.event_type == "service_reverted")
        assert "did not become healthy" in told.data["why"]
        assert fleet.plan() == [], "what was taken back is not tried again"

    def test_an_edit_after_a_revert_is_tried(self) -> None:
        update = Update(auto_revert=True)
        fleet = Fleet(service("web", healthcheck=QUICK, update=update))
        fleet.apply()
        fleet.want(service("web", healthcheck=NEVER, update=update))
        fleet.apply()
        fleet.want(service("web", healthcheck=QUICK, update=update, command=("serve", "3")))
        assert fleet.plan() == ["define service/web", "replace service/web/1"]
        assert fleet.apply().succeeded
        assert fleet.plan() == []

    def test_auto_revert_after_a_start_that_fails(self) -> None:
        update = Update(auto_revert=True)
        fleet = Fleet(service("web", update=update))
        fleet.apply()
        fleet.want(service("web", update=update, command=("serve", "2")))
        fleet.runtime.fail("start")
        assert fleet.apply().reverted == ("web",)
        assert fleet.states() == {"shop-web-1": "running"}
        assert fleet.plan() == []

    def test_auto_revert_without_a_health_check_watches_for_a_while(self) -> None:
        update = Update(auto_revert=True)
        fleet = Fleet(service("web", update=update))
        fleet.apply()
        fleet.want(service("web", update=update, command=("exit", "1")))
        assert fleet.apply().reverted == ("web",)
        fleet.want(service("web", update=update, command=("serve", "2")))
        assert fleet.apply().succeeded

    def test_a_job_is_not_waited_for_on_trial(self) -> None:
        update = Update(auto_revert=True)
        fleet = Fleet(service("job", kind="job", command=("true",), update=update))
        fleet.apply()
        fleet.want(service("job", kind="job", command=("echo", "2"), update=update))
        assert fleet.apply().succeeded

    def test_replicas_are_replaced_in_turn(self) -> None:
        fleet = Fleet(service("web", replicas=3, healthcheck=QUICK))
        fleet.apply()
        fleet.want(service("web", replicas=3, healthcheck=NEVER))
        result = fleet.apply()
        assert (result.failed, result.skipped) == (1, 2)
        assert [name for name, state in fleet.states().items() if state == "running"] == [
            "shop-web-1",
            "shop-web-2",
            "shop-web-3",
        ]

    def test_the_old_one_was_removed_by_hand_meanwhile(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.want(service("web", command=("serve", "2")))
        create = fleet.runtime.create

        def vanishing(order: Any) -> str:
            if "shop-web-1" in fleet.states():
                fleet.runtime.vanish("shop-web-1")
            return create(order)

        fleet.runtime.create = vanishing  # type: ignore[method-assign]
        fleet.apply()
        assert fleet.apply().succeeded
        assert fleet.states() == {"shop-web-1": "running"}
        assert fleet.plan() == []


class TestOwnership:
    def test_a_container_of_somebody_elses_is_never_touched(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        (ours,) = fleet.runtime.containers.values()
        fleet.want()
        events, desired, plan = fleet.look()
        ours.order = _unlabelled(ours.order)
        assert plan.actions[0].id == "delete service/web/1"
        result = _apply_plan(fleet, plan, desired)
        assert result.status == "failed"
        assert "carries no ownership label of this fleet and is left alone" in result.failures[0].why
        assert fleet.states() == {"shop-web-1": "running"}

    def test_a_protected_container_is_never_removed(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.want()
        _, desired, plan = fleet.look()
        fleet.log.rows.put(
            "services", "web", {**fleet.log.rows.get("services", "web"), "definition": {"name": "web", "protect": True}}
        )  # type: ignore[dict-item]
        result = _apply_plan(fleet, plan, desired)
        assert "service/web is protected" in result.failures[0].why
        assert fleet.states() == {"shop-web-1": "running"}

    def test_a_name_that_somebody_else_has(self) -> None:
        fleet = Fleet(service("web"))
        other = Fleet(service("web"))
        other.desired = fleet.desired
        other.apply()
        (theirs,) = other.runtime.containers.values()
        theirs.order.labels[LABEL_PROJECT] = "another"  # type: ignore[index]
        fleet.runtime.containers = other.runtime.containers
        result = fleet.apply()
        assert (
            "the name shop-web-1 is taken by a container of the fleet shop in another folder" in result.failures[0].why
        )
        assert fleet.told.problems == [result.failures[0].why]
        assert calls(fleet, "create") == []

    def test_a_volume_that_another_fleet_made(self) -> None:
        db = service("db", mounts=(Mount("volume", "/data", "data"),))
        fleet = Fleet(db, volumes={"data": VolumeSpec("data", "pg-data")})
        fleet.runtime.volumes_made["pg-data"] = {LABEL_PROJECT: "another", LABEL_FLEET: "theirs"}
        result = fleet.apply()
        assert "the volume pg-data belongs to the fleet theirs in another folder" in result.failures[0].why
        assert "{volumes: {data: {name: shop-data}}}" in result.failures[0].why
        assert calls(fleet, "create") == calls(fleet, "create_volume") == []
        fleet.want(db, volumes={"data": VolumeSpec("data", "pg-data", external=True)})
        assert fleet.apply().succeeded

    def test_a_volume_that_no_fleet_made_is_taken_as_it_is(self) -> None:
        fleet = Fleet(
            service("db", mounts=(Mount("volume", "/data", "data"),)), volumes={"data": VolumeSpec("data", "pg-data")}
        )
        fleet.runtime.volumes_made["pg-data"] = {}
        assert fleet.apply().succeeded

    def test_volumes_outlive_everything(self) -> None:
        fleet = Fleet(
            service("db", mounts=(Mount("volume", "/data", "data"),)), volumes={"data": VolumeSpec("data", "shop-data")}
        )
        fleet.apply()
        fleet.want(volumes={})
        fleet.apply()
        assert fleet.states() == {}
        assert list(fleet.runtime.volumes_made) == ["shop-data"]

    def test_a_network_that_carries_no_label_of_ours_is_forgotten_and_left(self) -> None:
        fleet = Fleet(
            service("web", networks=(NetworkUse("front"),)), networks={"front": NetworkSpec("front", "shop-front")}
        )
        fleet.apply()
        fleet.runtime.networks_made["shop-front"].clear()
        fleet.want(networks={})
        assert fleet.apply().succeeded
        assert list(fleet.runtime.networks_made) == ["shop-front"]
        assert fleet.plan() == []

    def test_a_network_of_ours_goes_with_its_last_container(self) -> None:
        fleet = Fleet(
            service("web", networks=(NetworkUse("front"),)), networks={"front": NetworkSpec("front", "shop-front")}
        )
        fleet.apply()
        fleet.want(networks={})
        assert fleet.apply().succeeded
        assert fleet.runtime.networks_made == {}


class TestOtherActions:
    def test_limits_are_changed_in_place(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.want(service("web", resources=Resources(memory=64 << 20)))
        assert fleet.apply().succeeded
        assert next(iter(fleet.runtime.containers.values())).resources.memory == 64 << 20
        assert fleet.plan() == []

    def test_a_container_is_renamed(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.runtime.rename("shop-web-1", "mine")
        assert fleet.plan() == ["rename service/web/1"]
        assert fleet.apply().succeeded
        assert fleet.states() == {"shop-web-1": "running"}
        assert fleet.plan() == []

    def test_a_rename_to_a_name_that_is_taken(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.runtime.rename("shop-web-1", "mine")
        fleet.runtime.create(next(iter(fleet.runtime.containers.values())).order)
        stranger = next(one for one in fleet.runtime.containers.values() if one.name == "shop-web-1")
        stranger.order = _unlabelled(stranger.order)
        result = fleet.apply()
        assert "the name shop-web-1 is taken" in result.failures[0].why

    def test_what_was_paused_goes_on(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.runtime.pause("shop-web-1")
        assert fleet.apply().succeeded
        assert fleet.states() == {"shop-web-1": "running"}
        assert calls(fleet, "unpause") == ["unpause shop-web-1"]

    def test_what_ended_is_started_again_and_leads_back_to_its_end(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.runtime.end("shop-web-1", 1)
        assert fleet.apply().succeeded
        assert fleet.causes("container_started") == ["container_started", "action_intended", "container_exited"]

    def test_what_is_gone_is_made_again_and_leads_back_to_its_end(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.runtime.vanish("shop-web-1")
        assert fleet.apply().succeeded
        assert fleet.causes("container_started")[-2:] == ["action_intended", "container_vanished"]

    def test_a_restart_that_is_asked_for(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        assert fleet.apply(PlanOptions(restart=("web",))).succeeded
        assert calls(fleet, "restart") == ["restart shop-web-1"]

    def test_a_service_has_another_name_now(self) -> None:
        fleet = Fleet(service("web", container_name="site"))
        fleet.apply()
        fleet.want(
            service("site", container_name="site"),
            service("api", depends_on={"site": "started"}),
            moved={"service/web": "service/site"},
        )
        assert fleet.apply().succeeded
        assert fleet.plan() == []
        assert "resource_moved" in fleet.types()

    def test_an_image_that_must_be_here_and_is_not(self) -> None:
        fleet = Fleet(service("web", image="local/web:1", pull="never"))
        result = fleet.apply()
        assert "is not on this machine and its pull policy is never" in result.failures[0].why

    def test_an_image_that_was_rebuilt_by_hand(self) -> None:
        fleet = Fleet(service("web"))
        fleet.apply()
        fleet.runtime.images[IMAGE] = "sha256:new"
        assert fleet.apply().succeeded
        assert fleet.causes("container_started")[-2:] == ["action_intended", "revision_accepted"]

    def test_an_image_that_fleet_built(self) -> None:
        fleet = Fleet(service("web", image="web:1", build=Build("/web", "sha256:1")))
        fleet.apply()
        fleet.want(service("web", image="web:1", build=Build("/web", "sha256:2")))
        assert fleet.apply().succeeded
        assert fleet.plan() == []


class TestHandlers:
    def test_a_handler_runs_once_at_the_end(self) -> None:
        handlers = {"reload": Handler("reload", service="proxy", command=("true",))}
        fleet = Fleet(
            service("a", notify=("reload",)), service("b", notify=("reload",)), service("proxy"), handlers=handlers
        )
        assert fleet.apply().succeeded
        assert calls(fleet, "exec") == ["exec shop-proxy-1"]
        told = fleet.types()
        assert told.count("handler_notified") == 2
        assert told.count("handler_completed") == 1
        assert fleet.causes("handler_completed")[1:3] == ["action_intended", "handler_notified"]
        assert fleet.plan() == []

    def test_a_handler_is_remembered_across_a_failed_run(self) -> None:
        handlers = {"reload": Handler("reload", service="proxy", command=("exit", "1"))}
        fleet = Fleet(service("a", notify=("reload",)), service("proxy"), handlers=handlers)
        result = fleet.apply()
        assert result.failures[0].why == "handler reload ended with exit code 1"
        assert fleet.plan() == ["run handler/reload"]
        fleet.want(
            *fleet.desired.services.values(), handlers={"reload": Handler("reload", service="proxy", command=("true",))}
        )
        assert fleet.apply().succeeded
        assert fleet.plan() == []

    def test_a_handler_restarts_a_service(self) -> None:
        fleet = Fleet(
            service("a", notify=("again",)),
            service("proxy", replicas=2),
            handlers={"again": Handler("again", restart="proxy")},
        )
        assert fleet.apply().succeeded
        assert calls(fleet, "restart") == ["restart shop-proxy-1", "restart shop-proxy-2"]
        assert fleet.plan() == []


def _apply_plan(fleet: Fleet, plan: Any, desired: Any) -> Any:
    from reconciler.apply.executor import apply
    from reconciler.events.envelope import Cause

    return apply(
        plan,
        desired,
        store=fleet.log,  # type: ignore[arg-type]
        runtime=fleet.runtime,
        lease=None,  # type: ignore[arg-type]
        cause=Cause("ada", "cli"),
        project=fleet.project,
        options=ApplyOptions(),
    )


def _unlabelled(order: Any) -> Any:
    from dataclasses import replace

    return replace(order, labels={})


class TestLessUsual:
    def test_external_networks_and_volumes_must_be_there(self) -> None:
        fleet = Fleet(
            service("web", networks=(NetworkUse("theirs"),), mounts=(Mount("volume", "/data", "data"),)),
            networks={"theirs": NetworkSpec("theirs", "theirs", external=True)},
            volumes={"data": VolumeSpec("data", "their-data", external=True)},
        )
        result = fleet.apply()
        assert "the external network theirs does not exist" in result.failures[0].why
        assert "the external volume their-data does not exist" in result.failures[0].why
        fleet.runtime.networks_made["theirs"] = {}
        fleet.runtime.volumes_made["their-data"] = {}
        assert fleet.apply().succeeded
        fleet.want(networks={}, volumes={})
        assert fleet.apply().succeeded
        assert list(fleet.runtime.networks_made) == ["theirs"]

    def test_a_container_is_adopted_by_a_plan(self) -> None:
        fleet, other = Fleet(service("web")), Fleet(service("web"))
        other.apply()
        (theirs,) = other.runtime.containers.values()
        theirs.order = _unlabelled(theirs.order)
        fleet.runtime = other.runtime
        adopt = Adoption("web", theirs.container_id, theirs.name)
        result = fleet.apply(PlanOptions(adopt=(adopt,)))
        assert result.succeeded, result.failures
        assert fleet.causes("container_adopted")[:2] == ["container_adopted", "action_intended"]
        assert fleet.plan() == []
        assert fleet.log.projected().containers["web"][0].adopted
        fleet.want(service("web", command=("serve", "2")))
        assert fleet.apply().succeeded
        assert fleet.plan() == []

    def test_one_that_is_removed_by_hand_while_the_plan_is_carried_out(self) -> None:
        fleet = Fleet(service("web"), service("db"))
        fleet.apply()
        fleet.want(service("db"))
        _, desired, plan = fleet.look()
        fleet.runtime.vanish("shop-web-1")
        assert _apply_plan(fleet, plan, desired).succeeded
        assert fleet.plan() == []

    @pytest.mark.parametrize("order", ["stop-first", "start-first"])
    def test_a_replacement_whose_old_one_is_removed_by_hand_meanwhile(self, order: Any) -> None:
        fleet = Fleet(service("web", update=Update(order=order)))
        fleet.apply()
        fleet.want(service("web", update=Update(order=order), command=("serve", "2")))
        _, desired, plan = fleet.look()
        fleet.runtime.vanish("shop-web-1")
        assert _apply_plan(fleet, plan, desired).succeeded
        assert fleet.states() == {"shop-web-1": "running"}
        assert fleet.plan() == []

    def test_a_trial_whose_old_one_did_not_run_and_is_bad(self) -> None:
        update = Update(auto_revert=True)
        fleet = Fleet(service("web", healthcheck=QUICK, update=update))
        fleet.apply()
        fleet.runtime.end("shop-web-1", 1)
        fleet.want(service("web", healthcheck=NEVER, update=update))
        assert fleet.apply().reverted == ("web",)
        assert fleet.states() == {"shop-web-1": "running"}
        assert fleet.plan() == []

    @pytest.mark.parametrize("order", ["stop-first", "start-first"])
    def test_nobody_knows_in_the_middle_of_a_trial(self, order: Any) -> None:
        update = Update(order=order, auto_revert=True)
        fleet = Fleet(service("web", healthcheck=QUICK, update=update))
        fleet.apply()
        fleet.want(service("web", healthcheck=QUICK, update=update, command=("serve", "2")))
        fleet.runtime.fail("run_healthcheck", error=RuntimeUnreachable("gone"))
        with pytest.raises(RuntimeUnreachable):
            fleet.apply()
        assert len(fleet.states()) == 2, "nothing is taken away while nobody knows"
        assert fleet.apply().succeeded
        assert fleet.states() == {"shop-web-1": "running"}
        assert fleet.plan() == []

    def test_a_handler_of_a_service_that_does_not_run(self) -> None:
        handlers = {"reload": Handler("reload", service="proxy", command=("true",))}
        fleet = Fleet(service("a", notify=("reload",)), service("proxy"), handlers=handlers)
        _, desired, plan = fleet.look()
        only = replace(plan, actions=tuple(one for one in plan.actions if one.id == "run handler/reload"))
        only = replace(only, actions=tuple(replace(one, needs=()) for one in only.actions))
        assert "service/proxy does not run" in _apply_plan(fleet, only, desired).failures[0].why

    def test_a_plan_that_can_never_go_on_ends_all_the_same(self) -> None:
        fleet = Fleet(service("a"))
        _, desired, plan = fleet.look()
        stuck = replace(plan, actions=tuple(replace(one, needs=(Need(one.id),)) for one in plan.actions))
        result = _apply_plan(fleet, stuck, desired)
        assert (result.status, result.skipped) == ("failed", 2)

    def test_targets_are_recorded(self) -> None:
        fleet = Fleet(service("a"), service("b"))
        fleet.apply(PlanOptions(targets=("a",)), targets=("a",))
        started = next(event for event in fleet.log.recorded if event.event_type == "apply_started")
        assert started.data["target"] == ["a"]
        assert fleet.states() == {"shop-a-1": "running"}

    def test_a_bounded_time_for_the_end(self) -> None:
        patient = HealthCheck(test=("CMD", "false"), interval_ms=60_000, retries=100)
        fleet = Fleet(service("a", healthcheck=patient))
        assert fleet.apply(ready_ms=50).status == "timed_out"

"""Status: three views of each replica, and what is said where they differ."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.ops.status import ABSENT, UNKNOWN, ReplicaStatus, replica_statuses
from reconciler.projections.projected import (
    Projected,
    ProjectedBackoff,
    ProjectedContainer,
    ProjectedIntent,
    ProjectedService,
    ProjectedSuspension,
)
from reconciler.runtime.model import LABEL_DIGEST, LABEL_REPLICA, LABEL_RESOURCE, Observed, ObservedContainer
from reconciler.spec.desired import Desired, Resources, ServiceSpec, to_document
from reconciler.spec.roles import definition_digest

WEB = ServiceSpec(name="web", image="localhost/web:1")
JOB = ServiceSpec(name="job", kind="job", image="localhost/job:1")
DIGEST = definition_digest(WEB)


def desired(*services: ServiceSpec) -> Desired:
    return Desired(name="shop", project="p", services={one.name: one for one in services})


def container(spec: ServiceSpec = WEB, replica: int = 1, **fields: Any) -> ProjectedContainer:
    values: dict[str, Any] = {
        "key": f"{spec.name}/{replica}",
        "service": spec.name,
        "replica": replica,
        "container_id": f"{spec.name}{replica}",
        "name": f"shop-{spec.name}-{replica}",
        "digest": definition_digest(spec),
        "changed_at": 1_000,
    }
    return ProjectedContainer(**{**values, **fields})


def projected(*containers: ProjectedContainer, wanted: str = "up", spec: ServiceSpec = WEB, **more: Any) -> Projected:
    by_service: dict[str, tuple[ProjectedContainer, ...]] = {}
    for one in containers:
        by_service[one.service] = (*by_service.get(one.service, ()), one)
    service = ProjectedService(spec.name, to_document(spec), definition_digest(spec), wanted)  # type: ignore[arg-type]
    return Projected(services={spec.name: service}, containers=by_service, sequence=1, **more)


def seen(spec: ServiceSpec = WEB, replica: int = 1, **fields: Any) -> ObservedContainer:
    labels = {
        LABEL_RESOURCE: f"service/{spec.name}",
        LABEL_REPLICA: str(replica),
        LABEL_DIGEST: definition_digest(spec),
    }
    values: dict[str, Any] = {
        "container_id": f"{spec.name}{replica}",
        "name": f"shop-{spec.name}-{replica}",
        "state": "running",
        "labels": labels,
        "image": spec.image,
        "image_id": "sha256:1",
        "started_at": 5,
    }
    return ObservedContainer(**{**values, **fields})


def only(statuses: tuple[ReplicaStatus, ...]) -> ReplicaStatus:
    (one,) = statuses
    return one


def test_all_three_say_the_same() -> None:
    one = only(replica_statuses(desired(WEB), projected(container()), Observed((seen(health="healthy"),))))
    assert (one.desired.state, one.projected.state, one.observed.state) == ("running", "running", "running")
    assert one.agrees
    assert one.notes == ()
    assert one.desired.digest == one.projected.digest == one.observed.digest == DIGEST
    assert (one.projected.since, one.observed.since) == (1_000, 5_000)


def test_a_side_that_cannot_be_read_is_unknown_and_disagrees_with_nothing() -> None:
    one = only(replica_statuses(None, projected(container()), None))
    assert (one.desired.state, one.observed.state) == (UNKNOWN, UNKNOWN)
    assert one.agrees


def test_before_the_first_apply() -> None:
    one = only(replica_statuses(desired(WEB), Projected(), None))
    assert (one.desired.state, one.projected.state) == ("running", ABSENT)
    assert one.differences == ("not applied yet",)


def test_replicas_are_listed_one_by_one_and_too_many_are_told() -> None:
    spec = ServiceSpec(name="web", image="i", replicas=2)
    statuses = replica_statuses(
        desired(spec), projected(container(spec), container(spec, 3), spec=spec), Observed((seen(spec), seen(spec, 3)))
    )
    assert [(one.replica, one.differences) for one in statuses] == [
        (1, ()),
        (2, ("not applied yet",)),
        (3, ("no longer in the file",)),
    ]


@pytest.mark.parametrize(
    ("spec", "wanted", "fields", "said"),
    [
        (WEB, "up", {"digest": "v1:other"}, ("the file was edited since this container was made",)),
        (WEB, "up", {"state": "exited", "exit_code": 137, "external": True},
         ("ended with exit code 137, and Fleet did not do it",)),
        (WEB, "up", {"state": "exited", "external": True}, ("ended, and Fleet did not do it",)),
        (WEB, "up", {"state": "exited"}, ("exited, not running",)),
        (WEB, "up", {"state": "created"}, ("created, not running",)),
        (WEB, "up", {"state": "paused", "external": True}, ("paused, and Fleet did not do it",)),
        (WEB, "up", {"state": "missing", "external": True}, ("gone, and Fleet did not remove it",)),
        (WEB, "down", {"state": "exited"}, ()),
        (WEB, "down", {"state": "running"}, ("asked to stop, and still there",)),
        (JOB, "up", {"state": "exited", "exit_code": 0}, ()),
        (JOB, "up", {"state": "running"}, ()),
        (JOB, "up", {"state": "exited", "exit_code": 3}, ("the job failed with exit code 3",)),
        (JOB, "up", {"state": "missing"}, ("gone, and Fleet did not remove it",)),
    ],
)  # fmt: skip
def test_what_was_applied_against_what_is_wanted(
    spec: ServiceSpec, wanted: str, fields: dict[str, Any], said: tuple[str, ...]
) -> None:
    log = projected(container(spec, **fields), wanted=wanted, spec=spec)
    assert only(replica_statuses(desired(spec), log, None)).differences == said


def test_a_stopped_service_without_a_container_is_as_wanted() -> None:
    one = only(replica_statuses(desired(WEB), projected(wanted="down"), None))
    assert (one.desired.state, one.differences) == ("stopped", ())


def test_edited_settings_are_told() -> None:
    edited = ServiceSpec(name="web", image="localhost/web:1", resources=Resources(memory=1024))
    one = only(replica_statuses(desired(edited), projected(container()), None))
    assert one.differences == ("settings in the file were edited",)


@pytest.mark.parametrize(
    ("fields", "observed", "said"),
    [
        ({}, Observed(()), ("gone since the log was last written",)),
        ({}, Observed((seen(state="exited", exit_code=1, exited_at=9),)), ("exited since the log was last written",)),
        ({}, Observed((seen(health="unhealthy"),)), ("unhealthy",)),
        ({"state": "missing"}, Observed(()), ("gone, and Fleet did not remove it",)),
    ],
)
def test_what_is_seen_against_the_log(fields: dict[str, Any], observed: Observed, said: tuple[str, ...]) -> None:
    assert only(replica_statuses(desired(WEB), projected(container(**fields)), observed)).differences == said


@pytest.mark.parametrize(
    ("state", "said"), [("running", "runs, and the log does not know it"), ("exited", "not known to the log")]
)
def test_a_container_that_the_log_does_not_know(state: str, said: str) -> None:
    statuses = replica_statuses(desired(), Projected(), Observed((seen(container_id="x", state=state),)))
    assert only(statuses).differences == (said,)
    assert only(statuses).projected.state == ABSENT


def test_labels_of_other_kinds_are_passed_over() -> None:
    other = seen(container_id="x", labels={LABEL_RESOURCE: "specialist/builder"})
    assert replica_statuses(desired(), Projected(), Observed((other,))) == ()


def test_a_second_container_of_a_replica() -> None:
    log = projected(container(), container(key="web/1+x", container_id="x"))
    statuses = replica_statuses(desired(WEB), log, Observed((seen(), seen(container_id="x"))))
    assert [one.differences for one in statuses] == [(), ("a second container of this replica",)]


def test_a_service_that_left_the_file() -> None:
    one = only(replica_statuses(desired(), projected(container()), Observed((seen(),))))
    assert (one.desired.state, one.differences) == (ABSENT, ("no longer in the file",))


def test_circumstances_are_noted() -> None:
    log = projected(
        container(drift={"name": {}}),
        suspensions={
            "": ProjectedSuspension("", "moving house"),
            "service/web": ProjectedSuspension("service/web", "debugging", actor="ada"),
        },
        backoffs={"web/1": ProjectedBackoff(failures=3, delay_ms=40_000, until=1_700_000_040_000)},
        intents={"i": ProjectedIntent("i", "replace_container", "service/web", 1, "a"),
                 "j": ProjectedIntent("j", "stop_container", "service/web", 2, "a")},
    )  # fmt: skip
    assert only(replica_statuses(desired(WEB), log, None)).notes == (
        "the fleet is suspended: moving house",
        "suspended by ada: debugging",
        "waits until 2023-11-14 22:14:00Z after 3 failures",
        "name was changed by hand",
        "begun and not ended: replace container",
    )


def test_a_wait_that_is_over_is_not_told() -> None:
    backoff = ProjectedBackoff(failures=1, delay_ms=0, until=1_700_000_000_000)
    log = projected(container(), backoffs={"web/1": backoff})
    assert only(replica_statuses(desired(WEB), log, None, now_ms=1_700_000_000_000)).notes == ()
    (note,) = only(replica_statuses(desired(WEB), log, None, now_ms=1_699_999_999_999)).notes
    assert note == "waits until 2023-11-14 22:13:20Z after 1 failure"


def test_a_restart_that_was_given_up() -> None:
    log = projected(container(), backoffs={"web/1": ProjectedBackoff(failures=5, abandoned=True)})
    assert only(replica_statuses(desired(WEB), log, None)).notes == ("given up after 5 failures",)

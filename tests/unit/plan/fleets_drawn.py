"""Fleets and happenings that Hypothesis draws: small, but with every feature that a plan must get right together."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from reconciler.spec.desired import Desired
from tests.support.carried_out import Log
from tests.support.fleets import fleet

NAMES = ("api", "cache", "db", "job", "web")
IMAGES = ("localhost/web:1", "localhost/web:2", "localhost/db:1")


@st.composite
def fleets(draw: st.DrawFn) -> Desired:
    """A fleet of up to five services; dependencies go to those drawn before, host ports are used once."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=len(NAMES)))
    ports = draw(st.permutations([8080, 8081, 8082, 8083, 8084]))
    services = {}
    for place, name in enumerate(names):
        services[name] = draw(_services(name, names[:place], ports[place]))
    specialists = draw(st.dictionaries(st.sampled_from(["builder", "reviewer"]), _specialists(), max_size=2))
    document: dict[str, Any] = {
        "specialists": specialists,
        "services": services,
        "handlers": {"reload": {"restart": names[0]}} if names else {},
    }
    return fleet(document)


def _specialists() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"replicas": st.integers(0, 3)},
        optional={
            "capabilities": st.sampled_from([["python"], ["python", "refactor"]]),
            "environment": st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"])),
            "restart": st.sampled_from([{"policy": "no"}, {"policy": "on-failure"}]),
            "protect": st.just(True),
            "stop_grace_ms": st.just(5_000),
        },
    )


@st.composite
def _services(draw: st.DrawFn, name: str, before: list[str], port: int) -> dict[str, Any]:
    fixed = draw(st.booleans())
    service: dict[str, Any] = {
        "image": draw(st.sampled_from(IMAGES)),
        "replicas": 1 if fixed else draw(st.integers(0, 4)),
        "kind": "job" if name == "job" else "service",
    }
    if fixed:
        service["ports"] = [{"container_port": 80, "host_port": port}]
    optional: dict[str, st.SearchStrategy[Any]] = {
        "depends_on": st.dictionaries(st.sampled_from(before), st.just("started")) if before else st.just({}),
        "environment": st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"])),
        "networks": st.lists(st.sampled_from(["back", "front"]), unique=True).map(
            lambda found: [{"network": one} for one in found]
        ),
        "mounts": st.just([{"kind": "volume", "target": "/data", "source": f"{name}-data"}]),
        "resources": st.sampled_from([{"memory": 1048576}, {"memory": 2097152}]),
        "restart": st.sampled_from([{"policy": "no"}, {"policy": "on-failure"}, {"supervisor": "engine"}]),
        "update": st.builds(
            lambda order, number: {"order": order, "max_unavailable": number},
            st.sampled_from(["stop-first", "start-first"]),
            st.integers(1, 3),
        ),
        "healthcheck": st.just({"test": ["CMD", "true"]}),
        "container_name": st.just(f"my-{name}"),
        "protect": st.just(True),
        "notify": st.just(["reload"]),
    }
    for field in draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=6)):
        service[field] = draw(optional[field])
    return service


@st.composite
def happenings(draw: st.DrawFn, log: Log) -> None:
    """Something that people or the world do to what runs; recorded in the log."""
    containers = [(key, row) for key, row in log.rows.scan("containers") if row["state"] != "missing"]
    services = [key for key, _ in log.rows.scan("services")]
    if containers:
        for _, row in draw(st.lists(st.sampled_from(containers), max_size=4, unique_by=lambda one: one[0])):
            about = {"service": row["service"], "replica": row["replica"], "container_id": row["container_id"]}
            event_type, data = draw(st.sampled_from(_done_to(row["name"])))
            log.record(event_type, {**about, **data})
            if draw(st.booleans()):
                _leave_a_second(draw, log, row)
    _to_specialists(draw, log)
    if services:
        for name in draw(st.lists(st.sampled_from(services), max_size=2, unique=True)):
            event_type, data = draw(st.sampled_from(_asked_of(name, log.now_ms)))
            log.record(event_type, data)


def _to_specialists(draw: st.DrawFn, log: Log) -> None:
    """What people or the world do to specialists, and what a crash leaves of them."""
    processes = [(key, row) for key, row in log.rows.scan("processes") if row["state"] != "exited"]
    for key, row in (
        draw(st.lists(st.sampled_from(processes), max_size=3, unique_by=lambda one: one[0])) if processes else ()
    ):
        about = {"pool": row["pool"], "replica": row["replica"]}
        happened = st.sampled_from(
            [
                ("specialist_process_exited", {"process_id": key, "exit_code": 0}),
                ("specialist_process_exited", {"process_id": key}),
                ("specialist_process_paused", {"process_id": key}),
                (
                    "specialist_process_found",
                    {"process_id": f"evt_{len(log.events)}", "pid": 1, "digest": row["digest"]},
                ),
                ("specialist_stop_requested", {}),
                ("specialist_stop_requested", {"drain": True}),
                ("specialist_start_requested", {}),
                ("specialist_restart_abandoned", {"failures": 5, "why": "enough"}),
            ]
        )
        event_type, data = draw(happened)
        log.record(event_type, {**about, **data})


def _done_to(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("container_exited", {"exit_code": 0}),
        ("container_exited", {"exit_code": 1}),
        ("container_vanished", {}),
        ("container_paused", {}),
        ("container_drifted", {"field": "name", "expected": name, "actual": f"{name}-mine"}),
        ("container_drifted", {"field": "labels", "expected": "1", "actual": "2"}),
        ("container_health_changed", {"health": "unhealthy"}),
    ]


def _asked_of(name: str, now_ms: int) -> list[tuple[str, dict[str, Any]]]:
    resource = {"resource": f"service/{name}"}
    return [
        ("service_stop_requested", {"service": name}),
        ("service_start_requested", {"service": name}),
        ("resource_suspended", {**resource, "why": "maintenance", "until": now_ms + 3_600_000}),
        ("resource_resumed", resource),
        ("drift_ignored", {**resource, "field": "name"}),
        ("restart_abandoned", {"service": name, "replica": 1, "failures": 5, "why": "enough"}),
        ("handler_notified", {"handler": "reload", "service": name}),
    ]


def _leave_a_second(draw: st.DrawFn, log: Log, row: dict[str, Any]) -> None:
    """What a crash in the middle of a replacement leaves."""
    if log.rows.get("services", row["service"]) is None:
        return
    container_id = log.new_container_id()
    log.record(
        "container_found",
        {
            "service": row["service"],
            "replica": row["replica"],
            "container_id": container_id,
            "name": f"{row['name']}-new",
            "digest": row["digest"],
            "image": row["image"],
            "image_id": row["image_id"],
            "state": draw(st.sampled_from(["created", "running", "exited"])),
        },
    )

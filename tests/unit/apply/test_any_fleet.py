"""Whatever is declared and whatever happens to it: an apply converges, a second one does nothing, strangers are left alone."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reconciler.events.envelope import Cause, NewEvent
from reconciler.projections.fold import fold
from reconciler.projections.projected import project
from reconciler.projections.rows import MemoryRows
from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder
from reconciler.spec.desired import (
    Handler,
    HealthCheck,
    Mount,
    NetworkSpec,
    NetworkUse,
    PortMapping,
    Resources,
    ServiceSpec,
    Update,
    VolumeSpec,
)
from tests.support.simulated import IMAGE, Crashed
from tests.unit.apply.memory import Fleet, service

NAMES = ("a", "b", "c", "d")
QUICK = HealthCheck(test=("CMD", "true"), interval_ms=2, timeout_ms=2, retries=2)
NETWORKS = {"net": NetworkSpec("net", "shop-net")}
VOLUMES = {"data": VolumeSpec("data", "shop-data"), "more": VolumeSpec("more", "shop-more")}
# What handlers are about is always declared and never a job.
PROXY = service("proxy")
HANDLERS = {"reload": Handler("reload", restart="proxy"), "tell": Handler("tell", service="proxy", command=("true",))}


@st.composite
def services(draw: Any) -> list[ServiceSpec]:
    """Some services, each depending on earlier ones only."""
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True).map(sorted))
    found = []
    for position, name in enumerate(chosen):
        checked = draw(st.booleans())
        kind = "job" if name == "d" else "service"
        gates = {
            before.name: "completed" if before.kind == "job" else "healthy" if before.healthcheck else "started"
            for before in found
            if position and draw(st.booleans())
        }
        replicas = 1 if kind == "job" else draw(st.integers(1, 3))
        found.append(
            service(
                name,
                kind=kind,
                command=("true",) if kind == "job" else ("serve", draw(st.sampled_from(["1", "2", "3"]))),
                healthcheck=QUICK if checked and kind != "job" else None,
                replicas=replicas,
                depends_on=gates,
                networks=(NetworkUse("net"),) if draw(st.booleans()) else (),
                mounts=(Mount("volume", "/data", draw(st.sampled_from(sorted(VOLUMES)))),)
                if draw(st.booleans())
                else (),
                ports=(PortMapping(80, 20_000 + NAMES.index(name)),) if replicas == 1 and draw(st.booleans()) else (),
                resources=Resources(memory=draw(st.sampled_from([0, 1 << 26, 1 << 27]))),
                update=Update(
                    order=draw(st.sampled_from(["stop-first", "start-first"])),
                    max_unavailable=draw(st.integers(1, 2)),
                ),
                notify=tuple(draw(st.lists(st.sampled_from(sorted(HANDLERS)), unique=True))),
                protect=kind == "service" and draw(st.sampled_from([False, False, False, True])),
            )
        )
    return [*found, PROXY]


class AnyFleet(RuleBasedStateMachine):
    """Edits, people, accidents and deaths in any order, with applies between them."""

    @initialize()
    def begin(self) -> None:
        self.fleet = Fleet(networks=NETWORKS, volumes=VOLUMES, handlers=HANDLERS)
        self.strangers: dict[str, Any] = {}
        self.volumes: set[str] = set()

    @rule(wanted=services(), internal=st.booleans())
    def edit(self, wanted: list[ServiceSpec], internal: bool) -> None:
        self.fleet.want(*wanted, networks={"net": NetworkSpec("net", "shop-net", internal=internal)})

    @rule(name=st.sampled_from(["shop-x-1", "stranger", "shop-z-9"]), owner=st.sampled_from(["", "another"]))
    def stranger_appears(self, name: str, owner: str) -> None:
        if name in self.fleet.states():
            return
        labels = {LABEL_PROJECT: owner} if owner else {}
        order = ContainerOrder(ServiceSpec(name="x", image=IMAGE, command=("serve",)), name, IMAGE, labels=labels)
        made = self.fleet.runtime.create(order)
        self.fleet.runtime.start(made)
        self.strangers[made] = copy.deepcopy(self.fleet.runtime.containers[made])

    def _ours(self) -> list[str]:
        containers = self.fleet.runtime.containers
        return sorted(one.name for identity, one in containers.items() if identity not in self.strangers)

    @rule(
        which=st.integers(0, 9),
        code=st.integers(0, 2),
        deed=st.sampled_from(["vanish", "end", "pause", "rename", "start"]),
    )
    def accident(self, which: int, code: int, deed: str) -> None:
        """Threads and ids make runs differ, so what is drawn depends on nothing that happened."""
        ours = self._ours()
        if not ours:
            return
        name = ours[which % len(ours)]
        runtime = self.fleet.runtime
        running = self.fleet.states()[name] == "running"
        self.fleet.runtime.now += 1
        match deed:
            case "vanish":
                runtime.vanish(name)
            case "end" if running:
                runtime.end(name, code)
            case "pause" if running:
                runtime.pause(name)
            case "rename" if f"{name}-renamed" not in self.fleet.states():
                runtime.rename(name, f"{name}-renamed")
            case "start":
                runtime.start(name)

    @rule(name=st.sampled_from(NAMES), wanted=st.sampled_from(["stop", "start"]))
    def person(self, name: str, wanted: str) -> None:
        if name in self.fleet.log.projected().services:
            event = NewEvent(f"service_{wanted}_requested", "service", name, {"service": name})
            self.fleet.log.append([event], Cause("ada", "cli"))

    @rule(
        verb=st.sampled_from(
            ["create", "start", "stop", "remove", "rename", "detach", "remove_network", "create_network"]
        ),
        nth=st.integers(1, 3),
        when=st.sampled_from(["before", "after"]),
    )
    def death(self, verb: str, nth: int, when: Any) -> None:
        self.fleet.runtime.crash(verb, nth=nth, when=when)
        try:
            self.fleet.apply(parallel=1)
        except Crashed:
            pass
        finally:
            self.fleet.runtime._faults.clear()

    @rule(parallel=st.integers(1, 4))
    def apply(self, parallel: int) -> None:
        result = self.fleet.apply(parallel=parallel)
        assert result.succeeded, result.failures
        again = self.fleet.plan()
        assert again == [], again
        self._as_declared()

    def _as_declared(self) -> None:
        projected = self.fleet.log.projected()
        for spec in self.fleet.desired.services.values():
            containers = projected.containers.get(spec.name, ())
            assert len({one.replica for one in containers}) == len(containers), "a replica has two containers"
            if not spec.protect:
                assert len(containers) <= spec.replicas

        for one in self.fleet.runtime.containers.values():
            if one.state == "running" and one.container_id not in self.strangers:
                assert one.networks == set(one.order.networks), "one that runs was left without its network"
        for spec in self.fleet.desired.services.values():
            for known in projected.containers.get(spec.name, ()):
                one = self.fleet.runtime.containers.get(known.container_id)
                if one is not None and one.state == "running" and not spec.protect:
                    assert one.resources == spec.resources, "one that runs has other limits than declared"

    @invariant()
    def strangers_are_as_they_were(self) -> None:
        for identity, before in getattr(self, "strangers", {}).items():
            assert self.fleet.runtime.containers[identity] == before

    @invariant()
    def volumes_only_grow(self) -> None:
        if hasattr(self, "fleet"):
            now = set(self.fleet.runtime.volumes_made)
            assert self.volumes <= now
            self.volumes = now

    def teardown(self) -> None:
        """The rows are what follows from the log."""
        if hasattr(self, "fleet"):
            rows = MemoryRows()
            for event in self.fleet.log.recorded:
                fold(event, rows)
            sequence = len(self.fleet.log.recorded)
            assert project(rows, sequence=sequence) == self.fleet.log.projected()


AnyFleet.TestCase.settings = settings(max_examples=100, stateful_step_count=14, deadline=None)
TestAnyFleet = AnyFleet.TestCase

"""The simulated engine passes the contract of runtimes, and goes wrong on demand."""

from __future__ import annotations

import pytest

from reconciler.errors import ActionFailed, RuntimeUnreachable
from reconciler.runtime.model import ContainerOrder, ContainerRuntime
from reconciler.spec.desired import ServiceSpec
from tests.support.runtime_contract import ContainerRuntimeContract
from tests.support.simulated import IMAGE, Crashed, SimulatedRuntime

ORDER = ContainerOrder(ServiceSpec("web", command=("sleep", "9")), "web-1", IMAGE, {"fleet.project": "p"})


class TestSimulatedRuntime(ContainerRuntimeContract):
    @pytest.fixture
    def runtime(self) -> ContainerRuntime:
        return SimulatedRuntime()

    @pytest.fixture
    def image(self) -> str:
        return IMAGE

    @pytest.fixture
    def project(self) -> str:
        return "0123456789ab"


def test_out_of_reach() -> None:
    world = SimulatedRuntime()
    world.unreachable = True
    with pytest.raises(RuntimeUnreachable):
        world.observe("p")


def test_the_nth_call_fails_without_effect() -> None:
    world = SimulatedRuntime()
    world.fail("create", nth=2)
    world.create(ORDER)
    second = ContainerOrder(ORDER.service, "web-2", IMAGE, {})
    with pytest.raises(ActionFailed):
        world.create(second)
    assert world.find("web-2") is None
    world.create(second)


@pytest.mark.parametrize(("when", "left"), [("before", False), ("after", True)])
def test_a_crash_before_or_after_the_effect(when: str, left: bool) -> None:
    world = SimulatedRuntime()
    world.crash("create", when=when)  # type: ignore[arg-type]
    with pytest.raises(Crashed):
        world.create(ORDER)
    assert (world.find("web-1") is not None) is left


def test_calls_are_recorded_by_name() -> None:
    world = SimulatedRuntime()
    world.start(world.create(ORDER))
    assert world.calls == ["create web-1", "start web-1"]


def test_what_happens_without_fleet() -> None:
    world = SimulatedRuntime()
    world.start(world.create(ORDER))
    world.pause("web-1")
    assert world.observe("p").containers[0].state == "paused"
    world.unpause("web-1")
    world.end("web-1", 137, oom_killed=True)
    assert world.inspect("web-1").container.oom_killed
    world.vanish("web-1")
    assert world.observe("p").containers == ()

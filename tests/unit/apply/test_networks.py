"""A network is made anew: what is on it, what is refused, and what comes back when the new one is."""

from __future__ import annotations

from reconciler.errors import ActionFailed
from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder
from reconciler.spec.desired import NetworkSpec, NetworkUse, ServiceSpec
from tests.support.simulated import IMAGE
from tests.unit.apply.memory import Fleet, service


def on_a_network() -> Fleet:
    """Two services on one network, applied."""
    use = (NetworkUse("net"),)
    fleet = Fleet(service("db", networks=use), service("web", networks=use, depends_on={"db": "started"}))
    fleet.want(*fleet.desired.services.values(), networks={"net": NetworkSpec("net", "shop-net")})
    assert fleet.apply().succeeded
    return fleet


def edited(fleet: Fleet) -> None:
    """The network is to be internal."""
    fleet.want(*fleet.desired.services.values(), networks={"net": NetworkSpec("net", "shop-net", internal=True)})


def test_what_is_on_it_is_made_anew_after_it() -> None:
    fleet = on_a_network()
    before = set(fleet.runtime.containers)
    edited(fleet)
    assert fleet.plan() == ["replace network/net", "replace service/db/1", "replace service/web/1"]
    assert fleet.apply().succeeded
    assert not before & set(fleet.runtime.containers)
    assert fleet.plan() == []
    told = [event.event_type for event in fleet.log.recorded if event.event_type.startswith("network_")]
    assert told == ["network_created", "network_removed", "network_created"]


def test_what_others_have_on_it_is_left_there_and_named() -> None:
    fleet = on_a_network()
    order = ContainerOrder(ServiceSpec(name="x", image=IMAGE), "guest", IMAGE, labels={}, networks={"shop-net": ()})
    guest = fleet.runtime.create(order)
    edited(fleet)
    result = fleet.apply()
    assert not result.succeeded
    assert "guest is on it and is not this fleet's" in str(result.failures)
    assert all(one.networks == {"shop-net"} for one in fleet.runtime.containers.values())
    fleet.runtime.remove(guest)
    assert fleet.apply().succeeded


def test_the_old_one_comes_back_when_the_new_one_is_refused() -> None:
    fleet = on_a_network()
    before = set(fleet.runtime.containers)
    edited(fleet)
    fleet.runtime.fail("create_network", error=ActionFailed("the subnet is in use"))
    result = fleet.apply()
    assert not result.succeeded
    assert set(fleet.runtime.containers) == before
    assert all(one.networks == {"shop-net"} for one in fleet.runtime.containers.values())
    assert fleet.runtime.networks_made["shop-net"][LABEL_PROJECT] == fleet.desired.project
    fleet.want(*fleet.desired.services.values(), networks={"net": NetworkSpec("net", "shop-net")})
    assert fleet.plan() == []

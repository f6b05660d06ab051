"""The process dies at every instant of an apply: the next one converges, doubles nothing and loses nothing.

The death is simulated before and after each call of the engine and each append to the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from reconciler.spec.desired import (
    Build,
    Handler,
    HealthCheck,
    Mount,
    NetworkSpec,
    NetworkUse,
    Resources,
    SecretFile,
    SecretSource,
    Update,
    VolumeSpec,
)
from tests.support.simulated import Crashed
from tests.unit.apply.memory import Fleet, service

QUICK = HealthCheck(test=("CMD", "true"), interval_ms=5, timeout_ms=5, retries=1)
NEVER = HealthCheck(test=("CMD", "false"), interval_ms=5, timeout_ms=5, retries=1)
START_FIRST = Update(order="start-first")
ON_TRIAL = Update(auto_revert=True)

Step = Callable[[Fleet], None]


def _first(fleet: Fleet) -> None:
    fleet.want(
        service("db", healthcheck=QUICK, mounts=(Mount("volume", "/data", "data"),), networks=(NetworkUse("net"),)),
        service("web", replicas=2, depends_on={"db": "healthy"}, networks=(NetworkUse("net"),), notify=("reload",)),
        service("job", kind="job", command=("true",), image="job:1", build=Build("/job", "sha256:1")),
        service("proxy"),
        networks={"net": NetworkSpec("net", "shop-net")},
        volumes={"data": VolumeSpec("data", "shop-data")},
        handlers={"reload": Handler("reload", service="proxy", command=("true",))},
    )


def _with_an_internal_network(fleet: Fleet) -> None:
    fleet.want(*fleet.desired.services.values(), networks={"net": NetworkSpec("net", "shop-net", internal=True)})


def _with_secret(fleet: Fleet) -> None:
    fleet.environ["PASSWORD"] = "first"
    uses = {"secrets": (SecretFile("password", "/run/password"),)}
    fleet.want(
        service("web", **uses, secret_digests={"password": "hmac-v1:1"}),
        secrets={"password": SecretSource("password", env="PASSWORD", digest="hmac-v1:1")},
    )


def _with_another_secret(fleet: Fleet) -> None:
    fleet.environ["PASSWORD"] = "second"
    uses = {"secrets": (SecretFile("password", "/run/password"),)}
    fleet.want(
        service("web", **uses, secret_digests={"password": "hmac-v1:2"}),
        secrets={"password": SecretSource("password", env="PASSWORD", digest="hmac-v1:2")},
    )


def _wanting(*services: Any) -> Step:
    def step(fleet: Fleet) -> None:
        fleet.want(*services)

    return step


def _by_hand(*deeds: Callable[[Fleet], None]) -> Step:
    def step(fleet: Fleet) -> None:
        for deed in deeds:
            deed(fleet)

    return step


SCENARIOS: dict[str, tuple[Step, Step]] = {
    "first apply": (_wanting(), _first),
    "everything leaves": (_first, _wanting()),
    "stop-first": (_wanting(service("web", replicas=2)), _wanting(service("web", replicas=2, command=("serve", "2")))),
    "start-first": (
        _wanting(service("web", healthcheck=QUICK, update=START_FIRST)),
        _wanting(service("web", healthcheck=QUICK, update=START_FIRST, command=("serve", "2"))),
    ),
    "start-first with a bad one": (
        _wanting(service("web", healthcheck=QUICK, update=Update(order="start-first", auto_revert=True))),
        _wanting(service("web", healthcheck=NEVER, update=Update(order="start-first", auto_revert=True))),
    ),
    "on trial": (
        _wanting(service("web", healthcheck=QUICK, update=ON_TRIAL)),
        _wanting(service("web", healthcheck=QUICK, update=ON_TRIAL, command=("serve", "2"))),
    ),
    "on trial with a bad one": (
        _wanting(service("web", healthcheck=QUICK, update=ON_TRIAL)),
        _wanting(service("web", healthcheck=NEVER, update=ON_TRIAL)),
    ),
    "fewer replicas": (_wanting(service("web", replicas=3)), _wanting(service("web"))),
    "other limits": (_wanting(service("web")), _wanting(service("web", resources=Resources(memory=1 << 26)))),
    "another name": (_wanting(service("web")), _wanting(service("web", container_name="site"))),
    "another secret": (_with_secret, _with_another_secret),
    "another kind of network": (_first, _with_an_internal_network),
    "what others did": (
        _first,
        _by_hand(
            lambda fleet: fleet.runtime.vanish("shop-web-1"),
            lambda fleet: fleet.runtime.end("shop-web-2", 1),
            lambda fleet: fleet.runtime.pause("shop-proxy-1"),
            lambda fleet: fleet.runtime.rename("shop-db-1", "mine"),
        ),
    ),
}
# After a bad definition was tried and the process died, which of the two good ends it comes to depends on the instant.
_EITHER_END = {"start-first with a bad one", "on trial with a bad one"}


def prepared(name: str) -> Fleet:
    """A fleet before the apply that is to die."""
    before, change = SCENARIOS[name]
    fleet = Fleet()
    before(fleet)
    fleet.apply(parallel=1)
    change(fleet)
    fleet.runtime.calls = []
    return fleet


def instants(name: str) -> Iterator[tuple[str, int, Literal["before", "after"]]]:
    """Every call of the engine that the apply makes, as (verb, how often it was called, when), then every append."""
    fleet = prepared(name)
    appends = len(fleet.log.recorded)
    fleet.apply(parallel=1)
    counted: Counter[str] = Counter()
    for call in fleet.runtime.calls:
        verb = call.split()[0]
        counted[verb] += 1
        yield verb, counted[verb], "before"
        yield verb, counted[verb], "after"
    for number in range(len(fleet.log.recorded) - appends):
        yield "append", number + 1, "before"
        yield "append", number + 1, "after"


def die_at(fleet: Fleet, verb: str, nth: int, when: Literal["before", "after"]) -> bool:
    """Run the apply that dies; False when it did not come so far."""
    if verb != "append":
        fleet.runtime.crash(verb, nth=nth, when=when)
    else:
        _break_log(fleet, nth, when)
    try:
        fleet.apply(parallel=1)
    except Crashed:
        return True
    finally:
        fleet.runtime._faults.clear()
        fleet.log.__dict__.pop("append", None)
    return False


def _break_log(fleet: Fleet, nth: int, when: str) -> None:
    append, calls = fleet.log.append, [0]

    def broken(*args: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] >= nth and when == "before":
            raise Crashed("before the append")
        recorded = append(*args, **more)
        if calls[0] >= nth:
            raise Crashed("after the append")
        return recorded

    fleet.log.append = broken  # type: ignore[method-assign]


def shape(fleet: Fleet) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Containers by name, with their state, what they were made from and the networks that they are on."""
    return {
        one.name: (one.state, one.order.labels["fleet.digest"], tuple(sorted(one.networks)))
        for one in fleet.runtime.containers.values()
    }


@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_crash_the_next_apply_converges(name: str) -> None:
    whole = prepared(name)
    whole.apply(parallel=1)
    wanted = shape(whole)
    died = 0
    for verb, nth, when in instants(name):
        fleet = prepared(name)
        died += die_at(fleet, verb, nth, when)
        fleet.apply(parallel=1)
        told = f"died {when} {verb} number {nth}"
        assert fleet.plan() == [], told
        if name in _EITHER_END:
            assert {key: state for key, (state, _, _) in shape(fleet).items()} == {"shop-web-1": "running"}, told
        else:
            assert shape(fleet) == wanted, told
        assert len(fleet.log.projected().containers.get("web", ())) == len(
            [one for one in shape(fleet) if "web" in one or one == "site"]
        ), told
        assert fleet.runtime.secrets_made.keys() == whole.runtime.secrets_made.keys(), told
        assert fleet.runtime.networks_made.keys() == whole.runtime.networks_made.keys(), told
        assert fleet.runtime.volumes_made.keys() == whole.runtime.volumes_made.keys(), told
        assert fleet.apply(parallel=1).done == 0, told
    assert died

"""Everything that can go wrong between Fleet and Podman's socket: unknown is never absent, and afterwards all is well."""

from __future__ import annotations

import pytest

from reconciler.errors import RuntimeUnreachable
from reconciler.ops.verify import verify
from tests.faults.conftest import chosen
from tests.integration.apply.yard import Yard
from tests.support import fault_proxy as faults
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.podman import BUSYBOX

SLEEPER = f"image: {BUSYBOX}, command: [sleep, '3600'], stop_signal: SIGKILL"
BEFORE = f"web: {{{SLEEPER}, replicas: 2}}\nold: {{{SLEEPER}}}"
# It makes, replaces and removes: whatever is taken for absent would be made again, whatever is not, removed.
AFTER = f"web: {{{SLEEPER}, replicas: 2, environment: {{A: b}}}}\nnew: {{{SLEEPER}, volumes: ['data:/data']}}"
RUNNING = {"web-1": "running", "web-2": "running"}

LOOKS = {
    "hung": faults.hung,
    "dropped": faults.dropped,
    "cut": faults.cut,
    "refused": faults.refused,
    "garbled": faults.garbled,
    "lost": faults.lost,
    "not an engine": faults.not_found,
}
# Of a reply in bytes that trickle in nothing is wrong.
LIST, IMAGE, INSPECTION = r"GET .*/containers/json", r"GET .*/images/.*/json", r"GET .*/containers/[^/]+/json"

ACTS = {
    "create": r"POST .*/containers/create",
    "start": r"POST .*/start",
    "stop": r"POST .*/stop",
    "remove": r"DELETE .*/containers/",
    "volume": r"POST .*/volumes/create",
}
WAYS: dict[str, Fault] = {
    "its reply is lost": faults.lost,
    "its reply is cut": faults.cut,
    "it hangs": faults.hung,
    "it is never heard": faults.dropped,
    "it fails": faults.refused,
    "it says that it failed": faults.refused_afterwards,
    "its reply is garbled": faults.garbled,
}


def _check(yard: Yard, states: dict[str, str]) -> None:
    assert yard.plan() == []
    assert yard.states() == states
    assert len(yard.runtime.observe(yard.label).containers) == len(states)
    report = verify(yard.database)
    assert report.sound, report.faults


def test_nothing_is_done_after_a_look_that_failed(yard: Yard, through: Yard, proxy: FaultProxy) -> None:
    yard.write(BEFORE)
    yard.must_apply()
    yard.write(AFTER, more="volumes: {data: {}}")
    before, head = yard.containers(), yard.head()
    for about in (LIST, IMAGE):
        for name, fault in chosen(list(LOOKS.items()), 3):
            # To ask for an image that is not there is no failure: Podman says so in its own words.
            proxy.when(about, fault)
            with pytest.raises(RuntimeUnreachable):
                through.apply()
            assert proxy.changes() == [], (about, name)
            proxy.lift()
    assert (yard.containers(), yard.head()) == (before, head)
    proxy.when(".", faults.slow)
    through.must_apply()
    _check(yard, {"new-1": "running", **RUNNING})


@pytest.mark.parametrize("fault", ["missing", "refused", "hung"])
def test_the_command_ends_with_5_when_there_is_no_engine(
    yard: Yard, through: Yard, proxy: FaultProxy, fault: str
) -> None:
    yard.write(BEFORE)
    yard.must_apply()
    yard.write("")
    before, head = yard.containers(), yard.head()
    match fault:
        case "missing":
            proxy.vanish()
        case "refused":
            proxy.refuse()
        case _:
            proxy.when(".", faults.hung)
    for words in (["apply", "--yes"], ["plan"], ["drift"]):
        ended = through.run(*words, check=False)
        assert ended.returncode == 5, (words, ended.stdout, ended.stderr)
        assert "Podman" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert "unknown" in through.run("status", check=False).stdout
    assert (yard.containers(), yard.head()) == (before, head)
    proxy.lift()
    assert through.run("apply", "--yes").returncode == 0
    _check(yard, {})


def test_a_container_that_cannot_be_asked_for_is_not_taken_for_gone(
    yard: Yard, through: Yard, proxy: FaultProxy
) -> None:
    yard.write(BEFORE)
    yard.must_apply()
    before, head = yard.containers(), yard.head()
    for name, fault in chosen(list(LOOKS.items()), 3):
        proxy.when(LIST, faults.instead(faults.answer(b"[]")))
        proxy.when(INSPECTION, fault)
        with pytest.raises(RuntimeUnreachable):
            through.apply()
        assert proxy.changes() == [], name
        proxy.lift()
    assert (yard.containers(), yard.head()) == (before, head)


def test_a_list_of_a_while_ago_destroys_nothing(yard: Yard, through: Yard, proxy: FaultProxy) -> None:
    yard.write(BEFORE)
    yard.must_apply()
    stale = _answer_to(proxy, through, LIST)
    yard.write(AFTER, more="volumes: {data: {}}")
    yard.must_apply()
    after = yard.containers()
    proxy.when(LIST, faults.instead(stale))
    for _ in range(3):
        through.apply()
    assert yard.containers() == after
    proxy.lift()
    through.apply()
    _check(yard, {"new-1": "running", **RUNNING})
    assert yard.containers() == after


def _answer_to(proxy: FaultProxy, yard: Yard, about: str) -> bytes:
    kept: list[bytes] = []

    def keep(exchange: faults.Exchange) -> None:
        kept.append(b"".join(exchange.answered()))
        exchange.client.sendall(kept[0])

    proxy.when(about, keep, times=1)
    assert yard.plan() == []
    return kept[0]


@pytest.mark.timeout(900)
def test_an_action_of_which_nobody_knows_is_settled_by_the_next_look(
    yard: Yard, through: Yard, proxy: FaultProxy
) -> None:
    ways = [(act, way) for act in ACTS for way in WAYS]
    states = {"old-1": "running", **RUNNING}
    yard.write(BEFORE, more="volumes: {data: {}}")
    yard.must_apply()
    for number, (act, way) in enumerate(chosen(ways, 3)):
        there = number % 2 == 0
        if act == "volume":
            # A volume stays for ever; each is made once.
            volume = f"data{number}"
            new = AFTER.replace("data:", f"{volume}:")
            yard.write(new, more=f"volumes: {{{volume}: {{}}}}")
            there = True
        else:
            yard.write(AFTER if there else BEFORE, more="volumes: {data: {}}")
        states = {"new-1" if there else "old-1": "running", **RUNNING}
        proxy.when(ACTS[act], WAYS[way], times=1)
        _tries(through)
        assert not proxy.pending, (act, way)
        proxy.lift()
        _converges(yard, (act, way))
        _check(yard, states)


def _tries(through: Yard) -> None:
    """An apply that may fail, but only in a way that was thought of."""
    try:
        through.apply(parallel=1)
    except RuntimeUnreachable:
        return


def _converges(yard: Yard, told: tuple[str, str]) -> None:
    result = yard.apply()
    assert result is None or result.succeeded, (told, result)
    assert yard.plan() == [], told

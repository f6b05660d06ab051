"""Events of the engine are only hints: lost, doubled, out of order or garbled, a watcher puts right what there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from reconciler.ops.verify import verify
from tests.faults.conftest import FULL, chosen
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, Watching, kill_inside, remove, until
from tests.support import fault_proxy as faults
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.podman import BUSYBOX


def _doubled(lines: Iterator[bytes]) -> Iterable[bytes]:
    for line in lines:
        yield from (line, line)


def _out_of_order(lines: Iterator[bytes]) -> Iterable[bytes]:
    held: list[bytes] = []
    for line in lines:
        held.append(line)
        if len(held) == 3:
            yield from reversed(held)
            held.clear()


def _garbled(lines: Iterator[bytes]) -> Iterable[bytes]:
    for line in lines:
        yield from (line[: len(line) // 2], b"[]", b'{"Action": 5}', b"\xff\xfe", b'{"Actor": null, "time": "x"}')


STREAMS: dict[str, Fault] = {
    "none ever comes": faults.hung,
    "the stream ends at once": faults.dropped,
    "the stream is refused": faults.refused,
    "each comes twice": faults.events(_doubled),
    "they come out of order": faults.events(_out_of_order),
    "they cannot be read": faults.events(_garbled),
}


@pytest.mark.timeout(600)
def test_a_watcher_heals_whatever_it_is_told(yard: Yard, through: Yard, proxy: FaultProxy) -> None:
    patient = "restart: {backoff: {initial: 100ms, max: 100ms}}"
    yard.write(
        f"web: {{image: {BUSYBOX}, command: [sleep, '3600'], stop_signal: SIGKILL, replicas: 2, {patient}}}", more=QUICK
    )
    for told in chosen(list(STREAMS), 2):
        proxy.when(r"GET .*/events", STREAMS[told])
        with Watching(through) as watching:
            until(lambda: len(yard.states()) == 2 and watching.lines, told)
            remove(yard, "web-1")
            kill_inside(yard, "web-2")
            until(lambda: yard.states() == {"web-1": "running", "web-2": "running"} and not yard.plan(), told)
            assert watching.end() == 0, told
        proxy.lift()
        assert len(yard.runtime.observe(yard.label).containers) == 2, told
        report = verify(yard.database)
        assert report.sound, (told, report.faults)


@pytest.mark.parametrize("fault", ["hung", "missing"] if FULL else ["hung"])
def test_a_watcher_leaves_all_alone_while_nothing_can_be_read(
    yard: Yard, through: Yard, proxy: FaultProxy, fault: str
) -> None:
    yard.write(f"web: {{image: {BUSYBOX}, command: [sleep, '3600'], stop_signal: SIGKILL, replicas: 2}}", more=QUICK)
    with Watching(through) as watching:
        watching.says("apply succeeded")
        before, seen = yard.containers(), len(proxy.seen)
        if fault == "hung":
            proxy.when(".", faults.hung)
        else:
            proxy.vanish()
        yard.write("", more=QUICK)
        watching.says("what runs is unknown")
        assert proxy.changes(seen) == []
        assert yard.containers() == before
        proxy.lift()
        until(lambda: yard.states() == {} and not yard.plan(), watching.told())
        assert watching.end() == 0
    report = verify(yard.database)
    assert report.sound, report.faults

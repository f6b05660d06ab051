"""Events of the engine are only hints: lost, doubled, out of order or garbled, a watcher puts right what there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from reconciler.ops.verify import verify
from tests.faults.conftest import chosen
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

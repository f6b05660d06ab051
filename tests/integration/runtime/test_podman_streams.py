"""What goes on for long: logs that are followed, events, output of commands, and many looks while much happens."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import msgspec
import pytest

from reconciler.errors import ActionFailed, NotFound
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import ServiceSpec
from tests.support.podman import ownership


@pytest.fixture
def order(busybox_image: str, project_label: str, unique_name: str) -> ContainerOrder:
    service = ServiceSpec("web", command=("sleep", "1000"))
    return ContainerOrder(service, unique_name, busybox_image, ownership(project_label))


@pytest.fixture
def running(podman: Podman, order: ContainerOrder) -> Callable[..., str]:
    def start(*command: str, **fields: object) -> str:
        service = msgspec.structs.replace(order.service, command=command, **fields)
        made = podman.create(replace(order, service=service))
        podman.start(made)
        return made

    return start


def test_lines_come_as_they_are_written(podman: Podman, running: Callable[..., str]) -> None:
    made = running("sh", "-c", "echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two; sleep 1000")
    with closing(podman.logs(made, follow=True)) as lines:  # type: ignore[type-var]
        assert next(lines) == ("stdout", b"one")
        podman.exec(made, ("touch", "/go"))
        assert next(lines) == ("stdout", b"two")


def test_a_terminals_log(podman: Podman, running: Callable[..., str]) -> None:
    made = running("sh", "-c", "echo one; echo two >&2; sleep 1000", tty=True)
    with closing(podman.logs(made, follow=True)) as lines:  # type: ignore[type-var]
        assert [next(lines)[1], next(lines)[1]] == [b"one", b"two"]


def test_following_is_ended_from_another_thread(podman: Podman, running: Callable[..., str]) -> None:
    lines = podman.logs(running("sleep", "1000"), follow=True)
    seen: list[object] = []
    reader = threading.Thread(target=lambda: seen.extend(lines))
    reader.start()
    lines.close()  # type: ignore[attr-defined]
    reader.join(10)
    assert not reader.is_alive()


def test_a_reader_that_stops_half_way_leaves_nothing_open(podman: Podman, running: Callable[..., str]) -> None:
    made = running("sh", "-c", "echo one; echo two; sleep 1000")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert next(podman.logs(made, follow=True)) == ("stdout", b"one")
        podman.logs(made, follow=True)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_a_long_line_is_one_line(podman: Podman, running: Callable[..., str]) -> None:
    made = running("sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
    podman._client.act("POST", f"/containers/{made}/wait", "wait")
    lines = [line for _, line in podman.logs(made)]
    assert [len(line) for line in lines] == [100_000, 3]


def test_output_of_a_command_comes_as_it_is_printed(podman: Podman, running: Callable[..., str]) -> None:
    made = running("sleep", "1000")
    script = "echo out; echo err >&2; while [ ! -e /go ]; do sleep 0.05; done; exit 3"
    session, output = podman.exec_stream(made, ("sh", "-c", script))
    got = {next(output), next(output)}
    assert got == {("stdout", b"out\n"), ("stderr", b"err\n")}
    podman.exec(made, ("touch", "/go"))
    assert list(output) == []
    assert podman.exec_code(session) == 3


def test_a_command_as_another_user_elsewhere(podman: Podman, running: Callable[..., str]) -> None:
    made = running("sleep", "1000")
    _, output = podman.exec_stream(made, ("sh", "-c", "id -u; pwd"), user="77", folder="/tmp")
    assert b"".join(content for _, content in output) == b"77\n/tmp\n"


def test_much_output_of_a_command(podman: Podman, running: Callable[..., str]) -> None:
    code, printed = podman.exec(running("sleep", "1000"), ("head", "-c", "3000000", "/dev/zero"))
    assert (code, printed) == (0, bytes(3_000_000))


def test_a_command_that_is_not_there(podman: Podman, running: Callable[..., str]) -> None:
    made = running("sleep", "1000")
    try:
        code, _ = podman.exec(made, ("no-such-command",))
    except ActionFailed as refused:
        assert "no-such-command" in refused.what
    else:
        assert code in {126, 127}


def test_events_as_they_happen(podman: Podman, order: ContainerOrder, project_label: str) -> None:
    actions: list[str] = []
    ready, died = threading.Event(), threading.Event()

    def read() -> None:
        with closing(podman.events(project_label, since=int(time.time()) - 1)) as stream:  # type: ignore[type-var]
            ready.set()
            for event in stream:
                actions.append(event.action)
                if event.action == "died":
                    died.set()
                    return

    reader = threading.Thread(target=read)
    reader.start()
    assert ready.wait(10)
    made = podman.create(replace(order, service=ServiceSpec("web", command=("sleep", "1000"))))
    podman.start(made)
    podman.stop(made, 0)
    assert died.wait(20)
    reader.join()
    assert [action for action in actions if action in {"create", "start", "died"}] == ["create", "start", "died"]


def test_another_projects_events_are_not_told(podman: Podman, order: ContainerOrder, project_label: str) -> None:
    since = int(time.time()) - 1
    podman.create(replace(order, labels=ownership(f"{project_label}x")))
    try:
        podman.create(replace(order, name=f"{order.name}-2"))
        with closing(podman.events(project_label, since=since)) as stream:  # type: ignore[type-var]
            assert next(stream).name == f"{order.name}-2"
    finally:
        podman.remove(order.name)


def test_no_look_misses_a_container_that_is_there(podman: Podman, order: ContainerOrder, project_label: str) -> None:
    """While others are made, started, renamed, stopped and removed, a look shows every one that is there throughout."""
    there: set[str] = set()
    lock = threading.Lock()
    missed: list[set[str]] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            with lock:
                before = set(there)
            seen = {container.container_id for container in podman.observe(project_label).containers}
            with lock:
                missed.append((before & there) - seen)

    def work(worker: int) -> None:
        for number in range(5):
            name = f"{order.name}-{worker}-{number}"
            service = ServiceSpec("web", command=("sleep", "1000"))
            made = podman.create(replace(order, service=service, name=name))
            with lock:
                there.add(made)
            podman.start(made)
            podman.rename(made, f"{name}-new")
            podman.stop(made, 0)
            with lock:
                there.remove(made)
            podman.remove(made)

    looking = threading.Thread(target=look)
    working = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
    for thread in (looking, *working):
        thread.start()
    for thread in working:
        thread.join()
    done.set()
    looking.join()
    assert len(missed) > 1
    assert [names for names in missed if names] == []


def test_the_beginning_of_an_id_is_no_name(podman: Podman, order: ContainerOrder) -> None:
    made = podman.create(order)
    assert podman.find(made[:12]) is None
    podman.rename(made, f"{made[:6]}")
    found = podman.find(made[:6])
    assert found is not None
    assert found.container_id == made


def test_names_that_are_not_names(podman: Podman) -> None:
    for name in ("../../info", "a/b?c=d", "ü", "a b", "%2e"):
        assert podman.find(name) is None
        with pytest.raises(NotFound):
            podman.inspect(name)

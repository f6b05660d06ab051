"""What cannot be read is unknown: every way in which an engine's answer goes wrong, and the error it becomes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import ActionFailed, NotFound, RuntimeUnreachable
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.client import Client
from reconciler.runtime.podman.streams import json_lines
from reconciler.spec.desired import FileContent, HealthCheck, Resources, ServiceSpec
from tests.support.scripted_engine import ScriptedEngine, answer, chunked, scripted_engine

EMPTY = b"[]"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedEngine]:
    with scripted_engine(tmp_path / "engine.sock") as scripted:
        yield scripted


@pytest.fixture
def podman(engine: ScriptedEngine) -> Iterator[Podman]:
    with Podman(Client(engine.path, look_timeout=0.3)) as runtime:
        yield runtime


def body(text: str) -> bytes:
    return text.encode()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1,
        chunked(b"[", end=b""),
        chunked(b"[", end=b"zz\r\n"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]]]\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02",
        answer(b"<html>"),
        answer(b'[{"Id": 5}]'),
        answer(b"{}"),
        answer(b'[{"Id":"a","State":"running"'),
        answer(b'{"message": "the database is locked"}', "500 Internal Server Error"),
        answer(b"not json", "502 Bad Gateway"),
        answer(b"404 page not found", "404 Not Found"),
    ],
)
def test_a_look_that_fails_is_unreachable_and_never_empty(engine: ScriptedEngine, podman: Podman, reply: bytes) -> None:
    def said(connection: socket.socket) -> None:
        connection.sendall(reply)
        connection.shutdown(socket.SHUT_RDWR)

    engine.will_answer(said, said)
    with pytest.raises(RuntimeUnreachable, match="could not list this fleet's containers"):
        podman.observe("p")


def test_a_silent_engine_is_given_up(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(lambda _: None)
    with pytest.raises(RuntimeUnreachable, match="did not answer in time"):
        podman.observe("p")


def test_an_engine_that_stalls_in_the_middle_is_given_up(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{"))
    with pytest.raises(RuntimeUnreachable, match="did not answer in time"):
        podman.observe("p")


def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnreachable, match="No such file"):
        Podman(str(tmp_path / "none.sock")).observe("p")


def test_a_socket_that_nobody_serves(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(RuntimeUnreachable, match="refused"):
        Podman(str(path)).observe("p")


def test_null_is_an_empty_list(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(b"null"), answer(b"null"), answer(b"null"), answer(b"null"))
    assert podman.observe("p").containers == ()
    assert (podman.networks("p"), podman.volumes("p"), podman.secrets("p")) == ((), (), ())


def test_a_body_without_length_lasts_until_the_end(engine: ScriptedEngine, podman: Podman) -> None:
    def said(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n[]")
        connection.shutdown(socket.SHUT_RDWR)

    engine.will_answer(said)
    assert podman.observe("p").containers == ()


def test_connections_are_used_again(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(EMPTY), chunked(b"[", b"]"), answer(EMPTY))
    for _ in range(3):
        podman.observe("p")
    assert engine.connections == 1


def test_a_connection_that_is_to_be_closed_is_not_used_again(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(EMPTY, Connection="close"), answer(EMPTY))
    podman.observe("p")
    podman.observe("p")
    assert engine.connections == 2


def test_an_answer_without_a_body_may_end_the_connection(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(status="204 No Content", Connection="close"), answer(Connection="close"), answer())
    podman.start("web-1")
    podman.start("web-1")
    podman.start("web-1")
    assert engine.connections == 3


def test_a_kept_connection_that_ended_is_replaced(engine: ScriptedEngine, podman: Podman) -> None:
    ended = threading.Event()

    def said(connection: socket.socket) -> None:
        connection.sendall(answer(EMPTY))
        connection.shutdown(socket.SHUT_RDWR)
        ended.set()

    engine.will_answer(said, answer(body('{"Id": "made"}'), "201 Created"))
    podman.observe("p")
    assert ended.wait(5)
    order = ContainerOrder(ServiceSpec("web"), "web-1", "image", {})
    assert podman.create(order) == "made"


def test_a_look_is_tried_again_when_a_kept_connection_gives_no_answer(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(EMPTY), b"", answer(EMPTY))
    podman.observe("p")
    assert podman.observe("p").containers == ()
    assert engine.connections == 2


def test_an_action_without_answer_is_not_repeated(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(EMPTY), b"", answer())
    podman.observe("p")
    with pytest.raises(RuntimeUnreachable, match="could not start container web"):
        podman.start("web")
    assert sum(request.startswith(b"POST") for request in engine.requests) == 1


def test_a_new_connection_without_answer_is_not_tried_again(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(b"", answer(EMPTY))
    with pytest.raises(RuntimeUnreachable):
        podman.observe("p")


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (answer(b'{"message":"no such container","cause":"x"}', "404 Not Found"), NotFound, "no such container"),
        (answer(b'{"message":"port taken"}', "500 Internal Server Error"), ActionFailed, "port taken"),
        (answer(b'{"cause":"only a cause"}', "409 Conflict"), ActionFailed, "only a cause"),
        (answer(b"plain words", "400 Bad Request"), ActionFailed, "plain words"),
        (answer(b"", "503 Service Unavailable"), ActionFailed, "HTTP 503"),
    ],
)
def test_a_refused_action_carries_the_engines_words(
    engine: ScriptedEngine, podman: Podman, reply: bytes, kind: type[Exception], words: str
) -> None:
    engine.will_answer(reply)
    with pytest.raises(kind, match=f"could not start container web: {words}"):
        podman.start("web")


def test_the_answer_to_a_creation_must_be_readable(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(b"{}", "201 Created"))
    with pytest.raises(RuntimeUnreachable, match="cannot be read"):
        podman.create(ContainerOrder(ServiceSpec("web"), "web-1", "image", {}))


def test_a_go_ahead_is_passed_over(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(EMPTY))
    assert podman.observe("p").containers == ()


def test_memory_is_limited_without_swap_where_swap_is_not_accounted_for(engine: ScriptedEngine, podman: Podman) -> None:
    refused = answer(b'{"message":"open memory.memsw.limit_in_bytes: no such file"}', "500 Internal Server Error")
    engine.will_answer(refused, answer(b'"id"', "201 Created"))
    podman.update("web", Resources(memory=1 << 20))
    assert [b'"swap"' in request for request in engine.requests] == [True, False]
    engine.will_answer(answer(b'{"message":"no"}', "500 Internal Server Error"))
    with pytest.raises(ActionFailed, match="no"):
        podman.update("web", Resources(memory=1 << 20))


def test_an_engine_that_ignores_a_networks_owner(engine: ScriptedEngine, podman: Podman) -> None:
    from reconciler.spec.desired import NetworkSpec, VolumeSpec

    refused = answer(b'{"message":"no space"}', "500 Internal Server Error")
    gone = answer(b'{"message":"none"}', "404 Not Found")
    engine.will_answer(refused, gone, refused, gone)
    with pytest.raises(ActionFailed, match="no space"):
        podman.create_network(NetworkSpec("net", "net"), {})
    with pytest.raises(ActionFailed, match="no space"):
        podman.create_volume(VolumeSpec("data", "data"), {})
    engine.will_answer(refused)
    with pytest.raises(ActionFailed, match="no space"):
        podman.put_secret("s", b"value", {})


def test_a_volume_made_by_somebody_else_meanwhile(engine: ScriptedEngine, podman: Podman) -> None:
    from reconciler.spec.desired import VolumeSpec

    engine.will_answer(answer(b'{"message":"exists"}', "409 Conflict"), answer(b"", "204 No Content"))
    podman.create_volume(VolumeSpec("data", "data"), {})


def test_a_secret_that_goes_while_it_is_looked_at(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(
        answer(b'[{"Spec":{"Name":"a"}},{"Spec":{"Name":"b","Labels":{"fleet.project":"p"}}}]'),
        answer(b'{"message":"none"}', "404 Not Found"),
    )
    assert podman.secrets("p") == ("b",)


def test_a_pull_that_says_nothing_of_an_image(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(chunked(b'{"stream":"Trying..."}\n', b"no json\n"))
    with pytest.raises(ActionFailed, match="does not say which image"):
        podman.pull("example/app:1")


def test_a_pull_tells_how_it_goes(engine: ScriptedEngine, podman: Podman) -> None:
    told: list[str] = []
    engine.will_answer(chunked(b'{"stream":"Copying blob\\n"}\n{"str', b'eam":"  "}\n{"id":"sha256:abc"}'))
    assert podman.pull("example/app:1", told.append) == "abc"
    assert told == ["Copying blob"]


def test_a_pull_that_breaks_off(engine: ScriptedEngine, podman: Podman) -> None:
    def said(connection: socket.socket) -> None:
        connection.sendall(chunked(b'{"stream":"Copying"}\n', end=b""))
        connection.shutdown(socket.SHUT_RDWR)

    engine.will_answer(said)
    with pytest.raises(RuntimeUnreachable, match="could not pull image"):
        podman.pull("example/app:1")


def test_a_build_without_a_result(engine: ScriptedEngine, podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text("FROM scratch\n")
    engine.will_answer(chunked(b'{"stream":"STEP 1"}\n'), answer(b'{"message":"none"}', "404 Not Found"))
    with pytest.raises(ActionFailed, match="did not say why"):
        podman.build("localhost/x:1", str(tmp_path), "", {}, "")


def test_an_early_no_to_a_long_request(engine: ScriptedEngine, podman: Podman) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.sendall(answer(b'{"message":"too big"}', "413 Too Large", Connection="close"))
        connection.shutdown(socket.SHUT_RDWR)

    engine.will_answer(refuse)
    pieces = (bytes(1 << 16) for _ in range(200))
    with pytest.raises(ActionFailed, match="too big"):
        podman._client.act("POST", "/build", "build", body=pieces)


def test_a_line_that_never_ends_is_given_up() -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for taken in range(10_000):  # noqa: B007 - how many were taken is what is asked
            yield b"x" * 65_536

    with pytest.raises(RuntimeUnreachable, match="a line of it never ends"):
        list(json_lines(pieces()))
    assert taken < 300


def test_garbled_output_is_not_shown_as_a_log(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(chunked(b"plain text, no frames"), chunked(b"\x01\x00\x00\x00\x00\x00\x00\x09abc"))
    for words in ("cannot be read", "ended in the middle"):
        with pytest.raises(RuntimeUnreachable, match=words):
            list(podman.logs("web"))


def test_events_end_when_the_engine_goes_away(engine: ScriptedEngine, podman: Podman) -> None:
    line = b'{"Action":"died","Type":"container","Actor":{"ID":"1","Attributes":{"name":"web","fleet.project":"p"}},"time":5}'

    def said(connection: socket.socket) -> None:
        connection.sendall(chunked(b"garbage\n", line + b"\n", end=b"5\r\nab"))
        connection.shutdown(socket.SHUT_RDWR)

    engine.will_answer(said)
    (event,) = podman.events("p", since=3)
    assert (event.action, event.container_id, event.name, event.time) == ("died", "1", "web", 5)
    assert event.labels == {"fleet.project": "p"}


def test_a_stream_is_closed_from_another_thread(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(lambda connection: connection.sendall(chunked(end=b"")))
    stream = podman.events("p")
    seen: list[object] = []
    reader = threading.Thread(target=lambda: seen.extend(stream))
    reader.start()
    stream.close()  # type: ignore[attr-defined]
    reader.join(5)
    assert not reader.is_alive()
    assert seen == []


def test_a_check_that_never_ends_is_given_up(
    engine: ScriptedEngine, podman: Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.runtime.podman.containers._CHECK_MARGIN", 0.05)
    inspected = (
        b'{"Id":"1","Name":"web","Image":"i","State":{"Status":"running"},'
        b'"Config":{"Healthcheck":{"Test":["CMD","x"],"Timeout":100000000}}}'
    )
    engine.will_answer(answer(inspected), lambda _: None)
    with pytest.raises(ActionFailed, match=r"did not end in 0\.15 s"):
        podman.run_healthcheck("web")
    engine.will_answer(answer(inspected), b"")
    with pytest.raises(RuntimeUnreachable):
        podman.run_healthcheck("web")


def test_a_file_for_a_container_that_is_gone(engine: ScriptedEngine, podman: Podman) -> None:
    gone = answer(b'{"message":"none"}', "404 Not Found")
    engine.will_answer(gone, gone)
    with pytest.raises(NotFound):
        podman.put_file("web", FileContent("/etc/x", ""), b"")


def test_the_health_check_of_a_service_is_named(engine: ScriptedEngine, podman: Podman) -> None:
    engine.will_answer(answer(b'{"Id":"1"}', "201 Created"))
    service = ServiceSpec("web", healthcheck=HealthCheck(("CMD", "true")))
    podman.create(ContainerOrder(service, "web-1", "image", {}))
    assert b'"healthconfig"' in engine.requests[0]

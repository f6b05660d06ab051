"""What the engine answers, translated; cut anywhere, and read all the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import RuntimeUnreachable
from reconciler.runtime.podman import wire
from reconciler.runtime.podman.streams import frames, json_lines, log_lines

NEVER = -62135596800


def listed(**fields: object) -> wire.Listed:
    document = {"Id": "1", "State": "running", "Names": ["web"], "StartedAt": 5, "ExitedAt": NEVER, **fields}
    return msgspec.json.decode(msgspec.json.encode(document), type=wire.Listed)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("configured", "created"),
        ("created", "created"),
        ("initialized", "created"),
        ("running", "running"),
        ("stopping", "running"),
        ("paused", "paused"),
        ("stopped", "exited"),
        ("exited", "exited"),
        ("removing", "removing"),
        ("improper", "unknown"),
        ("something new", "unknown"),
    ],
)
def test_states(state: str, expected: str) -> None:
    assert wire.observed(listed(State=state)).state == expected


def test_times_and_codes() -> None:
    running = wire.observed(listed(ExitCode=0))
    assert (running.started_at, running.exited_at, running.exit_code) == (5, 0, None)
    exited = wire.observed(listed(State="exited", ExitCode=3, ExitedAt=7))
    assert (exited.exited_at, exited.exit_code) == (7, 3)


@pytest.mark.parametrize(
    ("state", "status", "health"),
    [
        ("running", "", ""),
        ("running", "starting", "starting"),
        ("running", "reset", "starting"),
        ("paused", "healthy", "healthy"),
        ("running", "unhealthy", "unhealthy"),
        ("running", "stopped", ""),
        ("exited", "healthy", ""),
        ("running", "Up 5 seconds", ""),
    ],
)
def test_health_is_of_the_living(state: str, status: str, health: str) -> None:
    assert wire.observed(listed(State=state, Status=status)).health == health


def test_a_container_without_names_and_labels() -> None:
    found = wire.observed(listed(Names=None, Labels=None))
    assert (found.name, dict(found.labels)) == ("", {})


def test_an_inspection() -> None:
    document = b"""{"Id":"1","Name":"web","Image":"sha256:abc","ImageName":"img:1",
      "State":{"Status":"exited","ExitCode":137,"OOMKilled":true,"StartedAt":"2026-11-24T22:05:14.824960691Z",
               "FinishedAt":"2026-11-25T00:05:15.1+02:00","Health":{"Status":"healthy"}},
      "Config":{"Labels":{"a":"b"},"Healthcheck":{"Test":["CMD","x"],"Timeout":5}},
      "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"","HostPort":"8081"},{"HostIp":"","HostPort":"8080"}],"53/udp":null},
                         "Networks":{"b":{"IPAddress":"10.0.0.2"},"a":{"IPAddress":"10.0.0.1"}}}}"""
    found = wire.details(msgspec.json.decode(document, type=wire.Inspected))
    assert found.container.image_id == "abc"
    assert (found.container.exit_code, found.container.oom_killed, found.container.health) == (137, True, "")
    assert (found.container.started_at, found.container.exited_at) == (1795557914, 1795557915)
    assert found.ports == (("", 8080, 80, "tcp"), ("", 8081, 80, "tcp"))
    assert list(found.addresses.items()) == [("a", "10.0.0.1"), ("b", "10.0.0.2")]


def test_an_inspection_of_what_never_ran() -> None:
    document = b"""{"Id":"1","Name":"web","Image":"abc","State":{"Status":"created","StartedAt":"0001-01-01T00:00:00Z"},
      "NetworkSettings":{"Ports":null,"Networks":null}}"""
    found = wire.details(msgspec.json.decode(document, type=wire.Inspected))
    assert (found.container.started_at, found.container.exited_at, found.ports, found.addresses) == (0, 0, (), {})


def test_times_without_fractions() -> None:
    document = (
        b"""{"Id":"1","Name":"web","Image":"abc","State":{"Status":"running","StartedAt":"2026-11-24T22:05:14Z"}}"""
    )
    assert wire.details(msgspec.json.decode(document, type=wire.Inspected)).container.started_at == 1795557914


def frame(source: int, content: bytes) -> bytes:
    return bytes([source, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]


@given(
    contents=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8),
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_frames_survive_any_cut(contents: list[tuple[int, bytes]], places: list[int]) -> None:
    data = b"".join(frame(source, content) for source, content in contents)
    names = {1: "stdout", 2: "stderr"}
    assert list(frames(cut(data, places))) == [(names[source], content) for source, content in contents]


def test_lines_are_put_together_by_stream() -> None:
    pieces = [frame(1, b"one\ntw"), frame(2, b"err\r\n"), frame(1, b"o\n\nlast"), frame(2, b"end")]
    assert list(log_lines(pieces)) == [
        ("stdout", b"one"),
        ("stderr", b"err"),
        ("stdout", b"two"),
        ("stdout", b""),
        ("stdout", b"last"),
        ("stderr", b"end"),
    ]


@pytest.mark.parametrize(
    "data", [b"\x03\x00\x00\x00\x00\x00\x00\x01x", b"\x01\x00\x01\x00\x00\x00\x00\x01x", b"\x01\x00"]
)
def test_what_is_no_frame(data: bytes) -> None:
    with pytest.raises(RuntimeUnreachable):
        list(frames([data]))


@given(
    lines=st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), places=st.lists(st.integers(0, 999))
)
def test_json_lines_survive_any_cut(lines: list[bytes], places: list[int]) -> None:
    data = b"\n".join(lines)
    assert list(json_lines(cut(data, places))) == [line for line in lines if line.strip()]


def test_an_event() -> None:
    raw = wire.RawEvent("died", "container", wire.Actor("1", {"name": "web", "fleet.project": "p"}), 5)
    event = wire.container_event(raw)
    assert (event.action, event.container_id, event.name, event.time) == ("died", "1", "web", 5)
    assert event.labels == {"fleet.project": "p"}


def test_what_the_engine_tells_of_itself() -> None:
    told = wire.engine_info(msgspec.json.decode(b'{"host":{},"version":{}}', type=wire.Info), "/s")
    assert (told.version, told.rootless, told.socket) == ("", False, "/s")

"""Podman is found where the environment says, in the usual places, or started; and when it is not, that is said well."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.errors import RuntimeUnreachable, ToolMissing
from reconciler.runtime.podman import Podman, discovery, service
from reconciler.runtime.podman.client import WIRE_VERSION
from tests.support.scripted_engine import ScriptedEngine, answer, scripted_engine

PROGRAM = shutil.which("podman") or "podman"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedEngine]:
    with scripted_engine(tmp_path / "engine.sock") as scripted:
        yield scripted


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which there is no Podman: no socket in any usual place and no program."""
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", str(tmp_path / "no.sock"))
    return {"PATH": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}


def alive(version: str = "4.3.1") -> bytes:
    return answer(b"OK", Libpod_API_Version=version)


def program(folder: Path, script: str) -> str:
    """A `podman` that does what a script says."""
    path = folder / "podman"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def stop(process: int) -> None:
    os.kill(process, signal.SIGTERM)
    os.waitpid(process, 0)


def test_how_long_a_look_may_take_can_be_said(engine: ScriptedEngine, nowhere: dict[str, str]) -> None:
    named = {**nowhere, "FLEET_PODMAN_SOCKET": engine.path}
    engine.will_answer(alive(), lambda _: None)
    impatient = {**named, "FLEET_PODMAN_TIMEOUT": "50ms"}
    with Podman.connect(impatient) as podman, pytest.raises(RuntimeUnreachable, match="did not answer in time"):
        podman.observe("p")
    with pytest.raises(RuntimeUnreachable, match="FLEET_PODMAN_TIMEOUT: 'soon' is not a duration"):
        Podman.connect({**named, "FLEET_PODMAN_TIMEOUT": "soon"})


@pytest.mark.parametrize("variable", ["FLEET_PODMAN_SOCKET", "CONTAINER_HOST", "DOCKER_HOST"])
def test_a_socket_that_is_named(engine: ScriptedEngine, nowhere: dict[str, str], variable: str) -> None:
    engine.will_answer(alive())
    with Podman.connect({**nowhere, variable: f"unix://{engine.path}"}) as podman:
        assert podman.socket == engine.path


def test_a_path_without_scheme(engine: ScriptedEngine, nowhere: dict[str, str]) -> None:
    engine.will_answer(alive())
    with Podman.connect({**nowhere, "FLEET_PODMAN_SOCKET": engine.path}) as podman:
        assert podman.socket == engine.path


def test_a_named_socket_is_the_only_one_tried(engine: ScriptedEngine, nowhere: dict[str, str]) -> None:
    environ = {**nowhere, "FLEET_PODMAN_SOCKET": "/nowhere.sock", "DOCKER_HOST": f"unix://{engine.path}"}
    with pytest.raises(RuntimeUnreachable, match=r"/nowhere\.sock"):
        Podman.connect(environ)


@pytest.mark.parametrize("variable", ["FLEET_PODMAN_SOCKET", "CONTAINER_HOST"])
def test_what_is_no_socket_is_refused(nowhere: dict[str, str], variable: str) -> None:
    with pytest.raises(RuntimeUnreachable, match="only unix:// sockets"):
        Podman.connect({**nowhere, variable: "ssh://root@far/run/podman/podman.sock"})


@pytest.mark.parametrize("docker", ["tcp://127.0.0.1:1", "unix:///no/docker.sock"])
def test_docker_host_is_passed_over_when_it_is_not_podman(
    engine: ScriptedEngine, nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, docker: str
) -> None:
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", engine.path)
    engine.will_answer(alive())
    with Podman.connect({**nowhere, "DOCKER_HOST": docker}) as podman:
        assert podman.socket == engine.path


def test_docker_itself_is_passed_over(engine: ScriptedEngine, nowhere: dict[str, str]) -> None:
    engine.will_answer(answer(b"OK", Server="Docker/25"))
    with pytest.raises(RuntimeUnreachable, match="is not Podman"):
        Podman.connect({**nowhere, "DOCKER_HOST": f"unix://{engine.path}"})


def test_the_users_own_socket_comes_before_the_machines(
    nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "podman").mkdir()
    with scripted_engine(tmp_path / "podman" / "podman.sock") as own, scripted_engine(tmp_path / "m.sock") as machine:
        monkeypatch.setattr(discovery, "SYSTEM_SOCKET", machine.path)
        own.will_answer(alive())
        with Podman.connect(nowhere) as podman:
            assert podman.socket == own.path
        assert machine.connections == 0


def test_an_engine_that_is_too_old(engine: ScriptedEngine, nowhere: dict[str, str]) -> None:
    engine.will_answer(alive("3.4.4"))
    with pytest.raises(RuntimeUnreachable, match=r"Podman 3\.4\.4 answers .* needs 4\.0"):
        Podman.connect({**nowhere, "FLEET_PODMAN_SOCKET": engine.path})


@pytest.mark.parametrize(
    ("version", "wire"),
    [
        ("4.0.0", WIRE_VERSION),
        ("4.3.1", WIRE_VERSION),
        ("5.8.2", WIRE_VERSION),
        ("6.0.0-dev", WIRE_VERSION),
        ("7.1.0", "v7.1.0"),
    ],
)
def test_the_wire_of_version_4_as_long_as_it_is_spoken(
    engine: ScriptedEngine, nowhere: dict[str, str], version: str, wire: str
) -> None:
    engine.will_answer(alive(version), answer(b"[]"))
    with Podman.connect({**nowhere, "FLEET_PODMAN_SOCKET": engine.path}) as podman:
        podman.observe("p")
    assert engine.requests[1].startswith(f"GET /{wire}/libpod/containers/json?".encode())


def test_an_engine_with_trouble_is_not_mistaken_for_another(engine: ScriptedEngine, nowhere: dict[str, str]) -> None:
    engine.will_answer(answer(b"no", "500 Internal Server Error", Libpod_API_Version="4.3.1"))
    with pytest.raises(RuntimeUnreachable):
        Podman.connect({**nowhere, "FLEET_PODMAN_SOCKET": engine.path})


def test_no_podman_says_how_to_install_it(nowhere: dict[str, str]) -> None:
    with pytest.raises(ToolMissing, match="Podman is not installed") as missing:
        Podman.connect(nowhere)
    for word in ("macOS", "Debian", "Fedora", "Windows", "fleet doctor"):
        assert word in missing.value.hint
    assert missing.value.exit_code == 1


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """An environment with the real program and no socket; a service that is started is stopped at the end."""
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "d"))
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", str(tmp_path / "no.sock"))
    started: list[int] = []
    start = service.start_service

    def remembered(*arguments: object, **named: object) -> int:
        started.append(start(*arguments, **named))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(service, "start_service", remembered)
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    yield {**environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    for process in started:
        stop(process)
    assert len(started) <= 1


def test_a_service_of_our_own(own: Mapping[str, str], tmp_path: Path) -> None:
    with Podman.connect(own) as first, Podman.connect(own) as second:
        assert first.socket == second.socket == str(tmp_path / "d" / "podman" / "podman.sock")
        assert first.info().version
    assert (tmp_path / "d" / "podman").stat().st_mode & 0o777 == 0o700


def test_one_service_for_all_who_ask_at_once(own: Mapping[str, str]) -> None:
    sockets: list[str] = []

    def ask() -> None:
        with Podman.connect(own) as podman:
            sockets.append(podman.socket)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sockets) == 4
    assert len(set(sockets)) == 1


def test_a_service_ends_by_itself_when_nobody_uses_it(tmp_path: Path) -> None:
    socket = str(tmp_path / "p.sock")
    process = service.start_service(PROGRAM, socket, os.environ, folder=tmp_path, idle_seconds=1)
    deadline = time.monotonic() + 20
    while not os.waitpid(process, os.WNOHANG)[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not service.answers(socket)


def test_a_service_does_not_live_in_the_projects_folder(tmp_path: Path) -> None:
    socket = str(tmp_path / "p.sock")
    before = Path.cwd()
    process = service.start_service(PROGRAM, socket, os.environ, folder=tmp_path, idle_seconds=1)
    try:
        assert Path(f"/proc/{process}/cwd").readlink() == tmp_path
        assert Path.cwd() == before
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


def test_a_service_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    fails = program(tmp_path, "echo first >&2; echo 'Error: no room for a database' >&2; exit 125")
    with pytest.raises(RuntimeUnreachable, match="does not come up: Error: no room for a database"):
        service.start_service(fails, str(tmp_path / "p.sock"), {"CONTAINERS_CONF": "x"}, folder=tmp_path)


def test_a_service_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_PATIENCE", 0.2)
    hangs = program(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 30")
    with pytest.raises(RuntimeUnreachable, match="does not come up: it says nothing"):
        service.start_service(
            hangs, str(tmp_path / "p.sock"), {"CONTAINERS_CONF": "x", "PATH": "/bin"}, folder=tmp_path
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_dead_socket_and_no_program(nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dead.sock").touch()
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", str(tmp_path / "dead.sock"))
    with pytest.raises(RuntimeUnreachable, match=r"dead\.sock"):
        Podman.connect(nowhere)


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(RuntimeUnreachable, match="belongs to somebody else"):
        service.ensure_service(PROGRAM, {})


def test_a_path_that_is_too_long_for_a_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / ("long" * 30)))
    first = service.own_socket()
    assert len(first) <= 100
    assert first == service.own_socket()
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / ("other" * 30)))
    assert service.own_socket() != first


ODD = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
RUNC = '[engine]\nruntime = "runc"\n'


@pytest.mark.parametrize(
    ("unified", "may_raise", "runtime", "has_runc", "expected"),
    [
        (True, True, "crun", True, None),
        (True, False, "crun", True, ODD),
        (False, True, "crun", True, RUNC),
        (False, False, "crun", True, ODD + RUNC),
        (False, True, "runc", True, None),
        (False, True, "crun", False, None),
        (False, True, "", True, None),
    ],
)
def test_odd_machines_get_a_configuration_of_their_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unified: bool,
    may_raise: bool,
    runtime: str,
    has_runc: bool,
    expected: str | None,
) -> None:
    monkeypatch.setattr(service, "unified_cgroups", lambda: unified)
    monkeypatch.setattr(service, "may_raise_limits", lambda: may_raise)
    said = f'echo \'{{"host": {{"ociRuntime": {{"name": "{runtime}"}}}}}}\'' if runtime else "echo broken"
    fake = program(tmp_path, said)
    if has_runc:
        (tmp_path / "runc").symlink_to("/bin/true")
    found = service.private_configuration(fake, {"PATH": str(tmp_path)}, tmp_path)
    if expected is None:
        assert found == {}
    else:
        assert Path(found["CONTAINERS_CONF"]).read_text() == expected
    assert service.private_configuration(fake, {"CONTAINERS_CONF": "/theirs", "PATH": str(tmp_path)}, tmp_path) == {}


def test_what_this_machine_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert service.unified_cgroups() is Path("/sys/fs/cgroup/cgroup.controllers").exists()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert service.may_raise_limits()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    texts = {"CapEff:\t000001fffeffffff\n": False, "CapEff:\t000001ffffffffff\n": True, "Name:\tx\n": False}
    for text, allowed in texts.items():
        monkeypatch.setattr(Path, "read_text", lambda _path, text=text: text)
        assert service.may_raise_limits() is allowed

    def unreadable(_path: Path) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert service.may_raise_limits()


def test_a_machine_on_a_mac(
    engine: ScriptedEngine, nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(discovery.sys, "platform", "darwin")
    program(tmp_path, f"echo {engine.path}")
    engine.will_answer(alive())
    with Podman.connect(nowhere) as podman:
        assert podman.socket == engine.path
    program(tmp_path, "echo no machine >&2; exit 125")
    with pytest.raises(RuntimeUnreachable, match="machine does not run") as problem:
        Podman.connect(nowhere)
    assert "podman machine start" in problem.value.hint

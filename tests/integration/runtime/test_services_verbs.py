"""`fleet services logs|exec|ps|status` about real containers, and without Podman."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from reconciler.paths import project_hash
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import PortMapping, ServiceSpec
from tests.support.podman import ownership
from tests.support.scripted_engine import answer, scripted_engine

FLEET = [sys.executable, "-c", "from reconciler.cli.main import main; main()"]
FILE = """\
version: 1
name: shop
services:
  web: {{image: {image}, replicas: 2}}
  db: {{provider: postgres, image: {image}, container_name: {name}-db, port: {port}, allow: []}}
  seed: {{kind: job, image: {image}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, which is also the working directory."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    return project


@pytest.fixture
def fleet_file(folder: Path, busybox_image: str, unique_name: str, free_port: int) -> Path:
    file = folder / "fleet.yaml"
    file.write_text(FILE.format(image=busybox_image, name=unique_name, port=free_port))
    return file


@pytest.fixture
def make(
    podman: Podman,
    folder: Path,
    fleet_file: Path,
    busybox_image: str,
    unique_name: str,
    clean_up: Callable[[str], str],
) -> Callable[..., str]:
    """`make("web", 1, "sh -c …")` makes and starts a container as Fleet labels it; its name."""
    project = clean_up(project_hash(folder))

    def made(service: str, replica: int, script: str, *, start: bool = True, **fields: Any) -> str:
        name = f"{unique_name}-{service}-{replica}"
        labels = ownership(project, resource=f"service/{service}", replica=str(replica))
        spec = ServiceSpec(service, command=("sh", "-c", script), **fields)
        container = podman.create(ContainerOrder(spec, name, busybox_image, labels))
        if start:
            podman.start(container)
        return name

    return made


def ended(podman: Podman, name: str) -> None:
    podman._client.act("POST", f"/containers/{name}/wait", "wait")


class TestLogs:
    def test_the_last_hundred_lines(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        ended(podman, make("seed", 1, "for i in $(seq 150); do echo line $i; done"))
        assert run(["services", "logs", "seed"]) == 0
        assert capsys.readouterr().out.splitlines() == [f"line {number}" for number in range(51, 151)]

    def test_as_many_as_are_asked_for(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        ended(podman, make("seed", 1, "for i in $(seq 150); do echo line $i; done"))
        assert run(["services", "logs", "seed", "--tail", "2"]) == 0
        assert capsys.readouterr().out == "line 149\nline 150\n"
        assert run(["services", "logs", "seed", "--all"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 150

    def test_with_times_and_since(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        ended(podman, make("seed", 1, "echo one"))
        year = time.strftime("%Y-")
        assert run(["services", "logs", "seed", "--timestamps", "--since", "10m"]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(year)
        assert printed.endswith(" one\n")
        assert run(["services", "logs", "seed", "--since", "2999-01-01T00:00"]) == 0
        assert capsys.readouterr().out == ""
        assert run(["services", "logs", "seed", "--since", "never"]) == 1

    def test_several_are_told_apart(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        names = [make("web", number, f"echo from {number}") for number in (1, 2)]
        for name in names:
            ended(podman, name)
        for options in ([], ["--follow"]):
            assert run(["services", "logs", "web", *options]) == 0
            assert sorted(capsys.readouterr().out.splitlines()) == [f"{name} | from {name[-1]}" for name in names]

    def test_for_programs(self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
        name = make("seed", 1, "echo out")
        ended(podman, name)
        assert run(["services", "logs", "seed", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "service": "seed",
            "replica": 1,
            "container": name,
            "stream": "stdout",
            "line": "out",
        }

    def test_following_until_it_ends(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        make("seed", 1, "sleep 0.3; echo late")
        assert run(["services", "logs", "seed", "--follow"]) == 0
        assert capsys.readouterr().out == "late\n"

    def test_one_of_several_that_fails_is_not_passed_over(
        self, podman: Podman, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from reconciler.errors import RuntimeUnreachable

        for number in (1, 2):
            make("web", number, "echo x")

        def broken(*_: object, **__: object) -> None:
            raise RuntimeUnreachable("gone")

        monkeypatch.setattr(Podman, "logs", broken)
        assert run(["services", "logs", "web", "--follow"]) == 5

    def test_a_missing_container_is_said_with_the_command_that_starts_it(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["services", "logs", "db"]) == 1
        said = capsys.readouterr().err
        assert "service db has no container" in said
        assert "fleet services up db" in said
        ended(podman, make("web", 1, "echo here"))
        assert run(["services", "logs", "web"]) == 0
        found = capsys.readouterr()
        assert found.out == "here\n"
        assert "no container shop-web-2 yet (fleet services up web)" in found.err

    def test_an_unknown_service_lists_the_known_ones(
        self, podman: Podman, fleet_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["services", "logs", "wbe"]) == 1
        assert "there is no service 'wbe'; there are: db, seed, web" in capsys.readouterr().err

    def test_no_services_at_all(self, podman: Podman, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "fleet.yaml").write_text("version: 1\nname: shop\n")
        assert run(["services", "logs"]) == 1
        assert "there are no services yet" in capsys.readouterr().err


class TestExec:
    def test_output_and_exit_code(self, make: Callable[..., str], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        make("web", 1, "sleep 1000")
        assert run(["services", "exec", "-IT", "web", "sh", "-c", "echo out; echo err >&2; exit 7"]) == 7
        assert capfdbinary.readouterr() == (b"out\n", b"err\n")

    def test_options_behind_the_name_are_the_commands(
        self, make: Callable[..., str], capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        make("web", 1, "sleep 1000")
        assert run(["services", "exec", "-u", "77", "-w", "/tmp", "web", "sh", "-c", "id -u; pwd"]) == 0
        assert capfdbinary.readouterr().out == b"77\n/tmp\n"

    def test_a_replica_that_runs_is_taken(
        self, podman: Podman, make: Callable[..., str], capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        ended(podman, make("web", 1, "exit 0"))
        make("web", 2, "sleep 1000", hostname="second")
        assert run(["services", "exec", "web", "hostname"]) == 0
        assert capfdbinary.readouterr().out == b"second\n"

    def test_input_is_passed_on(self, make: Callable[..., str], folder: Path) -> None:
        make("web", 1, "sleep 1000")
        command = [*FLEET, "services", "exec", "-i", "web", "sh", "-c", "cat; exit 4"]
        done = subprocess.run(command, input=b"from outside", capture_output=True, timeout=60)
        assert (done.returncode, done.stdout) == (4, b"from outside")

    def test_with_an_input_that_is_empty(
        self, make: Callable[..., str], capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make("web", 1, "sleep 1000")
        assert run(["services", "exec", "-i", "-w", "/tmp", "web", "sh", "-c", "pwd; exit 5"]) == 5
        assert capfdbinary.readouterr().out == b"/tmp\n"

    def test_a_terminal_is_given_where_there_is_one(self, make: Callable[..., str], folder: Path) -> None:
        make("web", 1, "sleep 1000")
        ours, theirs = pty.openpty()
        command = [*FLEET, "services", "exec", "-u", "0", "web", "sh", "-c"]
        with subprocess.Popen([*command, "tty; echo done"], stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            printed = _all_of(ours)
            assert process.wait(30) == 0
        os.close(ours)
        assert b"/dev/pts/" in printed
        assert b"done" in printed

    def test_one_that_does_not_run(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["services", "exec", "db", "true"]) == 1
        assert "fleet services up db" in capsys.readouterr().err
        ended(podman, make("db", 1, "exit 0"))
        assert run(["services", "exec", "db", "true"]) == 1
        said = capsys.readouterr().err
        assert "service db does not run" in said
        assert "fleet services up db" in said

    def test_a_terminal_without_the_program(
        self,
        make: Callable[..., str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        make("web", 1, "sleep 1000")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert run(["services", "exec", "-i", "web", "cat"]) == 1
        assert "the podman program is not installed" in capsys.readouterr().err


class TestPs:
    def test_a_table(self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
        name = make("web", 1, "sleep 1000")
        ended(podman, make("seed", 1, "exit 3"))
        assert run(["services", "ps"]) == 0
        headings, seed, web = (line.split() for line in capsys.readouterr().out.splitlines())
        assert headings[:4] == ["CONTAINER", "SERVICE", "REPLICA", "STATE"]
        assert seed[1:5] == ["seed", "1", "exited", "(3)"]
        assert web[:5] == [name, "web", "1", "running", "-"]

    def test_for_programs(self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
        name = make("web", 1, "sleep 1000", start=False)
        assert run(["services", "ps", "web", "--json"]) == 0
        (container,) = json.loads(capsys.readouterr().out)["containers"]
        assert (container["container"], container["state"], container["started_at"]) == (name, "created", None)
        assert run(["services", "ps", "-q"]) == 0
        assert capsys.readouterr().out.strip() == container["container_id"]

    def test_nothing_yet(self, podman: Podman, fleet_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["services", "ps"]) == 0
        assert "no containers" in capsys.readouterr().out


class TestStatus:
    def test_running_stopped_and_never_made(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str], free_port: int
    ) -> None:
        ports = (PortMapping(80, free_port, "127.0.0.1"),)
        web = make("web", 1, "sleep 1000", ports=ports)
        ended(podman, make("web", 2, "exit 1"))
        ended(podman, make("seed", 1, "exit 0"))
        assert run(["services", "status"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == [
            *("SERVICE", "STATUS", "PROVIDER", "IMAGE", "VERSION", "PORT", "CONTAINER", "MODE"),
        ]
        assert lines[1].startswith("○  db ")
        assert "not created" in lines[1]
        assert f"127.0.0.1:{free_port}->5432/tcp" in lines[1]
        assert lines[2].startswith("✓  seed ")
        assert lines[2].endswith("job")
        assert lines[3].split()[:3] == ["●", "web", "running"]
        assert f"127.0.0.1:{free_port}->80/tcp" in lines[3]
        assert web in lines[3]
        assert lines[4].split()[:3] == ["○", "web/2", "stopped"]

    def test_the_databases_own_version(
        self, podman: Podman, make: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        script = (
            "printf '#!/bin/sh\\necho postgres \\(PostgreSQL\\) 15.14\\n' > /bin/postgres; chmod +x /bin/postgres; "
        )
        make("db", 1, f"{script} touch /ready; sleep 1000")
        deadline = time.monotonic() + 10
        while podman.exec(_name(podman, "db"), ("test", "-e", "/ready"))[0]:
            assert time.monotonic() < deadline
        assert run(["services", "status", "db", "--json"]) == 0
        (service,) = json.loads(capsys.readouterr().out)["services"]
        assert (service["version"], service["provider"], service["running"]) == ("15.14", "postgres", True)

    def test_a_failed_inspection_is_no_crash(
        self, make: Callable[..., str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from reconciler.errors import NotFound

        make("db", 1, "sleep 1000")

        def gone(*_: object) -> None:
            raise NotFound("gone meanwhile")

        monkeypatch.setattr(Podman, "inspect", gone)
        assert run(["services", "status", "db"]) == 0
        assert "running" in capsys.readouterr().out

    def test_without_podman(
        self,
        fleet_file: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        from reconciler.runtime.podman import discovery

        for name in ("FLEET_PODMAN_SOCKET", "CONTAINER_HOST", "DOCKER_HOST"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(discovery, "SYSTEM_SOCKET", str(tmp_path / "none"))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path))
        assert run(["services", "status"]) == 0
        found = capsys.readouterr()
        assert "?  db" in found.out
        assert "Podman is not installed" in found.err
        for word in ("macOS", "Debian", "Windows", "fleet doctor"):
            assert word in found.err
        assert run(["services", "status", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert [service["running"] for service in document["services"]] == [None, None, None, None]
        assert document["warnings"]
        for verb in (["logs"], ["ps"], ["exec", "web", "true"]):
            assert run(["services", *verb]) == 1
            assert "macOS" in capsys.readouterr().err

    def test_an_engine_that_hangs_does_not_hang_it(
        self,
        fleet_file: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with scripted_engine(tmp_path / "e.sock") as engine:
            monkeypatch.setenv("FLEET_PODMAN_SOCKET", engine.path)
            engine.will_answer(answer(b"OK", Libpod_API_Version="4.3.1"), lambda _: None)
            assert run(["services", "status"]) == 0
        found = capsys.readouterr()
        assert "?  db" in found.out
        assert "did not answer in time" in found.err

    def test_an_unknown_name(self, podman: Podman, fleet_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["services", "status", "nope"]) == 1
        assert "there are: db, seed, web" in capsys.readouterr().err

    def test_nothing_declared(self, podman: Podman, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "fleet.yaml").write_text("version: 1\nname: shop\n")
        assert run(["services", "status"]) == 0
        assert "no services" in capsys.readouterr().out


def test_help_imports_no_verb() -> None:
    script = "import sys; from reconciler.cli.main import run; run(['services', '--help']); print([m for m in sys.modules if m.startswith('reconciler.cli.services.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_word_that_is_no_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["services", "lgos"]) == 1
    assert "did you mean 'logs'?" in capsys.readouterr().err


def _name(podman: Podman, service: str) -> str:
    project = project_hash(Path.cwd())
    return next(
        c.name for c in podman.observe(project).containers if c.labels["fleet.resource"] == f"service/{service}"
    )


def _all_of(terminal: int) -> bytes:
    """Everything printed to a terminal until its other side is closed."""
    printed = io.BytesIO()
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        printed.write(piece)
    return printed.getvalue()

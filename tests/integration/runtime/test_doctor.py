"""The doctor's findings, on this machine and on machines laid out in a folder."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconciler.cli.main import run
from reconciler.errors import FleetError, RuntimeUnreachable, ToolMissing
from reconciler.ops.doctor import Finding, Surroundings, engine, examine, machine, project
from reconciler.projections.store import open_store
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.wire import Info


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    """An empty Linux machine of an ordinary user."""
    root = tmp_path / "root"
    for folder in ("bin", "etc", "run/user/1000", "proc/sys/user"):
        (root / folder).mkdir(parents=True)
    environ = {"PATH": str(root / "bin"), "XDG_RUNTIME_DIR": "/run/user/1000"}
    return Surroundings(environ=environ, root=root, uid=1000, user="ann", platform="linux")


def install(around: Surroundings, *names: str, script: str = "exit 0") -> None:
    for name in names:
        path = around.path(f"/bin/{name}")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


def told(**host: Any) -> Info:
    document = {
        "host": {
            "cgroupVersion": "v2",
            "networkBackend": "netavark",
            "ociRuntime": {"name": "crun"},
            "security": {"rootless": True},
            **host,
        },
        "version": {"Version": "5.2.1", "APIVersion": "5.2.1"},
        "store": {"graphDriverName": "overlay", "graphRoot": "/"},
        "registries": {"search": ["example.com"]},
    }
    return msgspec.convert(document, Info)


def levels(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.level) for finding in findings]


class TestPodmanIsHere:
    def test_not_installed(self, around: Surroundings) -> None:
        (finding,) = engine.program(around)
        assert finding.level == "warning"
        for word in ("macOS", "Debian", "Fedora", "Windows"):
            assert word in finding.mend

    def test_installed(self, around: Surroundings) -> None:
        install(around, "podman", script="echo podman version 5.2.1")
        (finding,) = engine.program(around)
        assert (finding.level, finding.what) == ("ok", f"podman 5.2.1 at {around.path('/bin/podman')}")

    @pytest.mark.parametrize("script", ["echo cannot load a library >&2; exit 127", "exit 1", "echo no number"])
    def test_it_does_not_run(self, around: Surroundings, script: str) -> None:
        install(around, "podman", script=script)
        (finding,) = engine.program(around)
        assert finding.level == "broken"

    def test_it_is_no_program(self, around: Surroundings) -> None:
        path = around.path("/bin/podman")
        path.write_bytes(b"\x7fELF nonsense")
        path.chmod(0o755)
        (finding,) = engine.program(around)
        assert finding.level == "broken"


class TestPodmanAnswers:
    def test_it_does(self, podman_socket: str) -> None:
        runtime, (finding,) = engine.reached(Surroundings(environ={"FLEET_PODMAN_SOCKET": podman_socket}))
        assert runtime is not None
        runtime.close()
        assert (finding.check, finding.level) == ("socket", "ok")

    @pytest.mark.parametrize(
        ("environ", "uid", "platform", "mend"),
        [
            ({"FLEET_PODMAN_SOCKET": "/none"}, 0, "linux", "correct or unset FLEET_PODMAN_SOCKET"),
            ({"CONTAINER_HOST": "ssh://far"}, 0, "linux", "correct or unset CONTAINER_HOST"),
            ({}, 0, "linux", "systemctl start podman.socket"),
            ({}, 1000, "linux", "systemctl --user start podman.socket"),
            ({}, 1000, "darwin", "podman machine start"),
        ],
    )
    def test_it_does_not(
        self, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], uid: int, platform: str, mend: str
    ) -> None:
        def out_of_reach(*_: object, **__: object) -> None:
            raise RuntimeUnreachable("nobody answers")

        monkeypatch.setattr(Podman, "connect", out_of_reach)
        runtime, (finding,) = engine.reached(Surroundings(environ=environ, uid=uid, platform=platform))
        assert runtime is None
        assert finding.level == "broken"
        assert finding.mend.startswith(mend)

    def test_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(*_: object, **__: object) -> None:
            raise ToolMissing("Podman is not installed", hint="install it")

        monkeypatch.setattr(Podman, "connect", missing)
        assert engine.reached(Surroundings()) == (
            None,
            [Finding("socket", "broken", "Podman is not installed", "install it")],
        )


class TestWhatPodmanReliesOn:
    def test_versions(self) -> None:
        assert levels(engine.version(told())) == [("engine", "ok")]
        old = msgspec.structs.replace(told(), version=msgspec.convert({"Version": "3.4.4"}, type(told().version)))
        assert levels(engine.version(old)) == [("engine", "broken")]

    @pytest.mark.parametrize(
        ("groups", "runtime", "rootless", "level"),
        [
            ("v2", "crun", True, "ok"),
            ("v2", "runc", False, "ok"),
            ("v1", "crun", False, "broken"),
            ("v1", "runc", True, "warning"),
            ("v1", "runc", False, "ok"),
        ],
    )
    def test_control_groups(self, around: Surroundings, groups: str, runtime: str, rootless: bool, level: str) -> None:
        host = told(cgroupVersion=groups, ociRuntime={"name": runtime}, security={"rootless": rootless})
        first, *_ = engine.cgroups(host, around)
        assert (first.check, first.level) == ("runtime", level)

    def test_crun_is_replaced_by_runc(self, around: Surroundings) -> None:
        host = told(cgroupVersion="v1")
        install(around, "apt-get")
        first, *_ = engine.cgroups(host, around)
        assert first.mend.startswith("apt-get install runc, then set runtime")
        install(around, "runc")
        first, *_ = engine.cgroups(host, around)
        assert first.mend.startswith("set runtime")

    @pytest.mark.parametrize(
        ("unified", "may_raise", "noted"), [(True, False, False), (False, False, True), (False, True, False)]
    )
    def test_limits_that_may_not_be_raised(
        self, around: Surroundings, monkeypatch: pytest.MonkeyPatch, unified: bool, may_raise: bool, noted: bool
    ) -> None:
        monkeypatch.setattr(engine, "unified_cgroups", lambda: unified)
        monkeypatch.setattr(engine, "may_raise_limits", lambda: may_raise)
        assert (("limits", "note") in levels(engine.cgroups(told(), around))) is noted

    def test_networks(self, around: Surroundings) -> None:
        assert levels(engine.network(told(networkBackend="cni"), around)) == [("network", "warning")]
        (finding,) = engine.network(told(), around)
        assert (finding.level, finding.mend) == ("broken", "install netavark aardvark-dns")
        helpers = around.path("/usr/lib/podman")
        helpers.mkdir(parents=True)
        (helpers / "netavark").touch()
        install(around, "dnf")
        (finding,) = engine.network(told(), around)
        assert (finding.level, finding.mend) == ("broken", "dnf install aardvark-dns")
        assert "names" in finding.what
        (helpers / "aardvark-dns").touch()
        (finding,) = engine.network(told(), around)
        assert (finding.level, finding.mend) == ("broken", "dnf install iptables")
        install(around, "nft")
        assert levels(engine.network(told(), around)) == [("network", "ok")]

    def test_storage_and_registries(self) -> None:
        assert levels(engine.storage(told())) == [("storage", "ok")]
        copying = msgspec.structs.replace(told(), store=msgspec.convert({"graphDriverName": "vfs"}, type(told().store)))
        assert levels(engine.storage(copying)) == [("storage", "warning")]
        assert levels(engine.registries(told())) == [("registries", "ok")]
        for none in (None, {}, {"search": None}, {"search": []}):
            assert levels(engine.registries(msgspec.structs.replace(told(), registries=none))) == [
                ("registries", "note")
            ]

    def test_health_checks(self, around: Surroundings) -> None:
        assert levels(engine.health_checks(around)) == [("health", "note")]
        around.path("/run/systemd/system").mkdir(parents=True)
        assert levels(engine.health_checks(around)) == [("health", "ok")]


class TestWithoutRoot:
    def test_nothing_is_there(self, around: Surroundings) -> None:
        around.path("/proc/sys/user/max_user_namespaces").write_text("0\n")
        findings = list(machine.rootless(around))
        assert {finding.level for finding in findings} == {"broken"}
        text = "\n".join(f"{finding.what}; {finding.mend}" for finding in findings)
        for word in (
            "subuid",
            "subgid",
            "newuidmap",
            "newgidmap",
            "user.max_user_namespaces",
            "slirp4netns",
            "uidmap",
            "modprobe tun",
        ):
            assert word in text

    def test_everything_is_there(self, around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
        around.path("/etc/subuid").write_text("bob:1:2\nann:100000:65536\n")
        around.path("/etc/subgid").write_text("1000:100000:65536\n")
        install(around, "newuidmap", "newgidmap", "pasta")
        around.path("/dev/net").mkdir(parents=True)
        around.path("/dev/net/tun").touch()
        assert levels(machine.rootless(around)) == [("rootless", "ok")]
        monkeypatch.setattr(os, "access", lambda path, _: path != around.path("/dev/net/tun"))
        (finding,) = machine.rootless(around)
        assert (finding.level, finding.mend) == ("broken", "sudo chmod 0666 /dev/net/tun")

    def test_logging_out(self, around: Surroundings) -> None:
        assert levels(machine.session(around)) == []
        around.path("/run/systemd/system").mkdir(parents=True)
        (finding,) = machine.session(around)
        assert (finding.level, finding.mend) == ("warning", "loginctl enable-linger ann")
        around.path("/var/lib/systemd/linger").mkdir(parents=True)
        around.path("/var/lib/systemd/linger/ann").touch()
        assert levels(machine.session(around)) == [("session", "ok")]

    def test_no_runtime_folder(self, around: Surroundings) -> None:
        lost = Surroundings(environ={}, root=around.root, uid=1000, user="ann", platform="linux")
        assert levels(machine.session(lost)) == [("session", "warning")]

    @pytest.mark.parametrize(("uid", "platform"), [(0, "linux"), (1000, "darwin")])
    def test_root_and_others_need_none_of_it(self, around: Surroundings, uid: int, platform: str) -> None:
        other = Surroundings(environ={}, root=around.root, uid=uid, user="ann", platform=platform)
        assert [*machine.rootless(other), *machine.session(other)] == []


class TestTheProject:
    @pytest.mark.parametrize(
        ("mode", "level", "mend"),
        [(0o644, "ok", ""), (0o600, "ok", ""), (0o664, "warning", "chmod g-w"), (0o646, "broken", "chmod o-w")],
    )
    def test_who_may_write_the_file(self, tmp_path: Path, mode: int, level: str, mend: str) -> None:
        file = tmp_path / "fleet.yaml"
        file.touch()
        file.chmod(mode)
        (finding,) = project.fleet_file(file)
        assert finding.level == level
        assert finding.mend.startswith(mend)

    def test_no_file(self, tmp_path: Path) -> None:
        (finding,) = project.fleet_file(tmp_path / "fleet.yaml")
        assert (finding.level, finding.mend) == ("note", "fleet init")

    def test_a_file_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "fleet.yaml").touch()
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert levels(project.fleet_file(tmp_path / "fleet.yaml")) == [("file", "broken")]

    def test_a_log_that_is_well(self, tmp_path: Path, around: Surroundings) -> None:
        database = tmp_path / "data" / "squawk.db"
        open_store(database).close()
        before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
        (finding,) = project.log(database, around)
        assert (finding.level, finding.what) == ("ok", f"0 events in {database}")
        assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before

    def test_others_may_read_the_log(
        self, tmp_path: Path, around: Surroundings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path))
        database = tmp_path / "x" / "squawk.db"
        open_store(database).close()
        database.chmod(0o644)
        database.parent.chmod(0o755)
        warning, _ = project.log(database, around)
        assert (warning.level, warning.mend) == ("warning", f"chmod 700 {database.parent} && chmod 600 {database}")

    def test_a_log_that_is_not_ours(
        self, tmp_path: Path, around: Surroundings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = tmp_path / "squawk.db"
        open_store(database).close()
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert levels(project.log(database, around))[0] == ("log", "broken")

    def test_a_log_that_is_damaged(self, tmp_path: Path, around: Surroundings) -> None:
        database = tmp_path / "squawk.db"
        database.write_bytes(b"no database at all" * 100)
        database.chmod(0o600)
        (finding,) = project.log(database, around)
        assert finding.level == "broken"

    def test_a_page_that_is_damaged(self, tmp_path: Path, around: Surroundings) -> None:
        database = tmp_path / "squawk.db"
        open_store(database).close()
        with closing(sqlite3.connect(database)) as connection:
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        with database.open("r+b") as file:
            file.seek(size * (pages // 2))
            file.write(b"\xff" * size)
        (finding,) = project.log(database, around)
        assert finding.level == "broken"

    def test_a_log_without_write_ahead(self, tmp_path: Path, around: Surroundings) -> None:
        database = tmp_path / "squawk.db"
        open_store(database).close()
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        assert levels(project.log(database, around)) == [("log", "warning")]

    def test_no_log_yet(self, tmp_path: Path, around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
        assert levels(project.log(tmp_path / "a" / "b" / "squawk.db", around)) == [("log", "ok")]
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert levels(project.log(tmp_path / "squawk.db", around)) == [("log", "broken")]

    def test_a_shared_disk(self, tmp_path: Path, around: Surroundings) -> None:
        around.path("/proc/mounts").write_text(
            f"/dev/sda / ext4 rw 0 0\nserver:/x {str(tmp_path).replace(' ', chr(92) + '040')} nfs4 rw 0 0\nshort\n"
        )
        first, _ = project.log(tmp_path / "squawk.db", around)
        assert (first.level, "nfs4" in first.what) == ("broken", True)

    @pytest.mark.parametrize(("free", "level"), [(10 << 30, "ok"), (1 << 30, "warning"), (1 << 20, "broken")])
    def test_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
        from types import SimpleNamespace

        monkeypatch.setattr(project.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        (finding,) = project.room(tmp_path / "not" / "there", "things")
        assert finding.level == level


class TestTheWhole:
    def test_this_machine_is_ready(self, podman_socket: str, tmp_path: Path) -> None:
        findings = examine(Surroundings(), file=tmp_path / "fleet.yaml", database=lambda: tmp_path / "squawk.db")
        assert [finding for finding in findings if finding.level == "broken"] == []
        checks = {finding.check for finding in findings}
        assert {"podman", "socket", "engine", "runtime", "network", "storage", "log", "file", "disk"} <= checks

    def test_every_finding_that_is_not_well_says_what_to_do(self, podman_socket: str, tmp_path: Path) -> None:
        findings = examine(Surroundings(), file=tmp_path / "none", database=lambda: tmp_path / "squawk.db")
        assert [f for f in findings if f.level in {"warning", "broken"} and not f.mend] == []

    def test_no_check_stops_the_others(
        self, podman_socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> Iterator[Finding]:
            raise OSError("no look")

        def no_database() -> Path:
            raise FleetError("not here", hint="there")

        monkeypatch.setattr(machine, "session", fails)
        findings = examine(Surroundings(), file=tmp_path / "fleet.yaml", database=no_database)
        assert Finding("doctor", "broken", "not here", "there") in findings
        assert Finding("doctor", "warning", "a check could not look: no look") in findings

    def test_an_engine_that_stops_answering(
        self, podman_socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(_: Podman) -> None:
            raise RuntimeUnreachable("it went away", hint="look")

        monkeypatch.setattr(Podman, "told", gone)
        findings = examine(Surroundings(), file=tmp_path / "fleet.yaml", database=lambda: tmp_path / "squawk.db")
        assert Finding("engine", "broken", "it went away", "look") in findings


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, podman_socket: str) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))

    def test_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["doctor"]) == 0
        printed = capsys.readouterr().out
        assert "✓ podman" in printed
        assert printed.splitlines()[-1].startswith("ready")

    def test_broken(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLEET_PODMAN_SOCKET", "/none.sock")
        assert run(["doctor"]) == 1
        printed = capsys.readouterr().out
        assert "✗ socket" in printed
        assert "→ correct or unset FLEET_PODMAN_SOCKET" in printed
        assert printed.splitlines()[-1].startswith("1 broken")
        assert run(["doctor", "--json"]) == 1
        document = json.loads(capsys.readouterr().out)
        assert document["ok"] is False
        assert {"check", "level", "what", "mend"} == set(document["findings"][0])

    def test_with_warnings(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        (tmp_path / "fleet.yaml").write_text("version: 1\nname: shop\n")
        (tmp_path / "fleet.yaml").chmod(0o664)
        assert run(["doctor"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "ready, with 1 warning"


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nameless)
    assert Surroundings().user == str(os.getuid())

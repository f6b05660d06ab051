"""The systemd unit: what is in it, where it goes, and that systemd itself can read it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.cli.install_service import unit, unit_folder, unit_name
from reconciler.cli.main import run
from reconciler.cli.options import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "My Shop 100%"
    folder.mkdir()
    (folder / "fleet.yaml").write_text("version: 1\nname: shop\nservices: {}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(folder)
    return Project(file=folder / "fleet.yaml", directory=folder)


def test_it_is_written_where_systemd_looks_and_written_again_at_will(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["install-service"]) == 0
    path = unit_folder(system=False) / unit_name(project)
    assert path.read_text() == unit(project, system=False)
    assert "systemctl --user enable --now fleet-my-shop-100-" in capsys.readouterr().out
    assert run(["install-service", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(path)


def test_print_writes_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["install-service", "--print"]) == 0
    assert capsys.readouterr().out == unit(project, system=False)
    assert not unit_folder(system=False).exists()


def test_a_unit_of_somebody_else_is_left_alone(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    path = unit_folder(system=False) / unit_name(project)
    path.parent.mkdir(parents=True)
    path.write_text("[Unit]\n")
    assert run(["install-service"]) == 1
    assert path.read_text() == "[Unit]\n"
    assert "Fleet did not write it" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    unit_folder(system=False).parent.parent.write_text("a file, not a folder")
    assert run(["install-service"]) == 1
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
def test_what_the_watcher_needs_is_in_it(project: Project, system: bool) -> None:
    options = Project(
        file=project.file,
        directory=project.directory,
        env="prod",
        variables={"PRICE": "5$"},
        var_files=(Path("more.yaml"),),
        profiles=("web",),
        database="log.db",
    )
    text = unit(options, system=system)
    folder = str(project.directory).replace("%", "%%")
    assert f'"{folder}"' in text
    assert f"WorkingDirectory={folder}\n" in text
    assert '--env prod --var "PRICE=5$$" --var-file' in text
    assert f"FLEET_DATA_DIR={os.environ['FLEET_DATA_DIR']}" in text
    assert text.endswith(f"WantedBy={'multi-user' if system else 'default'}.target\n")
    assert "Type=notify" in text


def test_one_that_follows_a_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without a fleet.yaml will do."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    url = "https://git.example.com/team/fleet.git"
    follow = ["install-service", "--gitops", url, "--branch", "prod", "--path", "hosts/eu1", "--interval", "1m"]
    more = ["--allowed-signers", "signers", "--listen", "8787", "--env", "prod", "--environment-file", "secret.env"]
    assert run([*follow, *more]) == 0
    (path,) = unit_folder(system=False).iterdir()
    assert path.name.startswith("fleet-fleet-")
    text = path.read_text()
    assert "gitops --branch prod --path hosts/eu1 --allowed-signers" in text
    assert f"--allowed-signers {tmp_path}/signers --interval 1m --listen 8787 --env prod\n" in text
    assert f"Environment=FLEET_GITOPS_REPO={url}\nEnvironmentFile={tmp_path}/secret.env\n" in text
    assert f"Description=Fleet follows prod of {url}\n" in text
    assert "Type=notify" in text
    assert "WorkingDirectory" not in text
    assert run(["install-service", "--gitops", url]) == 0, "another branch has a unit of its own"
    assert len(list(unit_folder(system=False).iterdir())) == 2

    capsys.readouterr()
    assert run(["install-service", "--gitops", "https://ada:hush@git.example.com/fleet.git"]) == 1
    said = capsys.readouterr().err
    assert "has a password" in said
    assert "hush" not in said
    assert run(["install-service", "--gitops", url, "--var-file", "more.yaml"]) == 1
    assert "--var only" in capsys.readouterr().err
    assert run(["install-service", "--listen", "8787"]) == 1
    assert "--listen is for --gitops" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd on this machine")
def test_systemd_can_read_it(project: Project, tmp_path: Path) -> None:
    path = tmp_path / unit_name(project)
    path.write_text(unit(project, system=True))
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if path.name in line and "podman.socket" not in line]
    assert ours == []

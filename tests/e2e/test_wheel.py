"""The package as people get it: a wheel, installed into an empty environment outside the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.support.installed import Installed
from tests.support.podman import one_at_a_time


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    with one_at_a_time(folder.parent / "build.lock"):
        subprocess.run(build, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (found,) = folder.glob("fleettools-*.whl")
    return found


def test_it_carries_migrations_and_schemas_inside_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert top == {"reconciler", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
    assert any(name.startswith("reconciler/_migrations/versions/") for name in names)
    assert "reconciler/_schemas/fleet.schema.json" in names
    assert any(name.startswith("reconciler/_schemas/events/") for name in names)
    assert "reconciler/py.typed" in names


def test_it_works_outside_the_checkout(wheel: Path, installed: Installed, unique_name: str, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [environment / "bin" / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run(install, check=True, capture_output=True, stdin=subprocess.DEVNULL, cwd=tmp_path)
    command = Installed(installed.directory, installed.environment, environment / "bin" / "fleet")

    assert command.fleet("--version").out.startswith("fleet ")
    schema = command.fleet("schema")
    assert schema.json == Installed(installed.directory, installed.environment).fleet("schema").json
    command.write(
        f"version: 1\nname: {unique_name}\n"
        "services: {web: {image: 'localhost/fleet-busybox:1', command: [sleep, '600'], stop_grace_period: 0s}}\n"
    )
    command.fleet("validate")
    command.fleet("apply", "--yes")
    (replica,) = command.fleet("status", "--json").json["services"]
    assert replica["agrees"]
    assert command.fleet("events", "--json").json_lines
    assert command.fleet("migrate", "status", code=None).code in (0, 1)

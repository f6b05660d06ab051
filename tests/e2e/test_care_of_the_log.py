"""The care of the log with real containers beside it: nothing that is done to the log touches what runs."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from reconciler.runtime.podman import Podman
from tests.support.installed import Installed
from tests.support.podman import force_remove

CANARY = "canary-5d0e7a"


def edit(project: Installed, name: str, mode: str) -> None:
    project.write(
        f"version: 1\nname: {name}\n"
        "secrets: {key: {env: SHOP_KEY}}\n"
        "services:\n"
        "  web:\n"
        "    image: localhost/fleet-busybox:1\n"
        "    command: [sleep, '600']\n"
        f"    environment: {{MODE: {mode}, OPEN: {CANARY}-open, KEY: {{secret: key}}}}\n"
        "    stop_grace_period: 0s\n"
    )


@pytest.fixture
def shop(installed: Installed, unique_name: str) -> Installed:
    """A service that runs, edited once."""
    installed.environment["SHOP_KEY"] = f"{CANARY}-secret"
    for mode in ("fast", "slow"):
        edit(installed, unique_name, mode)
        installed.fleet("apply", "--yes")
    return installed


def containers(project: Installed, podman: Podman) -> list[tuple[str, str]]:
    return sorted((one.container_id, one.state) for one in podman.observe(project.project).containers)


def test_everything_that_can_be_done_to_the_log(shop: Installed, podman: Podman, tmp_path: Path) -> None:
    running = containers(shop, podman)
    events = shop.events()
    shop.fleet("verify")
    backup = shop.fleet("backup", "--json").json
    assert shop.fleet("compact", "--json").json["events"] >= len(events)
    assert shop.events()[: len(events)] == events
    shop.fleet("rebuild")
    assert shop.fleet("verify", "--json").json["ok"] is True
    shop.fleet("plan", "--detailed-exitcode")
    (change,) = shop.fleet("diff", "--json").json["differences"][0]["changes"]
    assert (change["path"], change["old"], change["new"]) == ("environment.MODE", "fast", "slow")
    assert {one["verdict"] for one in shop.fleet("replay", "--json").json} == {"same"}
    assert shop.fleet("events", "statistics", "--json").json["segments"] == 1
    shop.fleet("restore", backup["path"])
    assert shop.fleet("verify", "--json").json["ok"] is True
    shop.fleet("plan", "--detailed-exitcode")
    assert containers(shop, podman) == running


def test_a_container_that_is_killed_is_found_by_bisect(shop: Installed, podman: Podman) -> None:
    (container,) = podman.observe(shop.project).containers
    force_remove(podman, container.container_id)
    shop.fleet("apply", "--yes")
    verdict = shop.fleet("bisect", "--unhealthy", "web", "--json").json
    assert verdict["episode"]["event_type"] == "container_vanished"
    assert verdict["episode"]["ended_by"] is not None


def test_no_secret_is_in_the_archive_a_backup_or_a_bundle(shop: Installed, tmp_path: Path) -> None:
    shop.fleet("backup", "--to", str(tmp_path / "backups"))
    shop.fleet("compact")
    shop.fleet("bundle", "--out", str(tmp_path / "report.tar.gz"))
    with tarfile.open(tmp_path / "report.tar.gz") as archive:
        archive.extractall(tmp_path / "report", filter="data")
    for folder, canary in (("report", CANARY), ("data", f"{CANARY}-secret"), ("backups", f"{CANARY}-secret")):
        files = [path for path in (tmp_path / folder).rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert canary.encode() not in path.read_bytes(), path

"""`fleet apply --ci` as build servers run it: over real Podman and a real checkout, with what it leaves behind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reconciler.control.ci.server import BuildServer
from reconciler.control.provenance import Origin, cause_in_ci, origin_of
from tests.integration.apply.yard import Yard

SERVICE = """\
web:
  image: localhost/fleet-busybox:1
  command: [sleep, '3600']
  stop_signal: SIGKILL
  healthcheck: {test: [CMD, 'true'], interval: 1s, retries: 1}
"""


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=Grace", "-c", "user.email=grace@example.org")
    done = subprocess.run(("git", "-C", folder, *identity, *words), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "trunk")
    git(folder, "add", "fleet.yaml")
    git(folder, "commit", "-q", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def github(yard: Yard, tmp_path: Path) -> dict[str, str]:
    del yard.environ["FLEET_ACTOR"]
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "lin",
        "GITHUB_HEAD_REF": "feature",
        "GITHUB_SERVER_URL": "https://forge.example",
        "GITHUB_REPOSITORY": "shop/fleet",
        "GITHUB_RUN_ID": "7",
        "GITHUB_WORKSPACE": str(yard.folder),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }


def test_github_from_the_first_apply_to_a_wrong_file(yard: Yard, github: dict[str, str], tmp_path: Path) -> None:
    yard.write(SERVICE)
    head = commit(yard.folder)
    yard.run("apply", "--ci", "--junit", "waits.xml", environ=github)
    (revision,) = [one for one in yard.events() if one.event_type == "revision_accepted"]
    assert {name: revision.data[name] for name in ("commit", "author", "branch")} == {
        "commit": head,
        "author": "Grace",
        "branch": "feature",
    }
    assert revision.metadata["actor"] == "lin"
    assert "https://forge.example/shop/fleet/actions/runs/7" in str(revision.metadata)
    told = Path(github["GITHUB_STEP_SUMMARY"]).read_text()
    assert "**✓ applied**" in told
    assert "| service/web | healthy |" in told
    suite = ElementTree.parse(yard.folder / "waits.xml").getroot()
    assert [case.get("name") for case in suite] == ["service/web becomes healthy", "apply"]
    assert suite.get("failures") == "0"

    yard.write("web: {imag: x}")
    said = yard.run("apply", "--ci", environ=github, check=False)
    assert said.returncode == 3
    assert "::error file=fleet.yaml,line=5,col=" in said.stdout
    assert "✗ spec invalid" in Path(github["GITHUB_STEP_SUMMARY"]).read_text()
    assert "lin" in yard.run("history").stdout


def test_what_fails_is_annotated_at_its_service(yard: Yard, github: dict[str, str]) -> None:
    yard.write(SERVICE.replace("sleep, '3600'", "sh, -c, exit 3"))
    said = yard.run(
        "apply", "--ci", "--json", "--timeout", "60s", "--code-quality", "q.json", environ=github, check=False
    )
    assert said.returncode == 1
    assert "::error file=fleet.yaml,line=5,col=3::service/web" in said.stderr
    for line in said.stdout.splitlines():
        json.loads(line)
    assert json.loads((yard.folder / "q.json").read_text())[0]["location"]["lines"]["begin"] == 5


def test_gitlab_asks_nothing_and_destroys_no_more_than_the_file_allows(yard: Yard) -> None:
    environ = {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "lin", "CI_PROJECT_DIR": str(yard.folder)}
    limit = "reconcile: {max_destroy: 0}"
    yard.write(SERVICE, more=limit)
    yard.run("apply", "--ci", environ=environ)
    yard.write(SERVICE.replace("3600", "3601"), more=limit)
    said = yard.run("apply", "--ci", "--summary", "s.md", "--junit", "j.xml", environ=environ, check=False)
    assert said.returncode == 7
    assert "::error" not in said.stdout
    assert "✗ confirmation missing" in (yard.folder / "s.md").read_text()
    assert ElementTree.parse(yard.folder / "j.xml").getroot().get("failures") == "1"
    yard.run("apply", "--ci", "--yes", "--summary", "none/s.md", environ=environ)
    assert yard.states() == {"web-1": "running"}


def test_plain_git_and_no_git_at_all(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("version: 1\n")
    server = BuildServer("gitlab", "lin", "c1", "main", "https://forge/1")
    unpacked = cause_in_ci(file, server, source="cli", environ={})
    assert (unpacked.actor, unpacked.commit, unpacked.user_agent) == ("lin", "c1", "gitlab https://forge/1")
    assert origin_of(file, "", branch="main") == Origin("", "main")

    head = commit(tmp_path)
    plain = cause_in_ci(file, BuildServer("git"), source="cli", environ={"FLEET_ACTOR": "ada"})
    assert (plain.actor, plain.commit, plain.user_agent) == ("ada", head, "")
    assert origin_of(file, head) == Origin("Grace", "trunk")
    git(tmp_path, "checkout", "-q", "--detach")
    assert origin_of(file, head) == Origin("Grace", "")
    file.write_text("version: 1\nname: edited\n")
    assert cause_in_ci(file, server, source="cli", environ={}).commit == ""

"""What is, what was and why: the reading verbs after real applies, in a project under Git."""

from __future__ import annotations

import subprocess

import pytest

from reconciler.runtime.podman import Podman
from tests.support.installed import Installed


@pytest.fixture
def shop(installed: Installed, unique_name: str) -> Installed:
    """A project under Git whose one service runs."""
    installed.environment["FLEET_ACTOR"] = ""
    edit(installed, unique_name, mode="production")
    installed.fleet("apply", "--yes")
    return installed


def edit(project: Installed, name: str, *, mode: str, commit: bool = True) -> str:
    """Write the file and commit it; the commit's id."""
    project.write(
        f"version: 1\nname: {name}\n"
        "services:\n"
        "  web:\n"
        "    image: localhost/fleet-busybox:1\n"
        "    command: [sleep, '600']\n"
        f"    environment: {{MODE: {mode}}}\n"
        "    stop_grace_period: 0s\n"
    )
    if not commit:
        return ""
    if not (project.directory / ".git").exists():
        git(project, "init", "-q")
    git(project, "add", "fleet.yaml")
    git(project, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", mode)
    return git(project, "rev-parse", "HEAD")


def git(project: Installed, *words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=project.directory, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def test_the_chain_goes_back_to_the_commit_and_names_the_field(shop: Installed, unique_name: str) -> None:
    commit = edit(shop, unique_name, mode="debug")
    shop.fleet("apply", "--yes")
    (story,) = shop.fleet("why", "web", "--json").json
    assert story["changes"] == [{"path": "environment.MODE", "old": "production", "new": "debug"}]
    assert f"commit {commit[:12]}" in story["summary"]
    types = [link["event"]["event_type"] for link in story["links"]]
    assert types[-3:] == ["action_intended", "service_defined", "revision_accepted"]
    assert story["links"][-1]["event"]["metadata"]["commit"] == commit
    shown = shop.fleet("why", "service/web/1").out
    assert "environment.MODE: production → debug" in shown


def test_an_edit_that_is_not_committed_names_no_commit(shop: Installed, unique_name: str) -> None:
    edit(shop, unique_name, mode="debug", commit=False)
    shop.fleet("apply", "--yes")
    assert "commit" not in shop.fleet("why", "web", "--json").json[0]["summary"]


def test_a_container_that_was_killed_by_hand(shop: Installed, podman: Podman) -> None:
    container = shop.fleet("status", "--json").json["services"][0]["observed"]["container_id"]
    podman.stop(container, 0)
    status = shop.fleet("status")
    assert "✗  web" in status.out
    assert "exited since the log was last written" in status.out
    shop.fleet("apply", "--yes")
    assert "✓  web" in shop.fleet("status").out
    (story,) = shop.fleet("why", "web", "--json").json
    types = [link["event"]["event_type"] for link in story["links"]]
    assert types[-2:] == ["action_intended", "container_exited"]
    assert "seen by" in story["summary"]


def test_history_tells_revisions_and_applies_with_their_commits(shop: Installed, unique_name: str) -> None:
    commit = edit(shop, unique_name, mode="debug")
    shop.fleet("apply", "--yes")
    entries = shop.fleet("history", "--json").json
    assert [(entry["kind"], entry["revision"], entry["result"]) for entry in entries] == [
        ("apply", 2, "succeeded"),
        ("revision", 2, "accepted"),
        ("apply", 1, "succeeded"),
        ("revision", 1, "accepted"),
    ]
    assert entries[1]["commit"] == commit
    assert entries[0]["counts"] == {"replaces": 1}
    assert entries[0]["source"] == "cli"


def test_a_failed_apply_is_in_the_history_and_is_why(shop: Installed, unique_name: str) -> None:
    shop.write(
        f"version: 1\nname: {unique_name}\nservices: {{web: {{image: 'localhost/no-such-image:1', pull: never}}}}\n"
    )
    shop.fleet("apply", "--yes", code=1)
    assert shop.fleet("history", "--json").json[0]["result"] == "failed"
    assert "no-such-image" in shop.fleet("why", "web").out
    status = shop.fleet("status", "--json").json["services"][0]
    assert status["observed"]["state"] == "running"
    assert status["differences"] == ["the file was edited since this container was made"]


def test_the_fleet_as_it_was(shop: Installed, unique_name: str) -> None:
    head = shop.fleet("status", "--json").json["sequence_number"]
    then = shop.fleet("status", "--json", "--at", str(head)).json
    edit(shop, unique_name, mode="debug")
    shop.fleet("apply", "--yes")
    again = shop.fleet("status", "--json", "--at", str(head)).json
    assert again == then
    assert shop.fleet("status", "--json").json["services"][0]["projected"] != then["services"][0]["projected"]


def test_status_without_podman(shop: Installed) -> None:
    shop.environment["FLEET_PODMAN_SOCKET"] = str(shop.directory / "nobody.sock")
    answer = shop.fleet("status", "--json").json
    assert answer["known"] == {"desired": True, "observed": False}
    assert answer["services"][0]["projected"]["state"] == "running"
    assert answer["services"][0]["observed"] == {"state": "unknown"}
    assert "Podman cannot be read" in answer["warnings"][0]


def test_events_are_followed_while_an_apply_runs(shop: Installed, unique_name: str) -> None:
    import json

    head = shop.fleet("status", "--json").json["sequence_number"]
    with shop.start("events", "--follow", "--json", "--since", str(head)) as follower:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["sequence_number"] == head
        edit(shop, unique_name, mode="debug")
        shop.fleet("apply", "--yes")
        seen = []
        while "apply_completed" not in seen:
            seen.append(json.loads(follower.stdout.readline())["event_type"])
        follower.terminate()
    assert seen.index("action_intended") < seen.index("container_started")


def test_reading_changes_nothing(shop: Installed) -> None:
    from pathlib import Path

    folder = Path(shop.environment["FLEET_DATA_DIR"])

    def contents() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.endswith("-shm")
        }

    before = contents()
    for words in (["status"], ["why", "web"], ["history"], ["events"], ["status", "--at", "3"]):
        shop.fleet(*words)
    assert contents() == before

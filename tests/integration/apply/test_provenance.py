"""Who began it, and from which commit: told only where it is true."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.control.provenance import actor, cause_of, commit_of


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "fleet.yaml").write_text("version: 1\n")
    return tmp_path


def test_a_file_that_is_committed_as_it_is(repository: Path) -> None:
    git(repository, "add", "fleet.yaml")
    git(repository, "commit", "-q", "-m", "first")
    head = git(repository, "rev-parse", "HEAD")
    assert commit_of(repository / "fleet.yaml") == head
    assert cause_of(repository / "fleet.yaml", source="watch", environ={"FLEET_ACTOR": "ada"}).commit == head


def test_a_file_that_was_edited_since(repository: Path) -> None:
    git(repository, "add", "fleet.yaml")
    git(repository, "commit", "-q", "-m", "first")
    (repository / "fleet.yaml").write_text("version: 1\n# edited\n")
    assert commit_of(repository / "fleet.yaml") == ""
    git(repository, "add", "fleet.yaml")
    assert commit_of(repository / "fleet.yaml") == ""


def test_a_file_that_is_not_tracked(repository: Path) -> None:
    assert commit_of(repository / "fleet.yaml") == ""
    (repository / ".gitignore").write_text("fleet.yaml\n")
    git(repository, "add", ".gitignore")
    git(repository, "commit", "-q", "-m", "ignores")
    assert commit_of(repository / "fleet.yaml") == ""


def test_outside_of_a_repository(tmp_path: Path) -> None:
    assert commit_of(tmp_path / "fleet.yaml") == ""


def test_a_repository_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert commit_of(repository / "fleet.yaml") == ""


def test_looking_changes_nothing_in_the_repository(repository: Path) -> None:
    git(repository, "add", "fleet.yaml")
    git(repository, "commit", "-q", "-m", "first")
    os.utime(repository / "fleet.yaml")
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    commit_of(repository / "fleet.yaml")
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_who(monkeypatch: pytest.MonkeyPatch) -> None:
    assert actor({"FLEET_ACTOR": "ada"}) == "ada"
    assert actor({}) != ""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert actor({"USER": "grace"}) == "grace"
    assert actor({}) == "uid 4000000000"

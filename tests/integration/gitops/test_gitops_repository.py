"""Addresses, what opens them, and what git is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.control.gitops.repository import Address, GitFailed, Repository, home_of
from reconciler.errors import FleetError, LeaseHeld, ToolMissing


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://git.example.com/a.git", "https://git.example.com/a.git"),
        ("https://ada:s3cr3t@git.example.com:8443/a.git", "https://git.example.com:8443/a.git"),
        ("https://t0ken@git.example.com/a.git", "https://git.example.com/a.git"),
        ("ssh://git:s3cr3t@git.example.com/a.git", "ssh://git@git.example.com/a.git"),
        ("ssh://git.example.com/a.git", "ssh://git.example.com/a.git"),
        ("git@git.example.com:team/a.git", "git@git.example.com:team/a.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
    ],
)
def test_the_url_has_no_password(text: str, url: str) -> None:
    address = Address.parse(text)
    assert address.url == url
    assert "s3cr3t" not in repr(address)
    assert "t0ken" not in repr(address)


def test_the_password_goes_into_a_header_and_is_masked_however_it_is_written() -> None:
    address = Address.parse("https://ada:s3%2Fcr3t@git.example.com/a.git")
    assert address.header == "Authorization: Basic YWRhOnMzL2NyM3Q="
    assert address.masked("s3%2Fcr3t s3/cr3t YWRhOnMzL2NyM3Q= ada") == "*** *** *** ada"
    assert Address.parse("https://t0ken@git.example.com/a.git").masked("no t0ken") == "no ***"


@pytest.mark.parametrize("text", ["", "--upload-pack=touch /tmp/x", "https://a\nb"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(FleetError, match="no address"):
        Address.parse(text)


def test_the_folder_does_not_depend_on_the_password(tmp_path: Path) -> None:
    def home(url: str, branch: str = "main", path: str = "fleet.yaml") -> Path:
        return home_of(Address.parse(url), branch, path, tmp_path)

    assert home("https://ada:one@example.com/a") == home("https://ada:two@example.com/a")
    others = {home("https://example.com/a"), home("https://example.com/b"), home("https://example.com/a", "next")}
    assert len({*others, home("https://example.com/a", path="x/fleet.yaml")}) == 4


def test_git_sees_only_what_it_is_given(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "GIT_DIR": "/elsewhere", "GIT_SSH_COMMAND": "ssh -v", "TOKEN": "x"}
    repository = Repository(Address.parse("https://a:b@example.com/x"), "main", tmp_path, environ)
    given = repository._environ
    assert "GIT_DIR" not in given
    assert "TOKEN" not in given
    assert given["GIT_SSH_COMMAND"] == "ssh -v"
    assert "http.https://example.com/.extraHeader" in given.values()


@pytest.mark.parametrize("branch", ["--all", "a..b", "x y", ""])
def test_what_is_no_branch_is_refused(tmp_path: Path, branch: str) -> None:
    repository = Repository(Address.parse("/nowhere"), branch, tmp_path, {"PATH": "/usr/bin:/bin"})
    with pytest.raises(FleetError, match="no name of a branch"):
        repository.prepare()


def test_without_git_it_says_so(tmp_path: Path) -> None:
    repository = Repository(Address.parse("/nowhere"), "main", tmp_path / "home", {"PATH": str(tmp_path)})
    with pytest.raises(ToolMissing, match="git"):
        repository.prepare()


def test_what_git_says_is_told_and_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    repository = Repository(Address.parse("/nowhere"), "main", tmp_path / "home", {"PATH": "/usr/bin:/bin"})
    repository.prepare()
    with pytest.raises(GitFailed, match="git fetch: .*nowhere"):
        repository.fetch()
    assert repository.good() == ""
    assert repository.head() == ""
    with pytest.raises(GitFailed, match="longer than"):
        repository.git("-c", "alias.long=!sleep 30", "long", seconds=0.1)


def test_after_stop_nothing_is_fetched(tmp_path: Path) -> None:
    repository = Repository(Address.parse("/nowhere"), "main", tmp_path / "home", {"PATH": "/usr/bin:/bin"})
    repository.prepare()
    repository.stop()
    with pytest.raises(GitFailed):
        repository.fetch()


def test_only_one_follows(tmp_path: Path) -> None:
    repository = Repository(Address.parse("/nowhere"), "main", tmp_path, {"PATH": "/usr/bin:/bin"})
    with repository.alone(), pytest.raises(LeaseHeld, match="another"), repository.alone():
        pass

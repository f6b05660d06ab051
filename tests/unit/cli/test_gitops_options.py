"""What `fleet gitops` makes of its options before anything begins."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
import typer

from reconciler.cli.gitops import _place, _policy, _secret, _variables, gitops
from reconciler.errors import FleetError


@pytest.mark.parametrize(
    ("path", "file"),
    [("", "fleet.yaml"), ("hosts/eu1", "hosts/eu1/fleet.yaml"), ("./a/b.yml", "a/b.yml"), ("a.yaml", "a.yaml")],
)
def test_the_file_in_the_repository(path: str, file: str) -> None:
    assert _place(path) == PurePosixPath(file)


@pytest.mark.parametrize("path", ["/etc", "../other", "a/../../b", ".git/config"])
def test_nothing_outside_of_it(path: str) -> None:
    with pytest.raises(typer.BadParameter):
        _place(path)


def test_signatures_are_asked_for_when_there_is_a_list_of_signers(tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.touch()
    assert _policy(False, signers, "").signed
    assert not _policy(False, None, "").signed
    with pytest.raises(FleetError, match="allowed signers"):
        _policy(True, tmp_path / "none", "")


def test_the_secret_of_a_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    with pytest.raises(FleetError, match="cannot be read"):
        _secret(file)
    file.write_text("\n")
    with pytest.raises(FleetError, match="empty"):
        _secret(file)
    file.write_text("hush\n")
    assert _secret(file) == "hush"
    monkeypatch.setenv("FLEET_GITOPS_SECRET", "from outside")
    assert _secret(None) == "from outside"


def test_variables() -> None:
    assert _variables(["a=b=c"]) == {"a": "b=c"}
    with pytest.raises(typer.BadParameter):
        _variables(["a"])


def test_fetching_without_pause_is_refused() -> None:
    with pytest.raises(typer.BadParameter):
        gitops(repo="/nowhere", interval="10ms")

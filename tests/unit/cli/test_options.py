"""The options that commands about a project share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from reconciler.cli.options import Project, about_project, find_file
from reconciler.errors import NotFound


def project_of(*arguments: str) -> Project:
    """What a command with these arguments is about."""
    seen: list[Project] = []

    @about_project
    def command(project: Project, name: Annotated[str, typer.Argument()] = "") -> None:
        seen.append(project)

    app = typer.Typer(add_completion=False)
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    if result.exit_code:
        raise SystemExit(result.output)
    return seen[0]


def test_the_file_is_the_nearest_one_above(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "fleet.yml").touch()
    assert find_file(inner) == tmp_path / "fleet.yml"
    (tmp_path / "fleet.yaml").touch()
    assert find_file(inner) == tmp_path / "fleet.yaml"


def test_where_the_file_would_be(tmp_path: Path) -> None:
    assert find_file(tmp_path / "nowhere") == tmp_path / "nowhere" / "fleet.yaml"


def test_the_projects_folder_is_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").touch()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    project = project_of()
    assert (project.file, project.directory) == (tmp_path / "fleet.yaml", tmp_path.resolve())


def test_a_file_and_a_folder_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert project_of("-f", "other.yaml").file == tmp_path / "other.yaml"
    project = project_of("-C", "here", "-f", "other.yaml")
    assert (project.file, project.directory) == (tmp_path / "here" / "other.yaml", (tmp_path / "here").resolve())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        project_of("-C", str(tmp_path / "nowhere"))


def test_variables_profiles_overlay_and_database(tmp_path: Path) -> None:
    project = project_of(
        "--var", "a=1", "--var", "b=x=y", "--var-file", "v.yaml", "--profile", "debug", "-e", "prod",
        "--database", "d.db", "-C", str(tmp_path),
    )  # fmt: skip
    assert project.variables == {"a": "1", "b": "x=y"}
    assert project.var_files == (Path("v.yaml"),)
    assert (project.profiles, project.env, project.database) == (("debug",), "prod", "d.db")


def test_the_overlay_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_ENV", "staging")
    assert project_of("-C", str(tmp_path)).env == "staging"


@pytest.mark.parametrize("pair", ["novalue", "=1"])
def test_a_variable_needs_a_name_and_a_value(pair: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="NAME=VALUE"):
        project_of("--var", pair, "-C", str(tmp_path))


def test_the_first_parameter_is_the_project() -> None:
    with pytest.raises(TypeError, match="must take `project` first"):

        @about_project
        def command(name: str) -> None: ...

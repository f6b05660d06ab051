"""Which file holds a project's log: the flag, the environment, fleet.yaml, the data folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import FleetError
from reconciler.paths import project_hash
from reconciler.spec.location import DATABASE_NAME, database_path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return folder


def located(project: Path, text: str | None = None, *, flag: str = "", url: str = "") -> Path:
    file = project / "fleet.yaml"
    if text is not None:
        file.write_text(text)
    return database_path(project, file, flag=flag, environ={"FLEET_DATABASE_URL": url} if url else {})


def test_the_data_folder_where_nothing_is_said(project: Path, tmp_path: Path) -> None:
    usual = tmp_path / "data" / project_hash(project) / DATABASE_NAME
    for text in (
        None,
        "",
        "name: shop\n",
        "database: {}\n",
        "database:\n",
        "database: 5\n",
        "database: {path: 5}\n",
        "database: [a]\n",
        "- database: x\n",
    ):
        assert located(project, text) == usual


@pytest.mark.parametrize(
    "text",
    ["database: {path: [\n", "database: {path: x\x07}\n", "\tdatabase: x\ndatabase: {path: x", "database:\n - ? [\n"],
)
def test_a_file_that_cannot_be_read_decides_nothing(project: Path, tmp_path: Path, text: str) -> None:
    assert located(project, text).parent.parent == tmp_path / "data"


def test_the_file_says_it_relative_to_the_project(project: Path) -> None:
    assert located(project, "database: {path: ./log.db}\n") == project / "log.db"
    assert located(project, "database: {url: 'sqlite:///log.db'}\n") == project / "log.db"
    assert located(project, "database: {url: 'sqlite:////var/x.db'}\n") == Path("/var/x.db")


def test_only_that_block_is_read(project: Path) -> None:
    text = "a: [\n# database: {path: y}\ndatabase:\n  path: x.db # here\n\n# more\n  durability: full\nb: !!odd [\n"
    assert located(project, text) == project / "x.db"
    assert located(project, "database: {\n  path: x.db\n}\nname: x\n") == project / "x.db"


def test_a_block_that_leans_on_the_rest(project: Path) -> None:
    assert located(project, "x-db: &db {path: x.db}\ndatabase: *db\nname: x\n") == project / "x.db"


def test_a_pipe_in_place_of_the_file_blocks_nobody(project: Path, tmp_path: Path) -> None:
    os.mkfifo(project / "fleet.yaml")
    assert located(project).parent.parent == tmp_path / "data"


def test_flag_before_environment_before_file(project: Path, tmp_path: Path) -> None:
    text = "database: {path: ./log.db}\n"
    assert located(project, text, url="sqlite:///env.db") == tmp_path / "env.db"
    assert located(project, text, url="env.db") == tmp_path / "env.db"
    assert located(project, text, flag="flag.db", url="sqlite:///env.db") == tmp_path / "flag.db"


def test_another_kind_of_database_is_refused(project: Path) -> None:
    with pytest.raises(FleetError, match="cannot live in a postgresql database"):
        located(project, flag="postgresql+psycopg://host/x")

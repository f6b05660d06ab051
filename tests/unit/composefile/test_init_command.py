"""`fleet init` where nobody can be asked: flags, files, reports. The questions are tested on a real terminal elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from reconciler.spec.load import LoadOptions, load
from reconciler.spec.starter import Start, name_of, starter


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "My Shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def loaded(folder: Path) -> Any:
    return load(folder / "fleet.yaml", project=folder, options=LoadOptions(environ={"PG_PASSWORD": "x"})).desired


def test_with_no_flags_it_is_an_empty_fleet(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init"]) == 0
    text = (here / "fleet.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=./schemas/fleet.schema.json\n")
    assert json.loads((here / "schemas" / "fleet.schema.json").read_text())["title"] == "fleet.yaml"
    assert loaded(here).name == "my-shop"
    assert capsys.readouterr().out.endswith("next: fleet plan\n")
    assert run(["validate"]) == 0


@pytest.mark.parametrize("postgres", [False, True])
@pytest.mark.parametrize("image", ["", "localhost/web:1"])
@pytest.mark.parametrize("agents", [False, True])
def test_every_first_file_is_valid(here: Path, postgres: bool, image: str, agents: bool) -> None:
    (here / "fleet.yaml").write_text(starter(Start("shop", postgres, image, 8081, 8080, agents)))
    desired = loaded(here)
    assert ("postgres" in desired.services, "web" in desired.services) == (postgres, bool(image))
    assert bool(desired.missions) == agents
    if image:
        assert [(p.host_port, p.container_port) for p in desired.services["web"].ports] == [(8081, 8080)]


def test_flags_say_what_it_holds(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--name", "shop", "--postgres", "--image", "localhost/w:1", "--port", "81", "--container-port", "82"]
    assert run(["init", *flags, "--agents", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == {"file": "fleet.yaml", "written": ["fleet.yaml", "schemas/fleet.schema.json"], "problems": []}
    assert sorted(loaded(here).services) == ["postgres", "web"]


def test_it_never_overwrites_without_force(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "fleet.yaml").write_text("mine")
    assert run(["init"]) == 1
    assert (here / "fleet.yaml").read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert run(["init", "--force"]) == 0
    assert loaded(here).services == {}


def test_names_are_checked_and_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--name", "No Good"]) == 1
    assert "at most 41" in capsys.readouterr().err
    assert (name_of("My Shop!"), name_of("???")) == ("my-shop", "fleet")


def test_a_place_that_cannot_be_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "taken").write_text("")
    assert run(["init", "--file", "taken/fleet.yaml"]) == 1
    assert "cannot be written" in capsys.readouterr().err


COMPOSE = """\
services:
  web:
    image: localhost/web:${TAG:-1}
    logging: {driver: none}
    expose: [80]
"""


def test_from_a_compose_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "compose.yaml").write_text(COMPOSE)
    assert run(["init", "--from", "compose.yaml"]) == 0
    told = capsys.readouterr()
    assert "compose.yaml:4: services.web.logging: not taken over: " in told.err
    assert "1 service taken over, 1 thing without a counterpart, listed above" in told.out
    assert "# compose.yaml:4 services.web.logging: not taken over: " in (here / "fleet.yaml").read_text()
    assert loaded(here).services["web"].image == "localhost/web:1"


def test_the_report_for_programs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "compose.yaml").write_text(COMPOSE.replace("-1}", "?set TAG}"))
    assert run(["init", "--from", "compose.yaml", "--name", "shop", "--json"]) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert told.err == ""
    assert report["counts"] == {"dropped": 1, "changed": 0, "needless": 1}
    assert report["notes"][0] == {
        "file": "compose.yaml",
        "line": 4,
        "column": 14,
        "path": "services.web.logging",
        "kind": "dropped",
        "message": "fleet services logs reads what the engine keeps",
    }
    assert report["problems"][0]["path"] == "variables.TAG"


def test_what_has_to_be_done_before_it_is_valid_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "compose.yaml").write_text("services: {web: {image: 'x:${TAG:?set it}'}}")
    assert run(["init", "--from", "compose.yaml"]) == 0
    told = capsys.readouterr().out
    assert "before fleet validate accepts it:\n  fleet.yaml:9:3: variables.TAG: " in told


def test_a_broken_compose_file_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "compose.yaml").write_text("services: {web: {extends: lost}}")
    assert run(["init", "--from", "compose.yaml"]) == 3
    assert "compose.yaml:1:18: services.web.extends: there is no service 'lost'" in capsys.readouterr().err
    assert not (here / "fleet.yaml").exists()

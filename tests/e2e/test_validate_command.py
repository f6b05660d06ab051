"""`fleet validate`, `config` and `schema` as a person or a program runs them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.installed import FLEET

RIGHT = """\
name: shop
secrets: {pw: {env: PW}}
services:
  db: {provider: postgres, password: {secret: pw}}
  web:
    image: x:1
    environment: {API_TOKEN: hunter2, DATABASE_URL: "postgres://me:hunter2@db/x"}
    depends_on: {db: healthy}
missions: {m: {sorties: {a: {title: A}, b: {depends_on: [a]}}}}
"""
WRONG = "services:\n  web: {imge: x:1, ports: [http]}\n  api: {image: x:1, depends_on: [wbe]}\n"


def fleet(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FLEET_DATA_DIR": str(folder / "data"), "NO_COLOR": "1", **environ}
    return subprocess.run(
        [FLEET, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_right_file(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(RIGHT)
    done = fleet(tmp_path, "validate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok fleet.yaml: fleet shop: 2 services, 1 network, 1 volume, 1 secret, 1 mission, 2 sorties\n"
    assert not (tmp_path / "data").exists()


def test_a_wrong_file_tells_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(WRONG)
    done = fleet(tmp_path, "validate")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "fleet.yaml:2:3: services.web: this service has neither image nor build (such as image: postgres:16)",
        "fleet.yaml:2:9: services.web.imge: unknown key 'imge' (did you mean 'image'?)",
        "fleet.yaml:2:28: services.web.ports[0]: 'http' is not a port (such as 80, 8080:80 or 127.0.0.1:8080:80/udp)",
        "fleet.yaml:3:34: services.api.depends_on[0]: there is no service 'wbe' (did you mean 'web'?)",
    ]


def test_from_another_folder_places_are_still_to_be_found(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "fleet.yaml").write_text(WRONG)
    done = fleet(tmp_path / "below", "validate")
    assert done.stderr.startswith(f"{tmp_path}/fleet.yaml:2:3: ")
    assert fleet(tmp_path.parent, "validate", "-f", f"{tmp_path.name}/fleet.yaml").stderr.startswith(
        f"{tmp_path.name}/fleet.yaml:2:3: "
    )


def test_no_file(tmp_path: Path) -> None:
    done = fleet(tmp_path, "validate")
    assert done.returncode == 3
    assert done.stderr.startswith("fleet.yaml: there is no such file (fleet init writes a first one)\n")


def test_json_for_programs(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(RIGHT)
    done = fleet(tmp_path, "validate", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["valid"], document["services"]) == (0, True, ["db", "web"])
    (tmp_path / "fleet.yaml").write_text(WRONG)
    done = fleet(tmp_path, "validate", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["valid"], len(document["problems"])) == (3, False, 4)
    assert document["problems"][1] == {
        "file": "fleet.yaml",
        "line": 2,
        "column": 9,
        "path": "services.web.imge",
        "message": "unknown key 'imge'",
        "hint": "did you mean 'image'?",
    }


def test_annotations_for_a_build(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("services:\n  web: {imag: 'x%y'}\n")
    done = fleet(tmp_path, "validate", "--annotations")
    assert done.returncode == 3
    assert done.stdout.splitlines()[1] == (
        "::error file=fleet.yaml,line=2,col=9::services.web.imag: unknown key 'imag' (did you mean 'image'?)"
    )
    (tmp_path / "fleet.yaml").write_text("services: {db: {provider: postgres}}\n")
    done = fleet(tmp_path, "validate", "--annotations")
    assert done.returncode == 0
    assert done.stdout.startswith("::warning file=fleet.yaml,line=1,col=16::services.db: this database has no password")
    (tmp_path / "fleet.yaml").unlink()
    done = fleet(tmp_path, "validate", "--annotations")
    assert done.stdout == "::error file=fleet.yaml::there is no such file (fleet init writes a first one)\n"


def test_warnings_are_shown_and_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("name: x\nservices: {db: {provider: postgres}}\n")
    (tmp_path / "fleet.prod.yaml").write_text("services: {db: {replicas: 1}}\n")
    done = fleet(tmp_path, "validate", "--env", "prod")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].startswith(
        "warning: fleet.yaml:2:16: services.db: this database has no password"
    )
    assert done.stdout.splitlines()[1] == "ok fleet.yaml and 1 more: fleet x: 1 service, 1 network, 1 volume"


def test_a_file_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("name: shop\n")
    assert fleet(tmp_path, "validate").stdout == "ok fleet.yaml: fleet shop: nothing is declared yet\n"


def test_the_effective_file_is_a_right_one_and_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(RIGHT)
    done = fleet(tmp_path, "config", PW="hunter2")
    assert done.returncode == 0
    assert "hunter2" not in done.stdout + done.stderr
    assert "API_TOKEN: '********'" in done.stdout
    assert "DATABASE_URL: postgres://me:********@db/x" in done.stdout
    other = tmp_path / "other"
    other.mkdir()
    (other / "fleet.yaml").write_text(done.stdout)
    again = fleet(other, "config")
    assert again.stdout == done.stdout
    document = json.loads(fleet(tmp_path, "config", "--json").stdout)
    assert document["services"]["web"]["depends_on"] == {"db": "healthy"}


def test_the_effective_file_of_a_file_with_warnings(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("services: {db: {provider: postgres}}\n")
    done = fleet(tmp_path, "config")
    assert done.stderr.startswith("warning: fleet.yaml:1:16: services.db: ")
    assert done.stdout.startswith("version: 1\n")


def test_the_effective_file_of_a_wrong_file(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(WRONG)
    assert fleet(tmp_path, "config").returncode == 3


def test_the_schema(tmp_path: Path) -> None:
    done = fleet(tmp_path, "schema")
    assert json.loads(done.stdout)["title"] == "fleet.yaml"
    written = fleet(tmp_path, "schema", "--output", "schemas/fleet.schema.json")
    assert written.stdout == "written to schemas/fleet.schema.json\n"
    assert (tmp_path / "schemas/fleet.schema.json").read_text() == done.stdout


@pytest.mark.parametrize("verb", ["validate", "config", "schema"])
def test_every_verb_has_help_with_examples(tmp_path: Path, verb: str) -> None:
    done = fleet(tmp_path, verb, "--help")
    assert done.returncode == 0
    assert "Examples:" in done.stdout


def test_a_thousand_services(tmp_path: Path) -> None:
    blocks = [
        f"  s{number}: {{image: x:1, ports: ['{10_000 + number}:80'], depends_on: [s{number - 1}]}}\n"
        for number in range(1, 1_000)
    ]
    (tmp_path / "fleet.yaml").write_text("name: big\nservices:\n  s0: {image: x:1}\n" + "".join(blocks))
    assert fleet(tmp_path, "validate").stdout == "ok fleet.yaml: fleet big: 1000 services, 1 network\n"

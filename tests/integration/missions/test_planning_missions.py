"""`fleet missions plan`: from a goal to text for fleet.yaml, by rules or by an agent's answer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from reconciler.control.decomposing import ask, mission_name, proposals_in, propose, yaml_text
from reconciler.control.scanning import files_of, imports_of
from reconciler.errors import FleetError, NotFound
from reconciler.spec.load import load
from tests.integration.apply.yard import Yard
from tests.support.terminal import Terminal

FILES = {
    "src/shop/__init__.py": "",
    "src/shop/models.py": "import os\nfrom . import money\nfrom .money import Money as M\n",
    "src/shop/money.py": "import decimal\n",
    "src/shop/api/routes.py": "from shop.models import Basket\nfrom ..money import (\n    Money,\n)\nimport shop.models\n",
    "tests/test_basket.py": "import shop.models as models\n",
    "web/app.ts": "import {x} from './parts/basket'\nimport y from './parts'\nimport z from './gone.js'\nimport 'react'\n",
    "web/parts/basket.tsx": "const q = require('../util.js')\n",
    "web/parts/index.ts": "",
    "web/util.ts": "",
    ".hidden/basket.py": "",
    "node_modules/basket/index.js": "",
}
ANSWER = {
    "sorties": [
        {"name": "The Model", "title": "Change\n the model", "files": ["./src/shop/models.py"], "complexity": 2},
        {
            "name": "tests",
            "depends_on": ["The Model"],
            "files": ["tests/test_basket.py"],
            "review": "code",
            "prompt": "Test it\nwell",
        },
    ]
}


@pytest.fixture
def project(yard: Yard) -> Path:
    for name, text in FILES.items():
        path = yard.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return yard.folder


def test_files_and_their_imports(project: Path) -> None:
    files = files_of(project)
    assert files == sorted({"fleet.yaml", *FILES} - {".hidden/basket.py", "node_modules/basket/index.js"})
    imports = imports_of(project, files)
    assert imports["src/shop/models.py"] == {"src/shop/__init__.py", "src/shop/money.py"}
    assert imports["src/shop/api/routes.py"] == {"src/shop/models.py", "src/shop/money.py"}
    assert imports["tests/test_basket.py"] == {"src/shop/models.py"}
    assert imports["web/app.ts"] == {"web/parts/basket.tsx", "web/parts/index.ts"}
    assert imports["web/parts/basket.tsx"] == {"web/util.ts"}
    assert imports_of(project, ["gone.py"]) == {"gone.py": set()}


def test_in_a_repository_git_says_which_files_there_are(project: Path) -> None:
    subprocess.run(["git", "init", "-q", project], check=True)
    (project / ".gitignore").write_text("web/\n")
    assert [name for name in files_of(project) if name.startswith("web")] == []
    assert "src/shop/models.py" in files_of(project)


def test_the_text_is_a_fleet_file_that_loads(project: Path, tmp_path: Path) -> None:
    found = propose(project, "Rename Basket in all files of the shop")
    assert found.problems == ()
    assert found.choice.strategy == "file-based"
    text = yaml_text(found, mission_name(found.goal))
    assert "side by side" in text.splitlines()[0]
    file = tmp_path / "fleet.yaml"
    file.write_text(f"version: 1\nname: shop\n{text}")
    mission = load(file, project=tmp_path).desired.missions["rename-basket-in-all-files"]
    assert {path for one in mission.sorties.values() for path in one.files} <= set(files_of(project))


def test_a_name_for_a_mission() -> None:
    assert mission_name("Add a login, please: now!") == "add-a-login-please-now"
    assert mission_name("???") == "mission"


def test_an_answer_is_found_wherever_it_lies() -> None:
    plain = f"Here you are:\n{json.dumps(ANSWER)}\nGood luck".encode()
    stream = json.dumps({"type": "result", "result": f"```json\n{json.dumps(ANSWER, indent=1)}\n```", "n": [1, None]})
    for output in (plain, b'{"broken"\n' + stream.encode()):
        first, second = proposals_in(output)
        assert (first.name, first.title, first.files, first.complexity) == (
            "the-model", "Change the model", ("src/shop/models.py",), 2,
        )  # fmt: skip
        assert (second.title, second.depends_on, second.review, second.prompt) == (
            "tests", ("the-model",), "code", "Test it\nwell",
        )  # fmt: skip
    for nothing in (b"", b"no", b'{"sorties": []}', b'{"sorties": ["x"]}', b'{"sorties": [', b'{"sorties": 3}'):
        assert proposals_in(nothing) == ()
    odd = {"sorties": [{"title": 3, "complexity": True, "review": "deep", "files": "x"}]}
    (one,) = proposals_in(json.dumps(odd).encode())
    assert (one.name, one.title, one.complexity, one.review, one.files) == ("sortie-1", "3", 1, "", ())


PLANNERS = """
specialists:
  planner: {harness: {kind: command, command: [sh, -c, "cat >prompt.txt; cat answer.json"]}}
  silent: {harness: {kind: command, command: [sh, -c, "echo nothing"]}}
  broken: {harness: {kind: command, command: [sh, -c, "echo no key >&2; exit 3"]}}
"""


def test_an_agent_is_asked(project: Path, yard: Yard) -> None:
    yard.write("", more=PLANNERS)
    (project / "answer.json").write_text(json.dumps(ANSWER))
    with yard.session() as session:
        found = ask(session, "Add {{ baskets }}", "planner")
        assert [one.name for one in found.sorties] == ["the-model", "tests"]
        assert found.problems == ()
        assert "Add { { baskets }}" in (project / "prompt.txt").read_text()
        with pytest.raises(FleetError, match="holds no sorties"):
            ask(session, "Add baskets", "silent")
        with pytest.raises(FleetError, match="broken failed: no key"):
            ask(session, "Add baskets", "broken")
        with pytest.raises(NotFound, match="no planner nobody") as missing:
            ask(session, "Add baskets", "nobody")
        assert missing.value.hint == "known: broken, planner, silent, claude-code, codex, opencode"


def test_an_agent_of_a_known_kind_needs_no_specialist(project: Path, yard: Yard) -> None:
    folder = yard.folder / "bin"
    folder.mkdir()
    answer = json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": json.dumps(ANSWER)})
    stand_in = folder / "claude"
    stand_in.write_text(f"#!/bin/sh\ncat >/dev/null\ncat <<'END'\n{answer}\nEND\n")
    stand_in.chmod(0o755)
    yard.environ["PATH"] = f"{folder}:{yard.environ['PATH']}"
    yard.project.file.unlink()
    with yard.session() as session:
        assert len(ask(session, "Add baskets", "claude-code").sorties) == 2


def test_the_verb(project: Path, terminal: Terminal) -> None:
    said = terminal.fleet("missions", "plan", "Fix the bug in the basket", "--name", "fix-it")
    assert said.code == 0
    assert "  fix-it:" in said.out
    document = terminal.fleet("missions", "plan", "Study the shop", "--strategy", "research-based", "--json").json
    assert (document["strategy"], document["mission"]) == ("research-based", "study-the-shop")
    assert [one["name"] for one in document["sorties"]] == ["survey", "deepen", "conclude"]
    out = project / "login.yaml"
    assert "sorties proposed in" in terminal.fleet("missions", "plan", "Add login", "--out", str(out)).out
    assert "missions:" in out.read_text()
    again = terminal.fleet("missions", "plan", "Add login", "--out", str(out))
    assert (again.code, "there is a file already" in again.err) == (1, True)
    nowhere = terminal.fleet("missions", "plan", "Add login", "--out", str(project / "none" / "x.yaml"))
    assert (nowhere.code, "cannot be written" in nowhere.err) == (1, True)
    assert terminal.fleet("missions", "plan", " ").code == 1
    assert "one of file-based" in terminal.fleet("missions", "plan", "Add", "--strategy", "quick").err


def test_problems_are_told_and_fail_the_command(project: Path, yard: Yard, terminal: Terminal) -> None:
    yard.write("", more=PLANNERS)
    wrong = {"sorties": [{"name": "a", "files": ["gone.py"], "depends_on": ["b"]}]}
    (project / "answer.json").write_text(json.dumps(wrong))
    answer = terminal.fleet("missions", "plan", "Add login", "--planner", "planner")
    assert answer.code == 1
    assert "gone.py of a does not exist" in answer.err
    assert "a depends on b, which is not proposed" in answer.err

"""What a loaded fleet depends on: any change of it is seen, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import SpecInvalid
from reconciler.spec.desired import to_document
from reconciler.spec.inputs import LoadOptions, unchanged
from reconciler.spec.load import Loaded, load
from reconciler.spec.roles import digest_of

FLEET = """\
name: shop
include: ["fleet.d/*.yaml", other.yaml]
variables:
  tag: {type: string, default: "1"}
  named: {env: OTHER_NAME, default: a}
secrets:
  env: {env: PW}
  file: {file: ./pw}
  command: {command: [cat, ./pw2]}
  unused: {env: NOTHING}
services:
  web:
    image: x:${tag}
    environment: {A: {secret: env}, B: {secret: file}, C: "${named}"}
    secrets: [command]
    env_file: web.env
    configs: [./web.conf:/etc/web.conf]
    volumes: [./data:/data, ~/x:/x]
  built: {build: ./context, profiles: [build]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    files = {
        "fleet.yaml": FLEET,
        "fleet.prod.yaml": "services: {web: {replicas: 2}}\n",
        "other.yaml": "services: {}\n",
        "fleet.d/a.yaml": "services: {}\n",
        "vars.yaml": "tag: '2'\n",
        "pw": "file secret\n",
        "pw2": "command secret\n",
        "web.env": "A=1\nB=2\n",
        "web.conf": "conf",
        "context/Containerfile": "FROM scratch",
        "context/app": "app",
        "data/x": "x",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    long_ago = 1_700_000_000
    for path in folder.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    monkeypatch.chdir(folder)
    return folder


def options(**changes: Any) -> LoadOptions:
    environ = {"PW": "hunter2", "HOME": "/home/me", "PATH": os.environ["PATH"]}
    given = LoadOptions(env="prod", var_files=(Path("vars.yaml"),), profiles=("build",), environ=environ, key=b"k" * 32)
    return replace(given, **changes)


def loaded(project: Path, **changes: Any) -> Loaded:
    return load(project / "fleet.yaml", project=project, options=options(**changes))


def same(found: Loaded, project: Path, **changes: Any) -> bool:
    document = json.loads(json.dumps(found.inputs))
    return unchanged(document, file=project / "fleet.yaml", project=project, options=options(**changes))


def test_nothing_has_changed(project: Path) -> None:
    found = loaded(project)
    assert same(found, project)
    assert loaded(project).inputs == found.inputs


def test_no_value_is_among_the_inputs(project: Path) -> None:
    text = json.dumps(loaded(project).inputs)
    for value in ("hunter2", "file secret", "command secret", '/home/me"', "B=2"):
        assert value not in text


CHANGES: dict[str, Callable[[Path], object]] = {
    "the file": lambda folder: (folder / "fleet.yaml").write_text(FLEET + "# x\n"),
    "no file": lambda folder: (folder / "fleet.yaml").unlink(),
    "the overlay": lambda folder: (folder / "fleet.prod.yaml").write_text("{}\n"),
    "no overlay": lambda folder: (folder / "fleet.prod.yaml").unlink(),
    "an include": lambda folder: (folder / "other.yaml").write_text("{}\n"),
    "a new file that a pattern matches": lambda folder: (folder / "fleet.d/b.yaml").write_text(""),
    "a file that a pattern matched is gone": lambda folder: (folder / "fleet.d/a.yaml").unlink(),
    "a file of variables": lambda folder: (folder / "vars.yaml").write_text("tag: '3'\n"),
    "a secret's file": lambda folder: (folder / "pw").write_text("another\n"),
    "what a secret's command says": lambda folder: (folder / "pw2").write_text("another\n"),
    "an env file": lambda folder: (folder / "web.env").write_text("A=1\nB=3\n"),
    "no env file": lambda folder: (folder / "web.env").unlink(),
    "a config": lambda folder: (folder / "web.conf").write_text("fonc"),
    "a config is a pipe now": lambda folder: ((folder / "web.conf").unlink(), os.mkfifo(folder / "web.conf")),
    "a file of a build context": lambda folder: (folder / "context/app").write_text("ppa"),
    "a new file of a build context": lambda folder: (folder / "context/new").write_text(""),
    "no build context": lambda folder: shutil.rmtree(folder / "context"),
    "a bind leads elsewhere": lambda folder: (shutil.rmtree(folder / "data"), (folder / "data").symlink_to("/")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_on_disk_is_seen(project: Path, change: Callable[[Path], object]) -> None:
    found = loaded(project)
    change(project)
    assert not same(found, project)


@pytest.mark.parametrize(
    "changes",
    [
        {"env": ""},
        {"profiles": ()},
        {"profiles": ("build", "other")},
        {"variables": {"tag": "2"}},
        {"var_files": ()},
        {"key": b""},
        {"key": b"l" * 32},
        {"environ": {"PW": "other", "HOME": "/home/me", "PATH": os.environ["PATH"]}},
        {"environ": {"HOME": "/home/me", "PATH": os.environ["PATH"]}},
        {"environ": {"PW": "hunter2", "HOME": "/home/you", "PATH": os.environ["PATH"]}},
        {"environ": {"PW": "hunter2", "HOME": "/home/me", "PATH": os.environ["PATH"], "FLEET_VAR_TAG": "2"}},
        {"environ": {"PW": "hunter2", "HOME": "/home/me", "PATH": os.environ["PATH"], "OTHER_NAME": "x"}},
    ],
    ids=str,
)
def test_a_change_of_the_options_or_the_environment_is_seen(project: Path, changes: dict[str, Any]) -> None:
    assert not same(loaded(project), project, **changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: os.utime(folder / "fleet.yaml"),
        lambda folder: os.utime(folder / "context/app"),
        lambda folder: (folder / "web.env").write_text("# why\nB='2'\nA=1\n"),
        lambda folder: (folder / "fleet.test.yaml").write_text("x"),
        lambda folder: (folder / "elsewhere").write_text("x"),
        lambda folder: (folder / "pw").write_text("file secret"),
    ],
    ids=["touched", "touched context", "env file by meaning", "another overlay", "another file", "a line end"],
)
def test_what_changes_nothing(project: Path, change: Callable[[Path], object]) -> None:
    found = loaded(project)
    change(project)
    assert same(found, project)
    assert digest_of(to_document(loaded(project).desired)) == digest_of(to_document(found.desired))


def test_variables_of_others_are_no_inputs(project: Path) -> None:
    environ = {**options().environ, "SOMETHING": "else"}
    assert same(loaded(project), project, environ=environ)


def test_a_context_that_was_just_written_is_hashed_again(project: Path) -> None:
    (project / "context/app").write_text("just now")
    found = loaded(project)
    (stamp,) = [context["stamp"] for context in found.inputs["contexts"].values()]
    assert stamp == ""
    assert same(found, project)


def test_inputs_of_another_release_or_shape_mean_loading_again(project: Path) -> None:
    found = loaded(project)
    for changes in (
        {"software": "0.0.0"},
        {"scheme": 0},
        {"contexts": {"context:": {}}},
        {"secrets": {"env": 5}},
        {"files": ["fleet.yaml"]},
    ):
        document = {**found.inputs, **changes}
        assert not unchanged(document, file=project / "fleet.yaml", project=project, options=options())
    assert not unchanged({}, file=project / "fleet.yaml", project=project, options=options())


def test_without_a_key_env_files_are_in_doubt(project: Path) -> None:
    found = loaded(project, key=b"")
    assert not same(found, project, key=b"")
    assert found.desired.secrets["env"].digest == ""
    assert found.desired.services["web"].env_files[0].digest == ""


def test_the_check_imports_neither_yaml_nor_pydantic(project: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from reconciler.spec.inputs import LoadOptions, unchanged;"
        "unchanged(json.loads(sys.argv[1]), file=Path('fleet.yaml'), project=Path('.'), options=LoadOptions());"
        "print(sorted({'yaml', 'pydantic', 'rich', 'sqlalchemy'} & set(sys.modules)))"
    )
    inputs = json.dumps(loaded(project).inputs)
    done = subprocess.run([sys.executable, "-c", code, inputs], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_secret_that_does_not_resolve_is_a_warning_and_has_no_digest(project: Path) -> None:
    found = loaded(project, environ={"HOME": "/home/me", "PATH": os.environ["PATH"]})
    assert [str(warning) for warning in found.warnings] == [
        "fleet.yaml:7:3: secrets.env: the secret env has no value: the environment variable PW is not set (set it with: export PW=…)"
    ]
    digests = found.desired.services["web"].secret_digests
    assert digests["env"] == ""
    assert digests["file"].startswith("hmac-v1:")
    assert list(digests) == ["command", "env", "file"]
    assert found.desired.secrets["unused"].digest == ""


def test_digests_follow_the_value(project: Path) -> None:
    before = loaded(project).desired
    (project / "pw").write_text("another\n")
    (project / "web.conf").write_text("fonc")
    (project / "web.env").write_text("A=2\n")
    (project / "context/app").write_text("ppa")
    after = loaded(project).desired
    for one, other in (
        (before.services["web"].secret_digests["file"], after.services["web"].secret_digests["file"]),
        (before.services["web"].configs[0].digest, after.services["web"].configs[0].digest),
        (before.services["web"].env_files[0].digest, after.services["web"].env_files[0].digest),
        (before.services["built"].build.digest, after.services["built"].build.digest),  # type: ignore[union-attr]
    ):
        assert one
        assert other
        assert one != other


def test_files_and_places(project: Path) -> None:
    found = loaded(project)
    assert [file.path for file in found.files] == [
        "fleet.d/a.yaml",
        "fleet.prod.yaml",
        "fleet.yaml",
        "other.yaml",
        "vars.yaml",
    ]
    assert found.places["service/web"] == ("fleet.yaml", 12, 3)
    assert found.places["services.web.replicas"] == ("fleet.prod.yaml", 1, 18)


def test_a_build_context_that_two_services_share_is_looked_at_once(project: Path) -> None:
    (project / "other.yaml").write_text("services: {again: {build: {context: context}}}\n")
    found = loaded(project).desired.services
    assert found["again"].build == found["built"].build
    assert found["again"].image == "localhost/shop-again:latest"


def test_a_project_with_a_pattern_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a[b]*"
    (folder / "d").mkdir(parents=True)
    (folder / "fleet.yaml").write_text("name: x\ninclude: d/*.yaml\n")
    (folder / "d/a.yaml").write_text("services: {a: {image: x:1}}\n")
    found = load(folder / "fleet.yaml", project=folder, options=options(env="", var_files=(), profiles=()))
    assert list(found.desired.services) == ["a"]


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"odd\xff.inc")).write_text("services: {}\n")
    (tmp_path / "fleet.yaml").write_text('include: "*.inc"\n')
    with pytest.raises(SpecInvalid, match="whose name is not UTF-8"):
        load(tmp_path / "fleet.yaml", project=tmp_path)


def test_a_file_in_a_folder_that_is_not_there(project: Path) -> None:
    with pytest.raises(SpecInvalid, match="there is no such file"):
        load(project / "nowhere" / "fleet.yaml", project=project)


def test_too_many_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(1_001):
        (tmp_path / "d" / f"{number:04}.yaml").write_text("")
    (tmp_path / "fleet.yaml").write_text("include: d/*.yaml\n")
    with pytest.raises(SpecInvalid, match="more than 1,000 files"):
        load(tmp_path / "fleet.yaml", project=tmp_path)


def test_one_project_is_one_however_people_come_to_it(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    here = loaded(project)
    there = load(tmp_path / "link" / "fleet.yaml", project=project, options=options())
    assert there.desired == here.desired
    assert there.inputs == here.inputs
    assert unchanged(here.inputs, file=tmp_path / "link" / "fleet.yaml", project=tmp_path / "link", options=options())


def test_a_relative_file_of_variables_is_another_one_elsewhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(project)
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "vars.yaml").write_text("tag: '9'\n")
    monkeypatch.chdir(project / "elsewhere")
    assert not same(found, project)

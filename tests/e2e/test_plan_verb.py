"""`fleet plan` as it is installed: what it says, what it exits with, and that it touches nothing."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from reconciler.plan.schema import FILE
from reconciler.runtime.podman import Podman
from tests.support.installed import Installed

_WEB = """\
version: 1
name: {name}
services:
  web:
    image: {image}
    command: [sleep, "3600"]
    stop_signal: SIGKILL
    environment: {{LEVEL: {level}}}
  api:
    image: {image}
    command: [sleep, "3600"]
    stop_signal: SIGKILL
    tags: [back]
"""


def _write(installed: Installed, name: str, image: str, *, level: str = "info") -> None:
    installed.write(_WEB.format(name=name, image=image, level=level))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_plan_from_the_first_line_to_an_edit(
    installed: Installed, podman: Podman, busybox_image: str, unique_name: str
) -> None:
    data = Path(installed.environment["FLEET_DATA_DIR"])
    _write(installed, unique_name, busybox_image)
    first = installed.fleet("plan", "--detailed-exitcode", code=2)
    assert first.out.startswith(f"Plan for {unique_name}: 0 to replace, 0 to delete, 2 to create")
    assert "+   service/web/1  new in the file" in first.out
    assert not data.exists()
    assert podman.observe(installed.project).containers == ()

    installed.fleet("apply", "--yes")
    nothing = installed.fleet("plan", "--detailed-exitcode")
    assert nothing.out.startswith("Nothing to do")

    _write(installed, unique_name, busybox_image, level="debug")
    before, seen = _files(data), podman.observe(installed.project)
    edited = installed.fleet("plan")
    assert "1 to replace" in edited.out
    assert "environment.LEVEL changed — you edited the file" in edited.out
    assert "environment.LEVEL: info → debug" in edited.out
    assert _files(data) == before
    assert podman.observe(installed.project) == seen

    podman.stop(f"{unique_name}-api-1", 0)
    both = installed.fleet("plan")
    assert "service/api/1\n        stopped outside of fleet (exit code 137) — the world changed" in both.out
    assert "environment.LEVEL changed — you edited the file" in both.out
    assert _files(data) == before


def test_a_plan_for_programs_and_for_pull_requests(installed: Installed, busybox_image: str, unique_name: str) -> None:
    _write(installed, unique_name, busybox_image)
    document = installed.fleet("plan", "--json").json
    jsonschema.validate(document, json.loads(FILE.read_text()))
    assert [action["id"] for action in document["actions"] if action["type"] == "create_container"] == [
        "create service/api/1",
        "create service/web/1",
    ]
    told = installed.fleet("plan", "--markdown").out
    assert told.startswith(f"### Plan for {unique_name.replace('_', chr(92) + '_')}")
    assert "| Created | `service/web/1` | new in the file |" in told
    both = installed.fleet("plan", "--json", "--markdown", code=None)
    assert both.code not in (0, 2)
    assert "choose one" in both.err


def test_a_narrowed_plan(installed: Installed, busybox_image: str, unique_name: str) -> None:
    _write(installed, unique_name, busybox_image)
    for words in (["--target", "service/web"], ["--exclude", "api"], ["--skip-tags", "back"]):
        told = installed.fleet("plan", *words).out
        assert "1 to create" in told
        assert "service/api/1" in told.partition("Left alone")[2]
    assert "service/web/1" in installed.fleet("plan", "--tags", "back").out.partition("Left alone")[2]
    wrong = installed.fleet("plan", "--target", "service/wbe", code=1)
    assert "did you mean service/web?" in wrong.err


def test_what_is_wrong_has_its_own_exit_code(installed: Installed) -> None:
    installed.write("version: 1\nservices: {web: {imag: x}}\n")
    assert "imag" in installed.fleet("plan", "--detailed-exitcode", code=3).err

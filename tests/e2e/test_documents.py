"""What the documents promise that a machine can check."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from reconciler import errors
from reconciler.errors import FleetError
from reconciler.events.registry import TYPES
from tests.e2e.conftest import ROOT


def errors_of(root: type[FleetError]) -> set[type[FleetError]]:
    return {root, *(inner for one in root.__subclasses__() for inner in errors_of(one))}


@pytest.mark.parametrize("script", ["write_commands.py", "write_reference.py"])
def test_what_is_generated_is_what_it_is_generated_from_says(script: str) -> None:
    check = [sys.executable, ROOT / "scripts" / script, "--check"]
    assert subprocess.run(check, cwd=ROOT, check=False).returncode == 0


def test_every_exit_code_and_error_is_documented() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \|(.*)$", text, re.MULTILINE))
    for error in errors_of(FleetError):
        if error.__module__ == errors.__name__:
            assert f"`{error.code}`" in rows[str(error.exit_code)], error


@pytest.mark.parametrize("document", ["docs/event-log.md", "CONTRIBUTING.md"])
def test_the_events_and_files_that_are_named_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(r"\b((?:container|action|service|revision)_[a-z_]+)\b", text))
    assert named <= {*TYPES, "service_defined"}
    for path in re.findall(r"`((?:reconciler|schemas|tests|docs)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


def test_every_promise_of_reliability_is_held_by_tests_that_exist() -> None:
    promised = (ROOT / "docs" / "reliability.md").read_text().partition("## Not promised")[0]
    rows = re.findall(r"^\| (.*) \| (.*) \|$", promised, re.MULTILINE)[1:]
    assert len(rows) > 15
    for promise, held in rows:
        paths = re.findall(r"`(tests/[\w/]+\.py)`", held)
        assert paths, promise
        for path in paths:
            assert re.search(r"def test_|\.TestCase\b", (ROOT / path).read_text()), path


def test_a_checklist_has_at_most_five_files() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        if section.startswith(("Add", "Change")):
            assert len(re.findall(r"^\d+\. ", section, re.MULTILINE)) <= 5, section.splitlines()[0]

"""The ready-made workflow files: they are whole YAML, and every command in them exists with those options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli import main
from reconciler.cli.main import VERBS, load_verb

FOLDER = Path(main.__file__).parents[2] / "examples" / "ci"
FILES = sorted(FOLDER.iterdir())
KNOWN = {verb.name: verb for _, verbs in VERBS for verb in verbs}


def scripts(value: Any) -> Iterator[str]:
    """Everything that a shell is given, from wherever it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("run", "script"):
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from scripts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scripts(inner)


def commands(file: Path) -> list[list[str]]:
    text = file.read_text()
    lines = text.splitlines() if file.suffix == ".sh" else list(scripts(yaml.safe_load(text)))
    found = []
    for line in lines:
        for part in re.split(r"\|\||&&|;|\|", line):
            words = shlex.split(part, comments=True)
            if words and words[0] == "fleet":
                found.append([word for word in words[1:] if not word.startswith(">")])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_commands_exist_with_these_options(file: Path) -> None:
    found = commands(file)
    assert {words[0] for words in found} >= {"validate", "apply"}
    for words in found:
        command: Any = load_verb(KNOWN[words[0]])
        arguments = [word for word in words[1:] if word not in (">>", "$GITHUB_STEP_SUMMARY")]
        command.make_context(words[0], list(arguments))


def test_there_is_one_for_each_kind_of_build_server() -> None:
    assert [file.name for file in FILES] == ["github-actions.yml", "gitlab-ci.yml", "plain-git.sh"]

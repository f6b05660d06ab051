"""Every command has help with examples and is documented; a group of commands passes for those inside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main
from reconciler.cli.main import VERBS, Verb, load_verb, run

ALL = [verb for _, verbs in VERBS for verb in verbs]


def commands(words: tuple[str, ...], found: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command itself, or those inside a group."""
    inner = getattr(found, "commands", None)
    if inner is None:
        yield words, found
        return
    context = found.make_context(words[-1], [], resilient_parsing=True)
    for word in found.list_commands(context):
        yield from commands((*words, word), found.get_command(context, word))


@pytest.mark.parametrize("verb", ALL, ids=lambda verb: verb.name)
def test_every_command_has_help_with_examples(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    for words, _ in commands((verb.name,), load_verb(verb)):
        assert run([*words, "--help"]) == 0
        examples = capsys.readouterr().out.partition("Examples:")[2]
        assert f"fleet {' '.join(words)}" in examples


@pytest.mark.parametrize("verb", ALL, ids=lambda verb: verb.name)
def test_every_option_has_help(verb: Verb) -> None:
    for words, command in commands((verb.name,), load_verb(verb)):
        for parameter in command.params:
            assert parameter.help, f"{' '.join(words)}: {parameter.name}"


@pytest.mark.parametrize("verb", ALL, ids=lambda verb: verb.name)
def test_every_verb_is_in_the_documentation(verb: Verb) -> None:
    root = Path(main.__file__).parents[2]
    assert f"fleet {verb.name}" in (root / "README.md").read_text()
    documents = {file.name: file.read_text() for file in (root / "docs").glob("*.md")}
    for words, _ in commands((verb.name,), load_verb(verb)):
        assert f"### fleet {' '.join(words)}\n" in documents["commands.md"]

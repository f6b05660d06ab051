"""Write docs/commands.md from the commands themselves, or check with `--check` that it is what they say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconciler.cli.main import VERBS, load_verb
from reconciler.cli.options import shared_option_names

FILE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
_HEAD = """\
# Commands

Written from the commands' own help by `make docs`; `fleet COMMAND --help` says the same.

`fleet --remote URL COMMAND` looks at the fleet of a server elsewhere (`fleet serve`), with the token in `FLEET_TOKEN`. It
works for what reads: `status`, `why`, `history`, `events`, `diff`, and the lists of `missions`, `sorties`, `specialists`,
`squawk`, `locks` and `checkpoints`.

Commands about a project share these options:

"""


def main(arguments: list[str]) -> int:
    """1 when the file is stale and was only to be checked."""
    text = "\n".join(document()) + "\n"
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        print("docs/commands.md is what the commands say")
        return 0
    print("docs/commands.md is not what the commands say now: make docs", file=sys.stderr)
    return 1


def document() -> Iterator[str]:
    """The lines of the file."""
    shared = shared_option_names()
    status = load_verb(next(verb for _, verbs in VERBS for verb in verbs if verb.name == "status"))
    yield _HEAD + "\n".join(options([one for one in status.params if one.name in shared]))
    for title, verbs in VERBS:
        yield f"\n## {title}"
        for verb in verbs:
            yield from command(f"fleet {verb.name}", load_verb(verb), shared)


def command(name: str, found: Any, shared: frozenset[str]) -> Iterator[str]:
    """One command, then those inside it."""
    yield f"\n### {name}\n"
    yield from prose(found.help or "")
    own = [one for one in found.params if one.name not in shared and one.name != "help"]
    arguments = [one for one in own if one.param_type_name == "argument"]
    named = [one for one in own if one.param_type_name == "option" and not getattr(one, "hidden", False)]
    if arguments or named:
        yield ""
        yield from options([*arguments, *named])
    inner = getattr(found, "commands", None)
    if inner is not None:
        context = found.make_context(name, [], resilient_parsing=True)
        for word in found.list_commands(context):
            yield from command(f"{name} {word}", found.get_command(context, word), shared)


def prose(text: str) -> Iterator[str]:
    """A command's help: paragraphs on one line each, what is set in as code."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ""
        lines = paragraph.strip("\n").splitlines()
        if lines and lines[0].strip() == "\b":
            yield from _kept(lines[1:])
        else:
            yield " ".join(line.strip() for line in lines)


def _kept(lines: list[str]) -> Iterator[str]:
    """A block whose line ends count: headings, and under them what is set in."""
    before_was_code = None
    for line in lines:
        is_code = line.startswith(" ")
        if before_was_code is not None and (is_code != before_was_code or line.endswith(":")):
            yield ""
        yield f"    {line.strip()}" if is_code else line.strip()
        before_was_code = is_code


def options(found: list[Any]) -> Iterator[str]:
    """A table of arguments and options."""
    yield "| | |"
    yield "|---|---|"
    for one in found:
        if one.param_type_name == "argument":
            words = one.metavar or one.name.upper()
        else:
            words = ", ".join([*one.opts, *one.secondary_opts])
            if not one.is_flag and one.metavar:
                words += f" {one.metavar}"
        text = (getattr(one, "help", "") or "").replace("|", "\\|")
        yield f"| `{words}` | {text} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Cases in text files: the files of a project, how they are loaded, and the exact lines that come of it.

A case begins with `### title`. A line `@ words` gives options as `fleet` takes them (`--env`, `--var`, `--var-file`,
`--profile`), `NAME=value` for the environment, and makers of odd files (`link NAME TARGET`, `pipe NAME`, `folder NAME`,
`bytes NAME HEX`, `repeat NAME COUNT TEXT`). `--- name` begins a file; `--- problems` and `--- warnings` the expected
lines, without which there are none.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import SpecInvalid
from reconciler.spec.load import LoadOptions, load

FOLDER = Path(__file__).parent / "cases"


@dataclass
class Case:
    title: str
    options: list[list[str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.txt")):
        yield from parse_cases(path.read_text(), path.stem)


def parse_cases(text: str, stem: str) -> Iterator[Case]:
    case: Case | None = None
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("### "):
            if case is not None:
                yield case
            case, lines = Case(f"{stem}: {line[4:]}"), []
        elif case is not None and line.startswith("@ "):
            case.options.append(shlex.split(line[2:]))
        elif case is not None and line.startswith("--- "):
            name = line[4:]
            lines = []
            if name == "problems":
                lines = case.problems
            elif name == "warnings":
                lines = case.warnings
            else:
                case.files[name] = ""
                lines = _File(case.files, name)
        elif line or isinstance(lines, _File):
            lines.append(line)
    if case is not None:
        yield case


class _File(list[str]):
    def __init__(self, files: dict[str, str], name: str) -> None:
        super().__init__()
        self._files = files
        self._name = name

    def append(self, line: str) -> None:
        self._files[self._name] += line + "\n"


def outcome(case: Case, folder: Path) -> tuple[list[str], list[str]]:
    """The problems and warnings of a case, whose project is made in this folder, which is the current one."""
    for name, text in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    options = _options(case, folder)
    try:
        loaded = load(folder / "fleet.yaml", project=folder, options=options)
    except SpecInvalid as error:
        outside = str(folder.parent)
        return [str(problem).replace(outside, "<outside>") for problem in error.problems], []
    return [], [str(warning) for warning in loaded.warnings]


def _options(case: Case, folder: Path) -> LoadOptions:
    env = ""
    variables: dict[str, str] = {}
    var_files: list[Path] = []
    profiles: list[str] = []
    environ: dict[str, str] = {"HOME": "/home/nobody"}
    key = b""
    for words in case.options:
        _make(words, folder)
        for word, value in zip(words, [*words[1:], ""], strict=True):
            name, equals, rest = value.partition("=")
            if word == "--env":
                env = value
            elif word == "--var":
                variables[name] = rest
            elif word == "--var-file":
                var_files.append(folder / value)
            elif word == "--profile":
                profiles.append(value)
            elif word == "key":
                key = b"k" * 32
            elif word == "environ" and equals:
                environ[name] = rest
    return LoadOptions(env, variables, tuple(var_files), tuple(profiles), environ, key)


def _make(words: list[str], folder: Path) -> None:
    if words[0] in {"link", "pipe", "folder", "bytes", "repeat"}:
        path = folder / words[1]
        path.parent.mkdir(parents=True, exist_ok=True)
    if words[0] == "link":
        path.symlink_to(words[2])
    elif words[0] == "pipe":
        os.mkfifo(path)
    elif words[0] == "folder":
        path.mkdir(exist_ok=True)
    elif words[0] == "bytes":
        path.write_bytes(bytes.fromhex(words[2]))
    elif words[0] == "repeat":
        path.write_text(words[3].encode().decode("unicode_escape") * int(words[2]))

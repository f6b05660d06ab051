"""Documents whose commands can be run: files to write, files to add to, and command lines with what they print.

```yaml title=fleet.yaml      the file's content from here on
```yaml append=fleet.yaml     more of it
```console                    `$ ` begins a command line; lines below it are in what it prints
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)(?: (title|append)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Written:
    """A file that the reader writes, or adds to."""

    name: str
    text: str
    append: bool


@dataclass(frozen=True)
class Typed:
    """A command line that the reader types, and lines that it prints among others."""

    command: str
    printed: tuple[str, ...]


def steps(document: Path) -> Iterator[Written | Typed]:
    """What a reader does from top to bottom."""
    for kind, how, name, body in _FENCE.findall(document.read_text()):
        if how:
            yield Written(name, body, how == "append")
        elif kind == "console":
            yield from _typed(body)


def _typed(body: str) -> Iterator[Typed]:
    command, printed = "", []
    for line in body.splitlines():
        if line.startswith("$ "):
            if command:
                yield Typed(command, tuple(printed))
            command, printed = line[2:], []
        elif line.strip():
            printed.append(line)
    if command:
        yield Typed(command, tuple(printed))


def prints(output: str, line: str) -> bool:
    """Whether a line is printed, whatever its numbers and its spacing are; the line may be the beginning of a longer one."""
    return _plain(line) in _plain(output)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"\d+(\.\d+)?", "0", text).split())

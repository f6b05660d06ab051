"""What a command would do, for an engine that runs none: a few shell words, read by rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Line = tuple[Literal["stdout", "stderr"], bytes]


def run(
    words: tuple[str, ...], environment: Mapping[str, str], files: Mapping[str, bytes]
) -> tuple[list[Line], int | None]:
    """What it prints, and its exit code; None when it goes on running.

    Known: `echo`, `cat`, `sleep`, `exit`, `true`, `false`, and `sh -c` with these, one after another.
    Anything else runs without end, as a server does.
    """
    statements = words[2].split(";") if words[:2] == ("sh", "-c") else [" ".join(words)]
    lines: list[Line] = []
    code: int | None = 0 if words else None
    for statement in statements:
        printed, code, ends = _one(statement.split(), environment, files)
        lines += printed
        if code is None or ends:
            break
    return lines, code


def _one(
    words: list[str], environment: Mapping[str, str], files: Mapping[str, bytes]
) -> tuple[list[Line], int | None, bool]:
    """What one statement prints, its exit code, and whether it ends the shell."""
    source: Literal["stdout", "stderr"] = "stderr" if ">&2" in words else "stdout"
    match [word for word in words if word != ">&2"]:
        case ["echo", *rest]:
            told = (environment.get(word[1:], "") if word.startswith("$") else word for word in rest)
            return [(source, " ".join(told).encode())], 0, False
        case ["cat", path]:
            known = path in files
            return [(source, line) for line in files.get(path, b"").splitlines()], 0 if known else 1, False
        case ["exit", code]:
            return [], int(code), True
        case ["true"]:
            return [], 0, False
        case ["false"]:
            return [], 1, False
        case _:
            return [], None, False

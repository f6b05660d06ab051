"""Env files: `NAME=value` lines, as Docker and Compose read them.

Blank lines and lines that begin with `#` are passed over, `export ` before a name as well. A value may stand in single
quotes (taken as it is) or in double quotes (`\\n`, `\\t`, `\\"`, `\\\\` and `\\$` mean what they mean in a shell); outside
of quotes a ` #` begins a comment. Nothing is substituted. Of two lines with one name the later one holds.
"""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.errors import FleetError
from reconciler.spec.source import MAX_FILE_BYTES, Unreadable, read_regular, shown_path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_env_file(path: Path) -> dict[str, str]:
    """The names and values of an env file.

    Raises:
        FleetError: with file and line; never with any part of a value.
    """
    try:
        data = read_regular(path, limit=MAX_FILE_BYTES)
    except Unreadable as error:
        raise FleetError(f"the env file {shown_path(path)} {error}") from None
    return parse_env(data, shown_path(path))


def parse_env(data: bytes, shown: str) -> dict[str, str]:
    """The same from bytes that were read already; `shown` names the file in errors."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data[: error.start].count(b"\n") + 1
        raise FleetError("the env file is not UTF-8", where=f"{shown}:{at}") from None
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            name, value = _assignment(stripped)
        except ValueError as error:
            raise FleetError(str(error), where=f"{shown}:{number}", hint="an env file holds NAME=value lines") from None
        values[name] = value
    return values


def _assignment(line: str) -> tuple[str, str]:
    name, equals, rest = line.partition("=")
    name = name.removeprefix("export ").strip()
    if not equals:
        raise ValueError("this line of the env file has no =")
    if not _NAME.fullmatch(name):
        raise ValueError("what stands before the = in this line is not a variable's name")
    rest = rest.strip()
    if "\0" in rest:
        raise ValueError(f"the value of {name} holds a NUL character")
    if rest[:1] in {"'", '"'}:
        return name, _quoted(name, rest)
    return name, _COMMENT.sub("", rest).rstrip()


def _quoted(name: str, text: str) -> str:
    quote = text[0]
    end = 1
    while end < len(text) and text[end] != quote:
        end += 2 if quote == '"' and text[end] == "\\" else 1
    if end >= len(text):
        raise ValueError(f"the value of {name} begins with a quote that does not end on this line")
    after = text[end + 1 :].strip()
    if after and not after.startswith("#"):
        raise ValueError(f"something follows the closing quote of {name}")
    inner = text[1:end]
    if quote == "'":
        return inner
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), inner)

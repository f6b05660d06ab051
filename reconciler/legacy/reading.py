"""A squawk.json with the place of every record.

The frame of the file is walked by hand and each record is decoded on its own, so that whatever is odd can be pointed at,
and a key that is there twice is seen instead of silently losing the first one.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.errors import FleetError, NotFound
from reconciler.legacy.records import SECTIONS
from reconciler.spec.source import shown_path

_SPACE = re.compile(r"[ \t\n\r]*")


class LegacyBroken(FleetError):
    """The file is no squawk.json, or is damaged; nothing of it was imported."""

    exit_code = 3
    http_status = 422
    code = "legacy_broken"


class Placed(NamedTuple):
    """One record: the key it stands under, its value, and where it begins."""

    key: str
    value: Any
    line: int
    column: int


@dataclass(slots=True)
class OldFile:
    """What a file holds, in its order; a key that is there twice is there twice.

    Attributes:
        name: the file as the person knows it.
        digest: `sha256:…` of its text.
        no_sections: sections that are null or an empty list.
        no_lists: what stands for a mailbox's events and is no list.
        twice: keys that are there twice inside of a record.
    """

    name: str
    digest: str
    mailboxes: list[Placed] = field(default_factory=list)
    events: list[tuple[Placed, list[Placed]]] = field(default_factory=list)
    cursors: list[Placed] = field(default_factory=list)
    locks: list[Placed] = field(default_factory=list)
    extra: list[Placed] = field(default_factory=list)
    no_sections: list[Placed] = field(default_factory=list)
    no_lists: list[Placed] = field(default_factory=list)
    twice: list[Placed] = field(default_factory=list)


def read_old_file(path: Path) -> OldFile:
    """Read a file.

    Raises:
        NotFound: there is none.
        LegacyBroken: with line and column of what is wrong.
    """
    shown = shown_path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no {shown}") from None
    except OSError as error:
        raise LegacyBroken(f"{shown} cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LegacyBroken("the file is not UTF-8", where=f"{shown}:{line}") from None
    return read_text(text, shown)


def read_text(text: str, name: str) -> OldFile:
    """The same from text that was read already; `name` stands for the file.

    Raises:
        LegacyBroken: with line and column of what is wrong.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    found = OldFile(name, f"sha256:{digest}")
    _Walk(text, found).file()
    return found


class _Walk:
    def __init__(self, text: str, found: OldFile) -> None:
        self.text = text
        self.found = found
        self.at = 0
        self.decoder = json.JSONDecoder(object_pairs_hook=self.pairs, parse_constant=self.constant)
        self.twice: list[str] = []
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def file(self) -> None:
        """The whole text: one object with sections."""
        self.space()
        if not self.is_next("{"):
            raise self.broken("a squawk.json begins with {")
        for key, place in self.object():
            if key in SECTIONS:
                self.section(key, place)
            else:
                self.found.extra.append(self.record(key, place))
        self.space()
        if self.at != len(self.text):
            raise self.broken("something follows after the end of the file's object")

    def section(self, key: str, place: int) -> None:
        """A section by key; null and an empty list are as good as an empty one."""
        if not self.is_next("{"):
            record = self.record(key, place)
            if record.value not in (None, []):
                self.at = place
                raise self.broken(f"{key} is no object with a record for each id")
            self.found.no_sections.append(record)
            return
        for name, start in self.object():
            if key == "events" and self.is_next("["):
                self.found.events.append((self.placed(name, None, start), list(self.items())))
            elif key == "events":
                self.found.no_lists.append(self.record(name, start))
            else:
                getattr(self.found, key).append(self.record(name, start))

    def object(self) -> Iterator[tuple[str, int]]:
        """The keys of an object, with the place where each value begins; the consumer reads the value."""
        self.take("{")
        self.space()
        while not self.is_next("}"):
            if not self.is_next('"'):
                raise self.broken("a key in double quotes is missing")
            key = str(self.value())
            self.space()
            self.take(":")
            self.space()
            yield key, self.at
            self.more("}")
        self.take("}")

    def items(self) -> Iterator[Placed]:
        """The values of a list."""
        self.take("[")
        self.space()
        number = 0
        while not self.is_next("]"):
            yield self.record(str(number), self.at)
            number += 1
            self.more("]")
        self.take("]")

    def more(self, end: str) -> None:
        """A comma and another one, or the end."""
        self.space()
        if self.is_next(end):
            return
        comma = self.at
        self.take(",")
        self.space()
        if self.is_next(end):
            self.at = comma
            raise self.broken(f"a comma stands before {end}")

    def record(self, key: str, place: int) -> Placed:
        self.twice.clear()
        found = self.placed(key, self.value(), place)
        for name in self.twice:
            self.found.twice.append(found._replace(key=name, value=None))
        return found

    def placed(self, key: str, value: Any, place: int) -> Placed:
        line = bisect_right(self.starts, place)
        return Placed(key, value, line, place - self.starts[line - 1] + 1)

    def value(self) -> Any:
        """One whole JSON value."""
        try:
            value, self.at = self.decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = error.pos
            raise self.broken(f"this is not JSON: {error.msg}") from None
        except RecursionError:
            raise self.broken("values are nested too deeply") from None
        return value

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object inside of a record; of a key that is there twice the last one counts."""
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            self.twice.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return found

    def constant(self, name: str) -> Any:
        raise self.broken(f"{name} is no JSON")

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def is_next(self, sign: str) -> bool:
        return self.text.startswith(sign, self.at)

    def take(self, sign: str) -> None:
        if not self.is_next(sign):
            raise self.broken(f"a {sign} is missing here" if self.at < len(self.text) else "the file ends too early")
        self.at += 1

    def broken(self, what: str) -> LegacyBroken:
        place = self.placed("", None, min(self.at, len(self.text)))
        where = f"{self.found.name}:{place.line}:{place.column}"
        return LegacyBroken(what, where=where, hint="nothing was imported; mend the file and run it again")

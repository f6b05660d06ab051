"""Files that are read for a fleet: only regular ones, only so large, only UTF-8, each with its digest.

A pipe or a device in place of a file would block or never end, so nothing is read before the open descriptor is known to
be a regular file.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reconciler.spec.wording import visible

MAX_FILE_BYTES = 1024 * 1024
MAX_CONTENT_BYTES = 8 * 1024 * 1024


@cache
def _not_yaml() -> re.Pattern[str]:
    """A character that YAML does not allow. So large a set takes milliseconds to compile, and most runs read no YAML."""
    return re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(Exception):
    """A file that is not read; the text completes a sentence that begins with its name.

    Attributes:
        line: 1-based place of what is wrong inside the file; 0 for the file as a whole.
        column: the same for the column.
    """

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One file of the fleet.

    Attributes:
        shown: its path as the person knows it.
        path: its absolute path.
        folder: what paths written in it are relative to.
        text: its content.
        digest: `sha256:…` over its bytes.
    """

    shown: str
    path: Path
    folder: Path
    text: str
    digest: str


def shown_path(path: Path) -> str:
    """The path relative to the current folder if it lies in it, else absolute."""
    try:
        return visible(str(path.relative_to(Path.cwd())))
    except (ValueError, OSError):
        return visible(str(path))


def read_regular(path: Path, *, limit: int, commanding: bool = False) -> bytes:
    """The bytes of a regular file.

    Args:
        commanding: it says what is to be done. Root does not take that from a file that everybody may write to.

    Raises:
        Unreadable: when it is missing, not a regular file, longer than the limit, not permitted or not to be trusted.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Unreadable("is not there") from None
    except (OSError, ValueError) as error:
        raise Unreadable(_in_words(error)) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable(f"is {kind_of(found.st_mode)}, not a file")
        if commanding and found.st_mode & stat.S_IWOTH and os.geteuid() == 0:
            raise Unreadable("may be written by everybody, and root would do what it says: chmod o-w")
        data = b"" if found.st_size > limit else _read_all(descriptor, limit + 1)
    except OSError as error:
        raise Unreadable(_in_words(error)) from None
    finally:
        os.close(descriptor)
    if found.st_size > limit or len(data) > limit:
        raise Unreadable(f"is larger than {limit:,} bytes")
    return data


def _read_all(descriptor: int, most: int) -> bytes:
    parts = []
    while most > 0 and (part := os.read(descriptor, most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def kind_of(mode: int) -> str:
    """What a directory entry is, in words."""
    for test, words in (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return words
    return "a device"


def _in_words(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return "has a name that no file can have"


def decode(data: bytes) -> str:
    """The text of a YAML file.

    Raises:
        Unreadable: with the place of the first byte or character that YAML does not take.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("is UTF-16; save it as UTF-8", 1, 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        raise Unreadable(f"is not UTF-8: byte 0x{data[error.start]:02x}", *place_after(before)) from None
    wrong = _not_yaml().search(text)
    if wrong:
        raise Unreadable(
            f"holds the character U+{ord(wrong[0]):04X}, which YAML forbids", *place_after(text[: wrong.start()])
        )
    return text


def place_after(text: str) -> tuple[int, int]:
    """Line and column, 1-based, of the character that follows this text."""
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def content_digest(data: bytes) -> str:
    """`sha256:` and the hex digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_source(path: Path) -> Source:
    """One file of YAML text.

    Raises:
        Unreadable: when it cannot be read, is too large or is not UTF-8 text.
    """
    data = read_regular(path, limit=MAX_FILE_BYTES, commanding=True)
    return Source(shown_path(path), path, path.parent, decode(data), content_digest(data))

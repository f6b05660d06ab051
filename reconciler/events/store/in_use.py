"""Which logs this process has open, and how their files may be looked at.

POSIX takes away every lock of a process on a file as soon as the process closes any descriptor of it, SQLite's locks too.
So a file that SQLite has open here is never opened beside it: another process would believe to be alone with it and remove
the write-ahead log that is still read.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

_File = tuple[int, int]

_LOCK = threading.Lock()
_IN_USE: Counter[_File] = Counter()


def take(path: Path) -> _File | None:
    """Say that SQLite is about to open a file; what is returned is to be given back when it has closed it.

    None when the file cannot be asked about: SQLite is the one to say what is wrong with it.
    """
    with _LOCK:
        try:
            stat = path.stat()
        except OSError:
            return None
        file = (stat.st_dev, stat.st_ino)
        _IN_USE[file] += 1
        return file


def give_back(file: _File) -> None:
    """SQLite has closed a file."""
    with _LOCK:
        _IN_USE[file] -= 1
        if not _IN_USE[file]:
            del _IN_USE[file]


def first_bytes(path: Path, count: int) -> bytes | None:
    """The beginning of a file; None where SQLite has it open here and has looked at it itself.

    Raises:
        OSError: the file is not there or cannot be read.
    """
    with _LOCK:
        stat = path.stat()
        if stat.st_size and (stat.st_dev, stat.st_ino) in _IN_USE:
            return None
        with path.open("rb") as file:
            return file.read(count)

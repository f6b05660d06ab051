"""The file that takes what a process prints: private, kept small, read from its end.

Rotation happens where nobody can write to the file meanwhile (before a process is started) by renaming; while one runs
the file is copied and emptied, which is sound because it is written to by appending only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

LIMIT_BYTES = 10_000_000
KEEP = 3
_CHUNK = 65_536


def open_log(path: Path, *, limit: int = LIMIT_BYTES, keep: int = KEEP) -> int:
    """A descriptor to append to the file, which is made 0600 in a folder of 0700; a large one is put aside first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _size(path) > limit:
        _shift(path, keep)
        path.replace(_older(path, 1))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def trim(path: Path, *, limit: int = LIMIT_BYTES, keep: int = KEEP) -> bool:
    """Put aside what is in a file that a process may be writing to; whether it was large enough for that."""
    if _size(path) <= limit:
        return False
    _shift(path, keep)
    aside = _older(path, 1)
    with path.open("rb") as source, open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as copy:
        shutil.copyfileobj(source, copy)
    os.truncate(path, 0)
    return True


def trim_all(folder: Path, *, limit: int = LIMIT_BYTES) -> None:
    """The same for every log in a folder; one that goes away meanwhile is no error."""
    for path in sorted(folder.glob("*.log")) if folder.is_dir() else ():
        try:
            trim(path, limit=limit)
        except OSError:
            continue


def end_of(path: Path) -> int:
    """Where the file ends now: what is read up to there and followed from there is read once."""
    return _size(path)


def last_lines(path: Path, count: int | None, *, end: int | None = None) -> list[bytes]:
    """The last lines, without their ends; all of them for None, those put aside included.

    Args:
        end: read no further than this.
    """
    end = _size(path) if end is None else end
    if count is None:
        files = [_older(path, number) for number in range(KEEP, 0, -1)]
        aside = [line for file in files if file.exists() for line in file.read_bytes().splitlines()]
        return aside + (path.read_bytes()[:end].splitlines() if path.exists() else [])
    if count == 0 or not path.exists():
        return []
    with path.open("rb") as file:
        data = b""
        while end > 0 and data.count(b"\n") <= count:
            begin = max(0, end - _CHUNK)
            file.seek(begin)
            data = file.read(end - begin) + data
            end = begin
    return data.splitlines()[-count:]


def follow(path: Path, position: int) -> Iterator[bytes | None]:
    """Lines that are written from a position on, and None whenever there is none; begins anew where it was put aside."""
    rest = b""
    while True:
        size = _size(path)
        if size < position:
            position, rest = 0, b""
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                data = file.read()
            position += len(data)
            *lines, rest = (rest + data).split(b"\n")
            yield from lines
        yield None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _shift(path: Path, keep: int) -> None:
    for number in range(keep - 1, 0, -1):
        if _older(path, number).exists():
            _older(path, number).replace(_older(path, number + 1))

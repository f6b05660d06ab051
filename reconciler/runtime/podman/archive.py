"""Tar archives as the engine takes them: one file for a container, or files of the disk, piece by piece."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import PurePosixPath

_PIECE = 1 << 16
_BLOCK = tarfile.BLOCKSIZE
END = bytes(_BLOCK * 2)


def one_file(target: str, data: bytes, *, mode: int, uid: int, gid: int, whole_path: bool) -> bytes:
    """An archive with one regular file.

    Args:
        target: absolute path inside the container.
        data: its content.
        mode: permission bits.
        uid: owner.
        gid: group.
        whole_path: whether the archive is unpacked at the root (folders on the way are made) and not beside the file.
    """
    path = PurePosixPath(target)
    entry = tarfile.TarInfo(str(path.relative_to("/")) if whole_path else path.name)
    entry.size, entry.mode, entry.uid, entry.gid = len(data), mode, uid, gid
    return b"".join(_entry(entry, [data])) + END


def file_entry(path: str, name: str) -> Iterator[bytes]:
    """One file or symbolic link of the disk as part of an archive, piece by piece.

    Raises:
        OSError: it cannot be read.
    """
    status = os.lstat(path)
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = status.st_mode & 0o7777, int(status.st_mtime)
    if stat.S_ISLNK(status.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
        yield from _entry(entry, [])
        return
    entry.size = status.st_size
    with open(path, "rb") as opened:
        yield from _entry(entry, _exactly(opened, entry.size))


def _exactly(opened: BufferedReader, size: int) -> Iterator[bytes]:
    """The first `size` bytes, filled up with zeros should the file have become shorter meanwhile."""
    while size:
        piece = opened.read(min(_PIECE, size)) or bytes(min(_PIECE, size))
        size -= len(piece)
        yield piece


def _entry(entry: tarfile.TarInfo, content: Iterable[bytes]) -> Iterator[bytes]:
    yield entry.tobuf(tarfile.PAX_FORMAT)
    yield from content
    if entry.size % _BLOCK:
        yield bytes(_BLOCK - entry.size % _BLOCK)

"""Tar archives as the engine takes them: one file for a container, or a build's context, piece by piece."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

_PIECE = 1 << 16
_BLOCK = tarfile.BLOCKSIZE


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
    return b"".join(_entry(entry, [data])) + bytes(_BLOCK * 2)


def context_archive(folder: Path, files: Iterable[str], *, extra: tuple[str, bytes] | None = None) -> Iterator[bytes]:
    """A build's context as a stream; it is never in memory as a whole.

    Args:
        folder: the context.
        files: paths below it, in the order they are sent.
        extra: name and content of a file that is not part of the folder.
    """
    for name in files:
        yield from _file(folder / name, name)
    if extra is not None:
        entry = tarfile.TarInfo(extra[0])
        entry.size, entry.mode = len(extra[1]), 0o644
        yield from _entry(entry, [extra[1]])
    yield bytes(_BLOCK * 2)


def _file(path: Path, name: str) -> Iterator[bytes]:
    status = path.lstat()
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = status.st_mode & 0o7777, int(status.st_mtime)
    if path.is_symlink():
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        yield from _entry(entry, [])
    elif path.is_dir():
        entry.type = tarfile.DIRTYPE
        yield from _entry(entry, [])
    else:
        entry.size = status.st_size
        with path.open("rb") as opened:
            yield from _entry(entry, _exactly(opened, entry.size))


def _exactly(opened: io.BufferedReader, size: int) -> Iterator[bytes]:
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

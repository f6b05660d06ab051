"""Files and folders of the log, apart from what SQLite does with them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def beside(path: Path, suffix: str) -> Path:
    """The file of the same name with something added."""
    return path.with_name(path.name + suffix)


def make_private_folder(folder: Path) -> None:
    """A folder, with those above it, for the owner only where they are new; those that are there stay as they are."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """An empty new file for the owner only; what SQLite puts beside it gets the same permissions."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def move_into_place(partial: Path, path: Path) -> None:
    """Give a finished file its name, durably; one of that name is replaced at the same instant."""
    os.replace(partial, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep others who make, migrate or move files in this folder waiting. Leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

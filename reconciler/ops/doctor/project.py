"""Checks of one project: its file, its event log, and the room on the disks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from reconciler.errors import LogUnusable, NotFound
from reconciler.ops.doctor.finding import Finding, Surroundings
from reconciler.paths import data_dir
from reconciler.units import format_size

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_TIGHT, _FULL = 2 << 30, 200 << 20
# Write-ahead logging needs memory that all processes share, which these cannot give between machines.
_SHARED_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "fuse.glusterfs", "vboxsf"}
)


def fleet_file(file: Path) -> Iterator[Finding]:
    """The fleet file is there, can be read, and nobody else can write it: what it says is run."""
    if not file.exists():
        yield Finding("file", "note", f"there is no {file}", "fleet init")
        return
    if not os.access(file, os.R_OK):
        yield Finding("file", "broken", f"{file} cannot be read", f"chmod u+r {file}")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & stat.S_IWOTH:
        yield Finding("file", "broken", f"everybody may write {file}, and so run what they like", f"chmod o-w {file}")
    elif mode & stat.S_IWGRP:
        yield Finding("file", "warning", f"its group may write {file}, and so run what they like", f"chmod g-w {file}")
    else:
        yield Finding("file", "ok", f"{file}")


def log(database: Path, around: Surroundings) -> Iterator[Finding]:
    """The event log can be read and written, by its owner alone, on a disk that can hold it."""
    yield from _file_system(database, around)
    if not database.exists():
        yield from _place_for(database)
        return
    yield from _permissions(database)
    yield from _contents(database)


def room(folder: Path, what: str) -> Iterator[Finding]:
    """There is space left where something is kept."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    left = f"{format_size(free >> 20 << 20)} free for {what} at {folder}"
    if free < _FULL:
        yield Finding("disk", "broken", f"only {left}", "make room: podman image prune, fleet compact")
    elif free < _TIGHT:
        yield Finding("disk", "warning", f"only {left}", "make room: podman image prune, fleet compact")
    else:
        yield Finding("disk", "ok", left)


def _place_for(database: Path) -> Iterator[Finding]:
    folder = database.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if os.access(folder, os.W_OK | os.X_OK):
        yield Finding("log", "ok", f"nothing has been applied yet; the log will be {database}")
    else:
        yield Finding("log", "broken", f"the log cannot be made: {folder} cannot be written", "set FLEET_DATA_DIR")


def _permissions(database: Path) -> Iterator[Finding]:
    ours = [(path, _FILE_MODE) for path in _files(database)]
    if database.is_relative_to(data_dir()):
        ours.insert(0, (database.parent, _FOLDER_MODE))
    wrong = [f"chmod {wanted:o} {path}" for path, wanted in ours if stat.S_IMODE(path.stat().st_mode) & ~wanted]
    if wrong:
        yield Finding("log", "warning", "others may read the event log", " && ".join(wrong))
    if not all(os.access(path, os.R_OK | os.W_OK) for path, _ in ours):
        yield Finding("log", "broken", f"{database} cannot be written by this user", f"chown {os.getuid()} {database}*")


def _files(database: Path) -> list[Path]:
    return [path for suffix in ("", "-wal", "-shm") if (path := Path(f"{database}{suffix}")).exists()]


def _contents(database: Path) -> Iterator[Finding]:
    from reconciler.events.store.connection import Pragmas, connect
    from reconciler.projections.store import open_store

    try:
        with open_store(database, mode="read") as store:
            head = store.head()
    except (LogUnusable, NotFound) as problem:
        yield Finding(
            "log", "broken", str(problem), problem.hint or "fleet verify says where; fleet restore brings a backup back"
        )
        return
    try:
        with closing(connect(database, Pragmas(), access="read")) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    except sqlite3.Error as problem:
        yield Finding("log", "broken", f"{database} cannot be read: {problem}", "fleet restore brings a backup back")
        return
    if verdict != "ok":
        yield Finding("log", "broken", f"{database} is damaged: {verdict}", "fleet restore brings a backup back")
    elif journal != "wal":
        yield Finding(
            "log", "warning", f"{database} does not use write-ahead logging ({journal})", "fleet apply sets it"
        )
    else:
        yield Finding("log", "ok", f"{head} events in {database}")


def _file_system(database: Path, around: Surroundings) -> Iterator[Finding]:
    kind = _kind_of(database, around)
    if kind in _SHARED_FILE_SYSTEMS:
        yield Finding(
            "log",
            "broken",
            f"{database.parent} is on {kind}: the log may be lost when two machines write it",
            "set FLEET_DATA_DIR to a folder on a local disk",
        )


def _kind_of(path: Path, around: Surroundings) -> str:
    """The kind of file system that holds a path; empty where the machine does not tell."""
    holder, kind = "", ""
    for line in around.read("/proc/mounts").splitlines():
        words = line.split()
        if len(words) > 2:
            point = words[1].replace("\\040", " ")
            if path.is_relative_to(point) and len(point) >= len(holder):
                holder, kind = point, words[2]
    return kind

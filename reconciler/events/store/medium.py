"""Where a log can live: SQLite's write-ahead log needs memory that all its users share, so one machine and a file system that
maps files. On a network's file system two machines would each believe their own memory, and destroy the log together.
"""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.errors import LogUnusable

_NETWORKED = frozenset(
    [
        *("9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf"),
        *("fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    ]
)
_MOUNTS = Path("/proc/self/mountinfo")
_HINT = "put it on a local disk: database.path in fleet.yaml, --database, or FLEET_DATA_DIR"


def refuse_network(path: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a place on a network's file system. Where the system does not tell of its mounts, nothing is refused.

    Raises:
        LogUnusable: it is one.
    """
    try:
        table = mounts.read_bytes()
    except OSError:
        return
    kind = file_system_of(os.path.realpath(path), table)
    if kind in _NETWORKED:
        raise LogUnusable(
            f"the event log cannot live on a network's file system ({kind}): its users would not see each other's locks",
            where=str(path),
            hint=_HINT,
        )


def file_system_of(path: str, table: bytes) -> str:
    """The type of the file system that holds an absolute path; empty when the table names none.

    Args:
        table: the text of `/proc/self/mountinfo`, described in proc(5).
    """
    longest, kind = -1, ""
    for line in os.fsdecode(table).splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _plain(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of two mounts at one place the later hides the earlier.
        if inside and len(point) >= longest:
            longest, kind = len(point), after.split(" ")[0]
    return kind


def _plain(point: str) -> str:
    """A mount point as it is: the table writes spaces and the like as octal numbers."""
    if "\\" not in point:
        return point
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point


def refuse_without_shared_memory(mode: str, path: Path) -> None:
    """Refuse a file for which SQLite could not begin a write-ahead log.

    Args:
        mode: the journal mode that it chose instead.

    Raises:
        LogUnusable: it is not `wal`.
    """
    if mode != "wal":
        raise LogUnusable(
            f"the event log needs a write-ahead log, and this file system allows only the journal mode {mode!r}",
            where=str(path),
            hint=_HINT,
        )

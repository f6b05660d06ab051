"""The files of checkpoints: `.flightline/checkpoints/<mission>/<id>.json`, and a link `latest` to the newest one.

A file holds what the log holds of a checkpoint, and a digest of that, so that a damaged one is known. It appears whole or
not at all. The folder is for nobody else's eyes, and tells git to pass it over.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from reconciler.events.envelope import Event
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows, Row
from reconciler.work.refusals import InputRefused
from reconciler.work.state import iso

FOLDER = ".flightline"
LATEST = "latest"
_FORMAT = 1
_FIELDS = (
    "id",
    "specialist_id",
    "mission_id",
    "trigger",
    "progress",
    "context",
    "active_sorties",
    "pending_messages",
    "held_locks",
)
_TIMES = ("created_at", "expires_at")


class Files:
    """The files of one project's checkpoints.

    Attributes:
        folder: where they are.
    """

    def __init__(self, project: Path) -> None:
        self._top = project / FOLDER
        self.folder = self._top / "checkpoints"

    def path(self, row: Mapping[str, Any]) -> Path:
        """Where the file of a checkpoint is, or would be."""
        return self._group(row.get("mission_id") or row["specialist_id"]) / f"{_safe(row['id'])}.json"

    def write(self, row: Row) -> Path:
        """Write a checkpoint, and let `latest` mean it unless a newer one is there.

        Raises:
            OSError: the disk is full, or the folder may not be written.
        """
        self._make()
        path = self.path(row)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _write_whole(path, document(row))
        newest = max((one.name for one in path.parent.glob("*.json")), default=path.name)
        _link(path.parent / LATEST, newest)
        return path

    def read(self, checkpoint_id: str) -> Row | None:
        """The row of a checkpoint from its file; None when there is no file.

        Raises:
            InputRefused: the file is damaged.
        """
        path = self._find(checkpoint_id)
        return read_file(path) if path is not None else None

    def remove(self, checkpoint_id: str) -> bool:
        """Remove the file of a checkpoint; whether there was one."""
        path = self._find(checkpoint_id)
        if path is None:
            return False
        path.unlink(missing_ok=True)
        left = sorted(path.parent.glob("*.json"))
        if left:
            _link(path.parent / LATEST, left[-1].name)
        else:
            (path.parent / LATEST).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()
        return True

    def ids(self, group: str = "") -> Iterator[str]:
        """The checkpoints that have a file, of one mission or specialist or of all; in no order."""
        for path in (self._group(group) if group else self.folder).glob("*.json" if group else "*/*.json"):
            yield path.stem

    def group_of(self, checkpoint_id: str) -> str:
        """The mission or specialist whose checkpoint this is, by the folder of its file; empty when there is none."""
        path = self._find(checkpoint_id)
        return unquote(path.parent.name) if path is not None else ""

    def _find(self, checkpoint_id: str) -> Path | None:
        return next(iter(sorted(self.folder.glob(f"*/{_safe(checkpoint_id)}.json"))), None)

    def _group(self, name: str) -> Path:
        return self.folder / _safe(name)

    def _make(self) -> None:
        """The folders, which nobody else may look into."""
        self._top.mkdir(mode=0o700, exist_ok=True)
        ignore = self._top / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        self.folder.mkdir(mode=0o700, exist_ok=True)


def document(row: Row) -> dict[str, Any]:
    """What the file of a checkpoint says."""
    kept: dict[str, Any] = {"format": _FORMAT} | {name: row.get(name) for name in _FIELDS}
    kept |= {name: iso(row[name]) if row.get(name) else None for name in _TIMES}
    return kept | {"digest": _digest(kept)}


def read_file(path: Path) -> Row:
    """The row that a file was written from.

    Raises:
        InputRefused: it is damaged, or of a newer Fleet.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        said = kept.pop("digest")
        if kept["format"] != _FORMAT:
            raise InputRefused(f"{path.name} was written by a newer Fleet", where=str(path), hint="update Fleet")
        if said != _digest(kept):
            raise ValueError("its digest is another one")
        times = {name: _unix_ms(kept[name]) if kept[name] else None for name in _TIMES}
        return {name: kept[name] for name in _FIELDS} | times
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputRefused(f"checkpoint {path.stem} is damaged: {error}", where=str(path)) from error


def row_of(created: Event) -> Row:
    """The row of a checkpoint from the event that made it."""
    rows = MemoryRows()
    fold(created, rows)
    return rows.get("checkpoints", created.data["checkpoint_id"]) or {}


def _write_whole(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _link(link: Path, target: str) -> None:
    """Let a link mean another file; at no moment is there none."""
    if link.is_symlink() and os.readlink(link) == target:
        return
    beside = link.with_name(f".{link.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(link)


def _digest(kept: Mapping[str, Any]) -> str:
    text = json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _safe(name: str) -> str:
    """A name as one part of a path, whatever it is."""
    return quote(name, safe="").replace(".", "%2E")


def _unix_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)

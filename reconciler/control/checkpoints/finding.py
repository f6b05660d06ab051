"""Finding a checkpoint that is whole: in the log, else in its file, else the one before it."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.control.checkpoints.files import Files
from reconciler.errors import NotFound
from reconciler.projections.rows import Row, Rows
from reconciler.work.checkpoints import Checkpoint
from reconciler.work.refusals import InputRefused


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint that can be used, and what was wrong on the way to it."""

    checkpoint: Checkpoint
    row: Row
    warnings: tuple[str, ...] = field(default=())


def find(rows: Rows, files: Files, checkpoint_id: str) -> Found:
    """A checkpoint by its id; when it is damaged everywhere, the one before it of the same mission or specialist.

    Raises:
        NotFound: there is none of this id, or none that can be used.
    """
    warnings: list[str] = []
    found = _whole(rows, files, checkpoint_id, warnings)
    if found is not None:
        return found
    if not warnings:
        raise NotFound(f"there is no checkpoint {checkpoint_id}", hint="fleet checkpoints list")
    before = [key for key in _ids(rows, files, _group_of(rows, files, checkpoint_id)) if key < checkpoint_id]
    return _first_whole(rows, files, before, warnings, f"before {checkpoint_id}")


def newest(rows: Rows, files: Files, group: str) -> Found:
    """The newest checkpoint of a mission or specialist that can be used.

    Raises:
        NotFound: there is none.
    """
    keys = _ids(rows, files, group)
    if not keys:
        raise NotFound(f"there is no checkpoint of {group}", hint="fleet checkpoint takes one")
    return _first_whole(rows, files, keys, [], f"of {group}")


def newest_of_all(rows: Rows, files: Files) -> Found:
    """The newest checkpoint that can be used, whatever it is about.

    Raises:
        NotFound: there is none.
    """
    keys = sorted({*(key for key, _ in rows.scan("checkpoints")), *files.ids()}, reverse=True)
    if not keys:
        raise NotFound("there is no checkpoint", hint="fleet checkpoint takes one")
    return _first_whole(rows, files, keys, [], "at all")


def _first_whole(rows: Rows, files: Files, keys: list[str], warnings: list[str], which: str) -> Found:
    for key in keys:
        found = _whole(rows, files, key, warnings)
        if found is not None:
            return found
    raise NotFound(f"there is no checkpoint {which} that can be used", hint="; ".join(warnings))


def _whole(rows: Rows, files: Files, key: str, warnings: list[str]) -> Found | None:
    """The checkpoint of this id from either place; what is wrong with the other is among the warnings."""
    in_log = rows.get("checkpoints", key)
    checkpoint = _read(in_log, key, "in the log", warnings) if in_log is not None else None
    try:
        in_file = files.read(key)
    except InputRefused as damaged:
        warnings.append(str(damaged))
        return Found(checkpoint, in_log, tuple(warnings)) if checkpoint is not None and in_log is not None else None
    if checkpoint is not None and in_log is not None:
        if in_file is None:
            warnings.append(f"checkpoint {key} is in the log only; its file is missing")
        return Found(checkpoint, in_log, tuple(warnings))
    from_file = _read(in_file, key, "in its file", warnings) if in_file is not None else None
    if from_file is None or in_file is None:
        return None
    if in_log is None:
        warnings.append(f"checkpoint {key} is in its file only; the log does not know it")
    return Found(from_file, in_file, tuple(warnings))


def _read(row: Row, key: str, where: str, warnings: list[str]) -> Checkpoint | None:
    try:
        return Checkpoint.from_row(row)
    except InputRefused as damaged:
        warnings.append(f"{damaged.what} ({where})" if key in damaged.what else f"checkpoint {key}: {damaged.what}")
        return None


def _group_of(rows: Rows, files: Files, key: str) -> str:
    row = rows.get("checkpoints", key)
    if row is not None:
        return str(row["mission_id"] or row["specialist_id"])
    return files.group_of(key)


def _ids(rows: Rows, files: Files, group: str) -> list[str]:
    """The ids of a group's checkpoints, newest first: ids are in the order of time."""
    in_log = {key for key, row in rows.scan("checkpoints") if (row["mission_id"] or row["specialist_id"]) == group}
    return sorted({*in_log, *files.ids(group)}, reverse=True)

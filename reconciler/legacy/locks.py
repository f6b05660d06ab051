"""Old locks as reservations, and their end: released, run out, or in the way of one that is held."""

from __future__ import annotations

from typing import Any

from reconciler.legacy.old_form import lock_fields, remains
from reconciler.legacy.reading import Placed
from reconciler.legacy.records import Record, iso, moment, same, storable
from reconciler.legacy.work import Work, beside
from reconciler.work.locks import DEFAULT_TIMEOUT_MS, normalize, overlaps
from reconciler.work.refusals import InputRefused

_PURPOSES = ("edit", "read", "delete")
_LONGEST_MS = 1 << 53


class LockConversion:
    """Converts the locks of a file."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.keys = {record.key for record in work.old.locks}
        self.held = [
            _normalized(record["file"])
            for record in work.present.records.locks.values()
            if isinstance(record, dict) and isinstance(record.get("file"), str) and _holds(record, work.now_ms)
        ]

    def convert(self) -> None:
        """All of them."""
        for record in self.work.last_of(self.work.old.locks, "locks"):
            path, raw = f"locks.{record.key}", record.value
            if not isinstance(raw, dict) or not all(_is_word(raw.get(key)) for key in ("file", "reserved_by")):
                self.work.keep(
                    record, ["locks", record.key], path, "this is no lock: its file or its holder is missing"
                )
                continue
            present = self.work.present.records.locks.get(record.key)
            if present is not None and same(present, raw):
                self.work.skipped["locks"] += 1
                continue
            self._lock(record, path, raw)
            self.work.imported.locks[record.key] = raw

    def _lock(self, record: Placed, path: str, raw: Record) -> None:
        work = self.work
        lock_id = work.unused("locks", record, work.present.locks, self.keys)
        given = raw.get("reserved_at") if raw.get("reserved_at") is not None else raw.get("acquired_at")
        at_ms = work.time(given, work.now_ms, record, f"{path}.reserved_at")
        timeout_ms = raw.get("timeout_ms")
        if not isinstance(timeout_ms, int) or isinstance(timeout_ms, bool) or not 0 < timeout_ms < _LONGEST_MS:
            work.find(record, f"{path}.timeout_ms", f"this is no time-out; it is {DEFAULT_TIMEOUT_MS} ms")
            timeout_ms = DEFAULT_TIMEOUT_MS
        data: dict[str, Any] = {
            "lock_id": lock_id,
            "file_path": raw["file"],
            "normalized_path": _normalized(raw["file"]),
            "specialist_id": raw["reserved_by"],
            "purpose": raw["purpose"] if raw.get("purpose") in _PURPOSES else "edit",
            "timeout_ms": timeout_ms,
        }
        if _is_word(raw.get("checksum")):
            data["checksum"] = raw["checksum"]
        # When it was released is told by the release.
        derived = {**lock_fields(data, at_ms), "released_at": raw.get("released_at")}
        beside(data, {"key": record.key} if lock_id != record.key else None, remains(raw, derived))
        work.draft("ctk_reserved", ("ctk", lock_id), data, at_ms, rank=3, mark=record.key)
        self._end(record, path, raw, data, at_ms)

    def _end(self, record: Placed, path: str, raw: Record, data: dict[str, Any], at_ms: int) -> None:
        """The release, if the lock is over or has to be."""
        work, released = self.work, raw.get("released_at")
        runs_out = at_ms + data["timeout_ms"]
        if released is not None:
            ended = work.time(released, at_ms, record, f"{path}.released_at")
            told = {} if iso(ended) == released else {"released_at": released}
            # A record that travels as text says its release itself.
            unsaid = "text" in data.get("legacy", {})
            self._release(record.key, data, "explicit", ended, at_ms, {"unsaid": True} if unsaid else told)
        elif runs_out <= work.now_ms:
            work.find(record, path, f"it was never released and has run out at {iso(runs_out)}")
            self._release(record.key, data, "timeout", runs_out, at_ms, {"unsaid": True})
        elif any(overlaps(path_, data["normalized_path"]) for path_ in self.held):
            work.find(record, path, "another lock holds this file, so that this one is over")
            self._release(record.key, data, "crash", work.now_ms, at_ms, {"unsaid": True})
        else:
            self.held.append(data["normalized_path"])

    def _release(
        self, key: str, lock: dict[str, Any], reason: str, ended: int, began: int, legacy: dict[str, Any]
    ) -> None:
        data: dict[str, Any] = {
            "lock_id": lock["lock_id"],
            "file_path": lock["file_path"],
            "specialist_id": lock["specialist_id"],
            "release_reason": reason,
        }
        beside(data, legacy)
        draft = self.work.draft("ctk_released", ("ctk", lock["lock_id"]), data, ended, rank=4, mark=key)
        draft.time = max(began, ended)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and storable(value)


def _normalized(file: str) -> str:
    """One spelling for the file; its own where that leads out of the project."""
    try:
        return normalize(file)
    except InputRefused:
        return file


def _holds(record: Record, now_ms: int) -> bool:
    reserved = moment(record.get("reserved_at"))
    timeout = record.get("timeout_ms")
    if record.get("released_at") is not None or reserved is None or not isinstance(timeout, int):
        return False
    return reserved + timeout > now_ms

"""Rows: the one thing that a fold function may read and write.

A fold sees no database. The same functions keep the tables of the store up to date inside the append's transaction,
answer `fleet plan` in memory for events that have not happened, and rebuild the past for time travel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

Row = dict[str, Any]


class Rows(Protocol):
    """Tables of rows by key. A row that was read must not be changed in place: put a new one."""

    def get(self, table: str, key: str) -> Row | None:
        """The row, or None."""

    def put(self, table: str, key: str, row: Row) -> None:
        """Insert or replace."""

    def delete(self, table: str, key: str) -> None:
        """Remove; a key that is not there is no error."""

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        """All rows in the order of their keys."""


class MemoryRows:
    """Rows in dictionaries, on top of other rows where given: writes stay here, the base is never touched."""

    def __init__(self, base: Rows | None = None) -> None:
        self._base = base
        self._tables: dict[str, dict[str, Row | None]] = {}

    def layers(self, table: str) -> tuple[Rows | None, Mapping[str, Row | None]]:
        """What lies below, and the rows of a table that were written on top of it; None for a deleted one."""
        return self._base, self._tables.get(table, {})

    def get(self, table: str, key: str) -> Row | None:
        own = self._tables.get(table)
        if own is not None and key in own:
            return own[key]
        return self._base.get(table, key) if self._base is not None else None

    def put(self, table: str, key: str, row: Row) -> None:
        own = self._tables.get(table)
        if own is None:
            own = self._tables[table] = {}
        own[key] = row

    def delete(self, table: str, key: str) -> None:
        own = self._tables.setdefault(table, {})
        if self._base is None:
            own.pop(key, None)
        else:
            own[key] = None

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        if self._base is not None and not self._tables.get(table):
            yield from self._base.scan(table)
            return
        merged: dict[str, Row | None] = dict(self._base.scan(table)) if self._base is not None else {}
        merged.update(self._tables.get(table, {}))
        for key in sorted(merged):
            row = merged[key]
            if row is not None:
                yield key, row

"""Typed sorties and reservations that are remembered from one command to the next.

Every decision looks at all of them, of which few have changed since the last one. The writer's rows tell which.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from reconciler.projections.rows import MemoryRows, Row, Rows
from reconciler.projections.tables import WritableRows
from reconciler.work.state import FileLock, Sortie

T = TypeVar("T")


class _Memory(Generic[T]):
    """What the rows of one table mean, for every writer's rows that were asked about.

    Args:
        table: its name.
        make: the value of a row; None for one that is of no interest.
    """

    def __init__(self, table: str, make: Callable[[Row], T | None]) -> None:
        self._table = table
        self._make = make
        self._known: WeakKeyDictionary[WritableRows, _Remembered[T]] = WeakKeyDictionary()

    def all(self, rows: Rows) -> Collection[T]:
        """All values, in the order of their keys."""
        base, own = rows.layers(self._table) if isinstance(rows, MemoryRows) else (rows, {})
        if not isinstance(base, WritableRows):
            made = (self._make(row) for _, row in rows.scan(self._table))
            return [one for one in made if one is not None]
        known = self._known.get(base)
        if known is None:
            known = self._known[base] = _Remembered(self._table, self._make)
        known.follow(base)
        if not own:
            return known.values.values()
        merged = dict(known.values)
        _lay_over(merged, own, self._make)
        return merged.values()


class _Remembered(Generic[T]):
    """The values of one writer's rows, in the order of their keys, as of a place in the journal."""

    def __init__(self, table: str, make: Callable[[Row], T | None]) -> None:
        self.values: dict[str, T] = {}
        self._table = table
        self._make = make
        self._age = -1
        self._read = 0

    def follow(self, rows: WritableRows) -> None:
        """Be as the rows are."""
        age, changed = rows.journal(self._table)
        if age != self._age:
            made = ((key, self._make(row)) for key, row in rows.scan(self._table))
            self.values = {key: value for key, value in made if value is not None}
        else:
            _lay_over(self.values, {key: rows.get(self._table, key) for key in changed[self._read :]}, self._make)
        self._age, self._read = age, len(changed)


def _lay_over(values: dict[str, T], changed: Mapping[str, Row | None], make: Callable[[Row], T | None]) -> None:
    """Put newer rows in their places."""
    last = next(reversed(values), "")
    in_order = True
    for key, row in changed.items():
        value = make(row) if row is not None else None
        if value is None:
            values.pop(key, None)
            continue
        in_order = in_order and (key in values or key > last)
        last = max(last, key)
        values[key] = value
    if not in_order:
        everything = sorted(values.items())
        values.clear()
        values.update(everything)


def _active(row: Row) -> FileLock | None:
    return FileLock.from_row(row) if row.get("status") == "active" else None


_sorties: _Memory[Sortie] = _Memory("sorties", Sortie.from_row)
_locks: _Memory[FileLock] = _Memory("locks", _active)


def every_sortie(rows: Rows) -> Collection[Sortie]:
    """All sorties, in the order of their keys."""
    return _sorties.all(rows)


def every_active_lock(rows: Rows) -> Collection[FileLock]:
    """Reservations that were neither released nor expired, in the order of their keys."""
    return _locks.all(rows)

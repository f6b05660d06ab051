"""Typed sorties that are remembered from one command to the next.

Every decision looks at all sorties, of which few have changed since the last one. The writer's rows tell which.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from weakref import WeakKeyDictionary

from reconciler.projections.rows import MemoryRows, Row, Rows
from reconciler.projections.tables import WritableRows
from reconciler.work.state import Sortie


class _Remembered:
    """The sorties of a writer's rows, in the order of their keys, as of a place in the journal."""

    def __init__(self) -> None:
        self.sorties: dict[str, Sortie] = {}
        self._age = -1
        self._read = 0

    def follow(self, rows: WritableRows) -> None:
        """Be as the rows are."""
        age, changed = rows.journal("sorties")
        if age != self._age:
            self.sorties = {key: Sortie.from_row(row) for key, row in rows.scan("sorties")}
        else:
            _lay_over(self.sorties, {key: rows.get("sorties", key) for key in changed[self._read :]})
        self._age, self._read = age, len(changed)


_remembered: WeakKeyDictionary[WritableRows, _Remembered] = WeakKeyDictionary()


def every_sortie(rows: Rows) -> Collection[Sortie]:
    """All sorties, in the order of their keys."""
    base, own = rows.layers("sorties") if isinstance(rows, MemoryRows) else (rows, {})
    if not isinstance(base, WritableRows):
        return [Sortie.from_row(row) for _, row in rows.scan("sorties")]
    known = _remembered.get(base)
    if known is None:
        known = _remembered[base] = _Remembered()
    known.follow(base)
    if not own:
        return known.sorties.values()
    merged = dict(known.sorties)
    _lay_over(merged, own)
    return merged.values()


def _lay_over(sorties: dict[str, Sortie], changed: Mapping[str, Row | None]) -> None:
    """Put newer rows in their places."""
    last = next(reversed(sorties), "")
    in_order = True
    for key, row in changed.items():
        if row is None:
            sorties.pop(key, None)
            continue
        in_order = in_order and (key in sorties or key > last)
        last = max(last, key)
        sorties[key] = Sortie.from_row(row)
    if not in_order:
        everything = sorted(sorties.items())
        sorties.clear()
        sorties.update(everything)

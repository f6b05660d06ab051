"""Lists a page at a time: filters, an order, a cursor, and how many there are in all. Pure.

A cursor names the last item that was handed out, not a count, so nothing is skipped or seen twice where items come and
go between two pages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query

from reconciler.api.refusals import InputUnclear

Row = Mapping[str, Any]
MOST = 500


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page somebody asked for.

    Attributes:
        sort: a field, with `-` in front for falling order; empty for the list's own order.
        cursor: of the page before; empty for the first one.
    """

    limit: int = 50
    sort: str = ""
    cursor: str = ""


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=MOST, description="Items on a page.")] = 50,
    sort: Annotated[str, Query(description="A field to sort by; `-` in front for falling order.")] = "",
    cursor: Annotated[str, Query(description="`next` of the page before.")] = "",
) -> PageRequest:
    return PageRequest(limit, sort, cursor)


Paging = Annotated[PageRequest, Depends(_page_request)]


@dataclass(frozen=True, slots=True)
class Paged:
    """One page: its rows, how many there are on all pages, and the cursor of the next one."""

    rows: list[Row]
    total: int
    next: str | None

    def document(self, name: str, make: Callable[[Any], Any]) -> dict[str, Any]:
        """As an answer: the items under their name, `total`, and `next` (null on the last page)."""
        return {name: [make(row) for row in self.rows], "total": self.total, "next": self.next}


def page_of(
    rows: Iterable[tuple[str, Row]],
    asked: PageRequest,
    *,
    sorts: Mapping[str, Callable[[Row], Any]],
    default: str,
    where: Callable[[Row], bool] = lambda row: True,
) -> Paged:
    """One page of rows with their keys.

    Args:
        sorts: what may be sorted by; each gives numbers or texts, or None, which comes first.
        default: the order when nobody asks for one.
        where: which rows count.

    Raises:
        InputUnclear: an order that there is not, or a cursor that is none of this list's.
    """
    order = asked.sort or default
    field = order.removeprefix("-")
    value_of = sorts.get(field)
    if value_of is None:
        raise InputUnclear(f"this list cannot be sorted by {field!r}", hint=f"sort by {', '.join(sorts)}")

    def place(key: str, row: Row) -> tuple[bool, Any, str]:
        value = value_of(row)
        return value is not None, "" if value is None else value, key

    found = sorted(
        ((place(key, row), row) for key, row in rows if where(row)), key=lambda one: one[0], reverse=order[:1] == "-"
    )
    total = len(found)
    if asked.cursor:
        last = _read(asked.cursor, order)
        try:
            found = [one for one in found if (one[0] < last if order[:1] == "-" else one[0] > last)]
        except TypeError:
            raise _strange(asked.cursor) from None
    page = found[: asked.limit]
    more = len(found) > len(page)
    return Paged([row for _, row in page], total, _write(order, page[-1][0]) if more else None)


def _write(order: str, place: tuple[bool, Any, str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([order, *place])).decode().rstrip("=")


def _read(cursor: str, order: str) -> tuple[bool, Any, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        made_for, known, value, key = msgspec.json.decode(text, type=tuple[str, bool, int | float | str, str])
    except (binascii.Error, msgspec.DecodeError, msgspec.ValidationError, ValueError):
        raise _strange(cursor) from None
    if made_for != order:
        raise InputUnclear(f"this cursor belongs to a list sorted by {made_for!r}", hint="begin at the first page")
    return known, value, key


def _strange(cursor: str) -> InputUnclear:
    return InputUnclear(f"{cursor[:80]!r} is no cursor of this list", hint="begin at the first page")

"""Things that have a row: shown one by one with their version, a page at a time, or after a command about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from starlette.responses import Response

from reconciler.api.access import Access
from reconciler.api.paging import Paged, PageRequest, Row, page_of
from reconciler.control.desk.desk import Command
from reconciler.errors import NotFound
from reconciler.projections.rows import Rows

D = TypeVar("D")


class HasId(Protocol):
    """What a command about one thing returns."""

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Things(Generic[D]):
    """One kind of thing.

    Attributes:
        table: of its rows.
        name: of one, and of many, in answers.
        make: its document from its row.
        sorts: the fields that a list may be sorted by; the first is the order when nobody asks.
        falling: newest first when nobody asks.
    """

    table: str
    name: str
    many: str
    make: Callable[[Row], D]
    sorts: Sequence[str]
    falling: bool = False

    def row(self, rows: Rows, key: str) -> Row:
        """The row of one.

        Raises:
            NotFound: there is none.
        """
        found = rows.get(self.table, key)
        if found is None:
            raise NotFound(f"there is no {self.name} {key}")
        return found

    def show(self, access: Access, key: str, status: int = 200) -> Response:
        """One as it is now, with its version.

        Raises:
            NotFound: there is none.
        """
        row = self.row(access.rows(), key)
        return access.answer({self.name: self.make(row)}, status, version=row["last_event_sequence"])

    async def show_at(self, access: Access, key: str, at: str | None) -> Response:
        """One as it is, or as it was.

        Raises:
            NotFound: there is, or was, none.
        """
        if at is None:
            return self.show(access, key)
        row = await access.read(lambda rows: self.row(rows, key), at=at)
        return access.answer({self.name: self.make(row)}, version=row["last_event_sequence"])

    async def written(self, access: Access, command: Command[Any], status: int = 200, *, key: str = "") -> Response:
        """Run a command about one, and show what became of it.

        Args:
            key: of what is changed where `If-Match` may refuse it.
        """
        done: HasId = await access.write(command, if_match=(self.table, key) if key else None)
        return self.show(access, done.id, status)

    async def page(
        self,
        access: Access,
        paging: PageRequest,
        at: str | None = None,
        where: Callable[[Row], bool] = lambda row: True,
    ) -> Response:
        """Those that count, a page at a time."""
        return access.answer(
            (await access.read(lambda rows: self.paged(rows, paging, where), at=at)).document(self.many, self.make)
        )

    def paged(self, rows: Rows, paging: PageRequest, where: Callable[[Row], bool]) -> Paged:
        """One page of rows."""
        default = f"-{self.sorts[0]}" if self.falling else self.sorts[0]
        orders = {name: _by(name) for name in self.sorts}
        return page_of(rows.scan(self.table), paging, sorts=orders, default=default, where=where)


def _by(name: str) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        return row.get(name)

    return value


def equal(row: Row, **wanted: Any) -> bool:
    """Whether a row has these values; those that are None are not asked for."""
    return all(value is None or row.get(name) == value for name, value in wanted.items())

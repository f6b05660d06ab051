"""What a person has to know about a conversion, each with the place in the Compose file that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reconciler.spec.tree import Placed

Kind = Literal["dropped", "changed", "needless"]

SAID: dict[Kind, str] = {"dropped": "not taken over", "changed": "changed", "needless": "left out"}


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One remark.

    Attributes:
        file: the Compose file, as the person knows it.
        path: the key inside it, `services.web.logging`.
        kind: `dropped` has no counterpart, `changed` is expressed otherwise, `needless` means nothing here.
    """

    file: str
    line: int
    column: int
    path: str
    kind: Kind
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {SAID[self.kind]}: {self.message}"


class Notes:
    """The collector, free of repetitions, in the order of the files."""

    def __init__(self) -> None:
        self._found: set[Note] = set()

    def add(self, kind: Kind, at: Placed, path: str, message: str) -> None:
        """Remark on a node."""
        self._found.add(Note(at.source.shown, at.line, at.column, path, kind, message))

    def dropped(self, at: Placed, path: str, message: str) -> None:
        """It has no counterpart."""
        self.add("dropped", at, path, message)

    def changed(self, at: Placed, path: str, message: str) -> None:
        """It is there, but not as it was written."""
        self.add("changed", at, path, message)

    def needless(self, at: Placed, path: str, message: str) -> None:
        """It means nothing here, and nothing is lost."""
        self.add("needless", at, path, message)

    @property
    def found(self) -> tuple[Note, ...]:
        return tuple(sorted(self._found))

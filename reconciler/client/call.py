"""A call as a value: what is asked, and what the answer is read as. Sync and async clients share everything up to here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Parameter = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T_co]):
    """One request that can be sent by either client.

    Attributes:
        path: below the server's address, begins with a slash.
        answer: the type of what is read out of the answer.
        inside: the field of the answer's object that holds it; empty for the whole.
        params: query parameters; those that are None are left out.
        body: JSON-ready; None for a request without one.
        if_match: the version that must still hold, for a change that is refused where it does not.
        patience_s: how long the server may take beyond the client's own time-out, as with long polling.
    """

    method: Method
    path: str
    answer: Any
    inside: str = ""
    params: Mapping[str, Parameter | list[str]] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    if_match: int | None = None
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: what is on it.
        total: how many there are on all pages.
        next: the cursor of the page after it; None on the last one.
    """

    items: list[T]
    total: int
    next: str | None = None


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given, for a body in which what is missing keeps its default."""
    return {name: value for name, value in values.items() if value is not None}

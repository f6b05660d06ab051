"""What the HTTP interface answers about the log as it is kept. Rows have no promised form: they are what this release keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Who holds the writer's lease. Times are Unix ms."""

    token: int
    holder: str
    purpose: str
    acquired_at: int
    renewed_at: int
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far the log goes, whose it is, and who writes; `lease` is None when nobody does."""

    sequence_number: int
    project: str
    directory: str
    file: str
    database: str
    lease: Writing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """The rows of one projection by their keys."""

    sequence_number: int
    rows: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRow:
    """One row; None where there is none."""

    sequence_number: int
    row: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The file, the log and the world, as far as each can be read where the fleet is.

    Attributes:
        desired: the desired state as a document, as a revision records it; None where the file cannot be read.
        observed: what one look at the runtimes showed; None where the runtime cannot be read.
        processes: what one look at the processes of specialists showed; None where they cannot be read.
    """

    sequence_number: int
    desired: dict[str, Any] | None = None
    observed: dict[str, Any] | None = None
    processes: dict[str, Any] | None = None
    revision: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    unusable: bool = False

"""The door through which an apply reaches specialists: what their processes are started with, and what they work on.

What stands behind it keeps the rules of the agents' world; here nobody decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from uuid import UUID

from reconciler.errors import ActionFailed


class Crew(Protocol):
    """The declared specialists of one fleet, replica by replica. Safe from any thread."""

    def command(self, pool: str, replica: int) -> tuple[str, ...]:
        """Program and arguments of a replica's process; nothing secret is among them."""

    def log(self, pool: str, replica: int) -> Path:
        """The file that takes what it prints."""

    def drain(self, pool: str, replica: int, intent: UUID) -> bool:
        """Give it nothing more from now on; False when it has not registered itself and holds nothing."""

    def works_on(self, pool: str, replica: int) -> str:
        """What it is busy with, the sortie that it holds for one; empty for nothing."""

    def hand_back(self, pool: str, replica: int, intent: UUID) -> None:
        """Take it out of service: what it still holds goes back to whoever can do it."""

    def reported_since(self, pool: str, replica: int, moment_ms: int) -> bool:
        """Whether it has said that it lives since then."""


class NoCrew:
    """For an apply of services alone."""

    def command(self, pool: str, replica: int) -> tuple[str, ...]:
        raise _services_only(pool)

    def log(self, pool: str, replica: int) -> Path:
        raise _services_only(pool)

    def drain(self, pool: str, replica: int, intent: UUID) -> bool:
        raise _services_only(pool)

    def works_on(self, pool: str, replica: int) -> str:
        raise _services_only(pool)

    def hand_back(self, pool: str, replica: int, intent: UUID) -> None:
        raise _services_only(pool)

    def reported_since(self, pool: str, replica: int, moment_ms: int) -> bool:
        raise _services_only(pool)


def _services_only(pool: str) -> ActionFailed:
    return ActionFailed(f"specialist/{pool}: this apply is about services only")

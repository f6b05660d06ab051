"""What the loop tells whoever watches it: lines for a log, or a picture for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from reconciler.apply.report import Reporter
    from reconciler.control.look import Look

Level = Literal["debug", "info", "warning", "error"]


class Teller(Protocol):
    """Is told and never asked. `tell` may be called from any thread."""

    def tell(self, level: Level, what: str, **facts: Any) -> None:
        """Something happened. `what` is a sentence for people; `facts` are for programs."""

    def looked(self, seen: Look) -> None:
        """The loop has looked; this is what it saw."""

    def reporter(self, seen: Look) -> Reporter:
        """Who is told while this look's plan is carried out."""

"""What one turn came to, gathered from what the loop tells, and what that means for the commit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.control.held import hold_back

if TYPE_CHECKING:
    from reconciler.apply.report import Reporter
    from reconciler.control.gitops.status import State
    from reconciler.control.look import Look
    from reconciler.control.watch.teller import Level, Teller


class Tally:
    """A teller that passes everything on and remembers the turn.

    Attributes:
        seen: the turn's look; None when nothing could be seen.
        applied: whether a plan was carried out, and all of it.
        problem: the last error that was told.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self.begin()

    def begin(self) -> None:
        """A turn begins."""
        self.seen: Look | None = None
        self.applied: bool | None = None
        self.problem = ""

    def tell(self, level: Level, what: str, **facts: Any) -> None:
        if "done" in facts and "failed" in facts and "skipped" in facts:
            self.applied = level != "error"
        elif level == "error":
            self.problem = what
        self._teller.tell(level, what, **facts)

    def looked(self, seen: Look) -> None:
        self.seen = seen
        self._teller.looked(seen)

    def reporter(self, seen: Look) -> Reporter:
        return self._teller.reporter(seen)

    def verdict(self, *, waiting: bool, state: State) -> tuple[State, str] | None:
        """How the commit that is checked out does; None when this turn says nothing new of it.

        Args:
            waiting: what its file says waits for somebody's yes.
            state: what was said of it last.
        """
        seen = self.seen
        if seen is None:
            return ("pending", self.problem) if self.problem else None
        notices = (*seen.reading.notices, *hold_back(seen.reading.desired, seen.projected)[1])
        if waiting:
            return "pending", "it destroys more than reconcile.max_destroy allows, and waits for fleet apply --yes"
        if seen.frozen is not None and state == "pending":
            return "pending", f"{seen.frozen}; it waits"
        if notices:
            return "failure", notices[0].text
        if self.applied is False:
            return "failure", self.problem or "not everything could be done"
        if self.applied or seen.settled:
            return "success", f"revision {self.revision(seen)} is in force"
        return None

    def revision(self, seen: Look) -> int:
        """The number of the revision that holds after the turn."""
        head = seen.projected.head
        return head.latest + 1 if seen.reading.changed and self.applied is not None else head.revision

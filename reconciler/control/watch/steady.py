"""Reading the file for somebody who must go on whatever it says: where it is wrong, the last good revision holds.

A file that is missing, empty, half-written or wrong is a rejected revision, recorded once for each content. One that
waits for somebody's yes is put aside in the same way until it is given or the file changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.control.look import ReadFile
from reconciler.control.reading import Reading, last_good, read_file
from reconciler.control.rejected import content_digest, recorded_as, rejection
from reconciler.errors import Problem, SpecInvalid
from reconciler.events.envelope import NewEvent
from reconciler.spec.inputs import unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.control.session import Session
    from reconciler.projections.projected import RevisionHead
    from reconciler.projections.rows import Rows


@dataclass(frozen=True, slots=True)
class Rejected:
    """A content of the file that is wrong.

    Attributes:
        revision: its number.
        digest: what stands for the content and its problems.
        recorded: the log has it already.
    """

    revision: int
    digest: str
    problems: tuple[Problem, ...]
    recorded: bool

    def __str__(self) -> str:
        first, more = self.problems[0], len(self.problems) - 1
        place = f", line {first.line}" if first.line else ""
        others = f" (and {more} more)" if more else ""
        return f"rejected revision {self.revision}{place}: {first.message}{others}"

    def event(self, fleet: str) -> NewEvent:
        """The event that records it."""
        return rejection(fleet, self.revision, self.digest, self.problems)


class SteadyReading:
    """A way of reading the file that gives the last good revision where it has to.

    Args:
        read: how the file is read as long as it is right.

    Attributes:
        rejected: what was wrong with the file when it was last read; None when it was right.
        held: digest of the document that waits for a yes; empty for none.
        waiting: whether that is what the file says now.
    """

    def __init__(self, read: ReadFile = read_file) -> None:
        self._read = read
        self.rejected: Rejected | None = None
        self.held = ""
        self.waiting = False
        self._news: tuple[RevisionHead, Reading] | None = None

    def __call__(self, session: Session, rows: Rows | None, head: RevisionHead) -> Reading:
        """Read.

        Raises:
            SpecInvalid: the file is wrong and there is no revision to go back to.
        """
        self.waiting = False
        try:
            reading = self._fresh(session, rows, head)
        except SpecInvalid as error:
            self.rejected = _rejected(error, session.file, rows, head)
            good = last_good(rows, head)
            if good is None:
                raise
            return good
        self.rejected = None
        if reading.digest != self.held:
            self.held = ""
            return reading
        self.waiting = True
        return last_good(rows, head) or reading

    def _fresh(self, session: Session, rows: Rows | None, head: RevisionHead) -> Reading:
        """Read the file; one that is news is looked at several times before it is in the log, and parsed once."""
        if self._news is not None:
            known, reading = self._news
            options = session.load_options()
            same = known == head and unchanged(
                reading.inputs, file=session.file, project=session.directory, options=options
            )
            if same:
                return reading
        reading = self._read(session, rows, head)
        self._news = (head, reading) if reading.changed else None
        return reading


def _rejected(error: SpecInvalid, file: Path, rows: Rows | None, head: RevisionHead) -> Rejected:
    digest = content_digest(error, file)
    known = recorded_as(rows, head, digest)
    return Rejected(known or head.latest + 1, digest, error.problems, recorded=bool(known))

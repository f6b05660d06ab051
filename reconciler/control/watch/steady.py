"""Reading the file for somebody who must go on whatever it says: where it is wrong, the last good revision holds.

A file that is missing, empty, half-written or wrong is a rejected revision, recorded once for each content. One that
waits for somebody's yes is put aside in the same way until it is given or the file changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.control.look import ReadFile
from reconciler.control.reading import Reading, last_good, read_file
from reconciler.errors import Problem, SpecInvalid
from reconciler.events.envelope import NewEvent
from reconciler.projections.fleet import revision_key
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
        problems: list[dict[str, Any]] = [
            {
                "file": one.file,
                "line": one.line,
                "column": one.column,
                "path": one.path,
                "message": one.message,
                "hint": one.hint,
            }
            for one in self.problems
        ]
        data = {"revision": self.revision, "digest": self.digest, "problems": problems}
        return NewEvent("revision_rejected", "fleet", fleet, data)


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
    content = hashlib.sha256("\n".join(str(problem) for problem in error.problems).encode())
    try:
        content.update(file.read_bytes())
    except OSError:
        content.update(b"missing")
    digest = f"sha256:{content.hexdigest()}"
    newest = rows.get("revisions", revision_key(head.latest)) if rows is not None and head.latest else None
    if newest is not None and newest["status"] == "rejected" and newest["digest"] == digest:
        return Rejected(head.latest, digest, error.problems, recorded=True)
    return Rejected(head.latest + 1, digest, error.problems, recorded=False)

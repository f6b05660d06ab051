"""Filing: what the log says of checkpoints, said by files too.

A file follows its event. Where it cannot be written the log alone has the checkpoint, which is enough, and somebody is told.
What was missed is made up for whenever somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reconciler.control.checkpoints.files import Files, row_of
from reconciler.events.envelope import Event
from reconciler.projections.rows import Rows

Tell = Callable[[str], None]


class Filing:
    """Writes and removes files after the events of checkpoints. Safe to use from several threads."""

    def __init__(self, project: Path, tell: Tell = lambda text: None) -> None:
        """Remember where.

        Args:
            tell: told what could not be written.
        """
        self.files = Files(project)
        self._tell = tell

    def __call__(self, events: Sequence[Event]) -> None:
        """Let the files follow what was recorded."""
        for event in events:
            if event.event_type == "checkpoint_created":
                self._try(lambda event=event: self.files.write(row_of(event)))  # type: ignore[misc]
            elif event.event_type == "checkpoint_pruned":
                self._try(lambda event=event: self.files.remove(event.data["checkpoint_id"]))  # type: ignore[misc]

    def catch_up(self, rows: Rows) -> int:
        """Write the files that are missing; how many that was."""
        known = set(self.files.ids())
        missing = [row for key, row in rows.scan("checkpoints") if key not in known]
        return sum(self._try(lambda row=row: self.files.write(row)) for row in missing)  # type: ignore[misc]

    def _try(self, step: Callable[[], object]) -> bool:
        try:
            step()
        except OSError as error:
            self._tell(f"a checkpoint is in the log only: {error}")
            return False
        return True

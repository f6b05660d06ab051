"""A specialist's seat at the desk: everything that one agent may do, always in its own name."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from reconciler.control.checkpoints.files import Files
from reconciler.control.checkpoints.finding import find, newest_of_all
from reconciler.control.coordination import checksum, mailbox_of
from reconciler.control.desk import checkpoints, claiming, locks, messages, reading, resuming, returning, sorties
from reconciler.control.desk import specialists as lives
from reconciler.control.desk.briefing import Brief, brief
from reconciler.control.desk.desk import Command, Desk, Work
from reconciler.control.worker.artifacts import keep
from reconciler.control.worker.handing_in import complete, conclude_review
from reconciler.errors import FleetError
from reconciler.projections.rows import Row, Rows
from reconciler.projections.store import Store
from reconciler.work.locks import Deadlock, Purpose, normalize
from reconciler.work.refusals import NotAssigned, TransitionRefused
from reconciler.work.reviews import Verdict
from reconciler.work.sorties import BlockerType
from reconciler.work.squawk import MessagePriority
from reconciler.work.state import FileLock, Message, Mission, Review, Sortie

T = TypeVar("T")
LEASE_MS = 120_000


class Seat:
    """One specialist's. Safe to use from several threads.

    Attributes:
        id: under which it is registered.
        name: how people call it.
    """

    def __init__(self, store: Store, desk: Desk, project: Path, *, specialist_id: str, name: str) -> None:
        self._store = store
        self._desk = desk
        self._project = project
        self._claiming = threading.Lock()
        self.id = specialist_id
        self.name = name

    @property
    def rows(self) -> Rows:
        """The projections as they are."""
        return self._store.rows()

    def join(self, capabilities: Sequence[str], metadata: Mapping[str, Any]) -> None:
        """Register; what an earlier life under this id held goes back."""
        self._run(returning.register_anew(self.id, name=self.name, capabilities=capabilities, metadata=dict(metadata)))

    def live(self) -> None:
        """A sign of life, which keeps the hold on what it works on.

        Raises:
            WorkRefused: somebody ended this specialist.
        """
        mine = self.working_on()
        self._run(lives.heartbeat(self.id, current_sortie=mine.id if mine else None))
        if mine is not None and mine.lease is not None:
            self._run(sorties.renew(mine.id, self.id, mine.attempt, lease_ms=LEASE_MS))

    def leave(self, summary: str = "") -> None:
        """Be registered no longer: a final checkpoint is taken, and what it holds goes back."""
        self._run(lives.complete(self.id, summary=summary))

    def working_on(self) -> Sortie | None:
        """The sortie that it works on."""
        for sortie in reading.open_sorties(self.rows):
            under_way = sortie.status in ("in_progress", "blocked") and not sortie.awaits_rework
            if sortie.holder == self.id and under_way:
                return sortie
        return None

    def reviewing(self) -> Review | None:
        """The review that it has begun and not concluded."""
        return next((one for one in reading.open_reviews(self.rows) if one.reviewer_id == self.id), None)

    def claim(self) -> Brief | None:
        """The next thing to do, begun; None when there is nothing now."""
        ask = claiming.claim(self.id, lease_ms=LEASE_MS)

        def command(work: Work) -> Brief | None:
            found = ask(work)
            return brief(work.rows, found, self.id) if found is not None else None

        # One at a time: a second claim that overtakes the first would leave it holding two.
        with self._claiming:
            if self.working_on() is not None:
                raise TransitionRefused("you work on a sortie already", hint="complete, block or hand_back it first")
            return self._run(command)

    def progress(self, value: int, message: str, artifacts: Sequence[str]) -> Sortie:
        """Tell how far the work is."""
        mine = self._mine()
        return self._run(
            sorties.progress(mine.id, self.id, value, attempt=mine.attempt, message=message, artifacts=artifacts)
        )

    def block(self, reason: str, kind: BlockerType, blocker_id: str) -> Sortie:
        """Say that the work cannot go on."""
        mine = self._mine()
        return self._run(
            sorties.block(
                mine.id,
                self.id,
                reason=reason,
                blocker_type=kind,
                blocker_id=blocker_id or None,
                attempt=mine.attempt,
            )
        )

    def unblock(self, reason: str) -> Sortie:
        """The work can go on."""
        return self._run(sorties.unblock(self._mine().id, by=self.id, reason=reason))

    def complete(self, result: Mapping[str, Any], paths: Sequence[str]) -> Sortie:
        """Hand in a result, with the content of the files that were made."""
        mine = self._mine()
        kept, problems = keep(paths, work=self._project, folder=self._store.path.parent)
        told = {**result, "artifacts": [one.path for one in kept]}
        if problems:
            told["metrics"] = {**result.get("metrics", {}), "not_kept": problems}
        return self._run(complete(mine.id, self.id, told, attempt=mine.attempt, artifacts=kept))

    def hand_back(self, reason: str) -> Sortie:
        """Give the sortie back; it costs no attempt."""
        mine = self._mine()
        return self._run(sorties.hand_back(mine.id, self.id, reason=reason, attempt=mine.attempt))

    def conclude(self, verdict: Verdict, feedback: str, issues: Sequence[Mapping[str, Any]]) -> Sortie:
        """Give the verdict of the review that it has begun."""
        mine = self.reviewing()
        if mine is None:
            raise NotAssigned("you review nothing", hint="claim gives you a review when one waits for you")
        return self._run(conclude_review(mine.id, self.id, verdict, feedback=feedback, issues=issues))

    def send(
        self,
        to: str,
        content: Mapping[str, Any],
        *,
        kind: str,
        priority: MessagePriority,
        thread: str,
        message_id: str,
    ) -> Row:
        """Put a message into somebody's mailbox."""
        mailbox = mailbox_of(self.rows, to)

        def command(work: Work) -> Message:
            if thread:
                messages.open_thread([self.id, mailbox], thread_id=thread)(work)
            return messages.send(
                mailbox,
                content,
                message_type=kind,
                sender_id=self.id,
                thread_id=thread,
                priority=priority,
                message_id=message_id,
            )(work)

        return self._row("messages", self._run(command).id)

    def read(self, *, limit: int, peek: bool) -> list[Row]:
        """Its own messages that wait, the most urgent first; unless it only peeks, they are read from now on."""
        if peek:
            found = messages.inbox(self.rows, self.id)[: limit or None]
        else:
            found = self._run(messages.take(self.id, self.id, limit=limit))
        return [self._row("messages", one.id) for one in found]

    def ack(self, message_id: str, response: Mapping[str, Any]) -> Row:
        """Say that one of its own messages was dealt with."""
        message = reading.message(self.rows, message_id)
        if message.mailbox_id != self.id:
            raise NotAssigned(f"message {message_id} is not yours", hint="squawk_read gives you your own")
        return self._row("messages", self._run(messages.ack(message_id, self.id, response=response or None)).id)

    def reserve(self, paths: Sequence[str], purpose: Purpose, timeout_ms: int) -> list[FileLock]:
        """Reserve files, all or none."""
        root = str(self._project)
        sums = {path: checksum(self._project / normalize(path, root)) for path in paths}
        return self._run(
            locks.reserve(
                paths,
                self.id,
                purpose=purpose,
                timeout_ms=timeout_ms,
                checksums={path: one for path, one in sums.items() if one},
                root=root,
            )
        )

    def release(self, names: Sequence[str]) -> list[FileLock]:
        """Give its own reservations back, by path or id; all or none."""
        root = str(self._project)

        def command(work: Work) -> list[FileLock]:
            found = []
            for name in names:
                lock = locks.find(work.rows, name, root=root)
                now = checksum(self._project / lock.normalized_path)
                found.append(locks.release(lock.id, self.id, final_checksum=now)(work))
            return found

        return self._run(command)

    def held(self) -> list[FileLock]:
        """What it has reserved."""
        return [lock for lock in reading.active_locks(self.rows) if lock.reserved_by == self.id]

    def deadlocks(self, now_ms: int) -> list[Deadlock]:
        """The circles of waits that it is part of."""
        found = locks.deadlocks(self.rows, now_ms, root=str(self._project))
        return [one for one in found if self.id in one.specialists]

    def checkpoint(self, note: str, context: Mapping[str, Any], ttl_hours: float | None) -> Row:
        """Keep what it has in its hands."""
        take = checkpoints.take(specialist_id=self.id, note=note, context=context, ttl_hours=ttl_hours)
        return self._row("checkpoints", str(self._run(take)["id"]))

    def take_up(self, checkpoint_id: str) -> tuple[resuming.Resumed, tuple[str, ...]]:
        """Take up the work of a checkpoint itself; what was done, and what was wrong with the checkpoint."""
        rows, files = self.rows, Files(self._project)
        found = find(rows, files, checkpoint_id) if checkpoint_id else newest_of_all(rows, files)
        return self._run(resuming.resume(found.checkpoint, specialist_id=self.id)), found.warnings

    def missions(self) -> list[tuple[Mission, Row]]:
        """The missions that are not over."""
        rows = self.rows
        found = [(one, rows.get("missions", key) or {}) for key, one in sorted(reading.missions(rows).items())]
        return [(one, row) for one, row in found if not one.ended and not one.archived]

    def _mine(self) -> Sortie:
        mine = self.working_on()
        if mine is None:
            raise NotAssigned("you work on no sortie", hint="claim gives you the next one")
        return mine

    def _row(self, table: str, key: str) -> Row:
        return self.rows.get(table, key) or {}

    def _run(self, command: Command[T]) -> T:
        return self._desk.run(command).value


def words(error: FleetError) -> str:
    """An error for an agent: what is wrong, and what to do."""
    return f"{error.what}\nhint: {error.hint}" if error.hint else error.what

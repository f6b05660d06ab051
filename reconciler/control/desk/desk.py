"""Running commands: each sees the projections at one moment, and what it records is all in the log or none of it.

A command is a function of `Work`. It may look, record and look again: what it recorded shows in what it sees, though
nothing reaches the log before the command is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.ids import new_id
from reconciler.projections.fold import as_if_recorded, fold
from reconciler.projections.rows import MemoryRows, Rows
from reconciler.projections.store import Decide
from reconciler.work.refusals import WorkRefused

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Work:
    """What a command looks at, and what it records.

    Attributes:
        rows: the projections, with what was recorded so far.
        now_ms: the time of the command, Unix ms.
        recorded: the events so far.
    """

    def __init__(self, rows: Rows, now_ms: int, new_id: Callable[[str], str] = new_id) -> None:
        self.rows = MemoryRows(rows)
        self.now_ms = now_ms
        self.new_id = new_id
        self.recorded: list[NewEvent] = []

    def record(self, events: Sequence[NewEvent]) -> None:
        """Let these events be recorded when the command is over, and see what follows from them at once."""
        for event in events:
            self.recorded.append(event)
            # Folds look at the number only to stamp their rows; these are folded anew when the real one is known.
            fold(as_if_recorded(event, 0), self.rows)


class Command(Protocol[T_co]):
    """Looks at the agents' world and records what it decides.

    Raises:
        WorkRefused: the rules do not allow it; what the refusal carries in `record` is recorded.
        NotFound: something that it is about is not there.
    """

    def __call__(self, work: Work, /) -> T_co: ...


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a command returned and what was recorded for it."""

    value: T
    events: tuple[Event, ...]


class Deciding(Protocol):
    """The part of the store that the desk needs."""

    def decide(self, decisions: Sequence[tuple[Decide, Cause]]) -> list[list[Event] | Exception]: ...


class Desk:
    """Runs commands on a store, in somebody's name. Safe to use from several threads."""

    def __init__(
        self,
        store: Deciding,
        cause: Cause,
        *,
        new_id: Callable[[str], str] = new_id,
        after: Callable[[Sequence[Event]], None] | None = None,
    ) -> None:
        """Remember where and in whose name.

        Args:
            after: told what was recorded, once it is in the log: what follows outside of it, such as files.
        """
        self._store = store
        self._cause = cause
        self._new_id = new_id
        self._after = after

    def run(self, command: Command[T], cause: Cause | None = None) -> Done[T]:
        """Run one command.

        Args:
            cause: in whose name; the desk's own when left out.

        Raises:
            WorkRefused, NotFound: the command was refused.
            EventInvalid: what it would record does not fit its model.
            LogUnusable, TimedOut: the log cannot be written.
        """
        answer = self.run_all([(command, cause or self._cause)])[0]
        if isinstance(answer, Exception):
            raise answer
        return cast("Done[T]", answer)

    def run_together(self, *commands: Command[Any]) -> list[Done[Any] | Exception]:
        """Run several commands in the desk's own name, one after the other, with one wait for the disk."""
        return self.run_all([(command, self._cause) for command in commands])

    def run_all(self, commands: Sequence[tuple[Command[Any], Cause]]) -> list[Done[Any] | Exception]:
        """Run several commands of different people in one transaction: one wait for the disk for all of them.

        Returns:
            For each what it did, or why it was refused; a refusal is no concern of the others.
        """
        runs = [_Run(command, self._new_id) for command, _ in commands]
        causes = [cause for _, cause in commands]
        answers = self._store.decide(list(zip([run.decide for run in runs], causes, strict=True)))
        done: list[Done[Any] | Exception] = []
        for run, answer in zip(runs, answers, strict=True):
            if isinstance(answer, Exception):
                done.append(answer)
            else:
                done.append(run.refusal or Done(run.value, tuple(answer)))
                if self._after is not None and answer:
                    self._after(answer)
        return done


class _Run:
    """One run of a command, as a decision of the store."""

    def __init__(self, command: Command[Any], new_id: Callable[[str], str]) -> None:
        self._command = command
        self._new_id = new_id
        self.value: Any = None
        self.refusal: WorkRefused | None = None

    def decide(self, rows: Rows, now_ms: int) -> Sequence[NewEvent]:
        work = Work(rows, now_ms, self._new_id)
        try:
            self.value = self._command(work)
        except WorkRefused as refusal:
            # That it was refused may be worth remembering; what it recorded before is not.
            self.refusal = refusal
            return refusal.record
        return work.recorded

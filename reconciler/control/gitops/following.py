"""Following a branch: the watcher's loop over a checkout that moves from one good commit to the next.

A commit is fetched and verified beside the loop, and checked out by the loop itself between two turns, so that no turn
sees half of it. Its file is read before any turn does: where it is wrong, the checkout goes back to the last commit that
was right, so that the files which a container is made of are those of the revision that holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.control.gitops.fetching import Fetcher, Found
from reconciler.control.gitops.session import GitSession
from reconciler.control.gitops.status import Board
from reconciler.control.gitops.tally import Tally
from reconciler.control.gitops.verification import Policy
from reconciler.control.reading import now_ms
from reconciler.control.rejected import record_rejection
from reconciler.control.watch.loop import Loop, WatchOptions
from reconciler.errors import FleetError, Problem, SpecInvalid

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.control.gitops.repository import Commit, Repository
    from reconciler.control.session import ProjectValues
    from reconciler.control.watch.teller import Teller
    from reconciler.runtime.model import ContainerRuntime


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """How to follow. `interval_s` is the time between two fetches."""

    interval_s: float = 30.0
    policy: Policy = field(default_factory=Policy)


class CheckoutLoop(Loop):
    """The loop, with a look for a new commit before each turn."""

    def __init__(
        self, session: GitSession, tally: Tally, repository: Repository, fetcher: Fetcher, board: Board
    ) -> None:
        super().__init__(session, tally, WatchOptions())
        self._git_session = session
        self._tally = tally
        self._repository = repository
        self._fetcher = fetcher
        self._board = board
        self._handled: Found | None = None
        self._refused = ""

    def hurry(self) -> None:
        """There may be a new commit."""
        self._bell.ring("asked")

    def _turn(self) -> None:
        try:
            self._take_up()
        except (FleetError, OSError) as error:
            # What lies in the checkout may be half of something, so nothing is made of it; the next turn tries again.
            self._tally.tell("error", f"the commit cannot be checked out: {error}")
            self._handled = None
            self.turned_at = time.monotonic()
            return
        self._tally.begin()
        super()._turn()
        self._report()

    def _take_up(self) -> None:
        """Go to the newest commit, if that is news."""
        found = self._fetcher.found
        held = self._git_session.commit
        if self._repository.head() != held.id:
            self._repository.take(held.id)
            self._tally.tell("warning", f"the checkout is put back to {held.id[:12]}: somebody had changed it")
        if found is None or found == self._handled:
            return
        commit = self._repository.about(found.commit)
        self._board.set(seen=commit.id, state="pending", description="being taken up")
        # What holds may have moved on since it was fetched.
        judged = self._fetcher.judge(found.commit)
        if judged.why:
            why = f"{judged.why}; {judged.hint}" if judged.hint else judged.why
            self._reject(commit, SpecInvalid([_problem(self._git_session.file.name, why)]))
        elif commit.id != self._repository.good():
            self._check_out(commit, back_to=held)
        else:
            self._refused = ""
        self._handled = found

    def _check_out(self, commit: Commit, *, back_to: Commit) -> None:
        """Go to a commit, and back again if its file is wrong."""
        session, repository = self._git_session, self._repository
        session.at(commit)
        try:
            repository.take(commit.id)
            error = _wrong(session, repository.checkout)
        except BaseException:
            session.at(back_to)
            raise
        if error is not None:
            self._reject(commit, error)
            if repository.good():
                session.at(back_to)
                repository.take(back_to.id)
            return
        repository.keep(commit.id)
        self._refused = ""
        self._board.set(commit=commit.id, author=commit.author)
        facts = {"commit": commit.id, "author": commit.author, "branch": repository.branch}
        self._tally.tell("info", f"commit {commit.id[:12]} is taken up: {commit.subject}", **facts)

    def _reject(self, commit: Commit, error: SpecInvalid) -> None:
        """Record and tell that a commit is not taken up, in its own name."""
        held = self._git_session.commit
        self._git_session.at(commit)
        number = record_rejection(self._git_session, error)
        self._git_session.at(held)
        first = error.problems[0]
        revision = f"revision {number} " if number else ""
        place = f"{first.file}:{first.line}: " if first.line else ""
        self._refused = f"rejected {revision}of commit {commit.id[:12]}: {place}{first.message}"
        facts = {"commit": commit.id, "author": commit.author, "revision": number, "line": first.line}
        self._tally.tell("error", self._refused, **facts)
        self._board.set(state="failure", description=self._refused)

    def _report(self) -> None:
        seen = self._tally.seen
        if seen is not None:
            self._board.set(revision=self._tally.revision(seen))
        verdict = self._tally.verdict(waiting=self.turns.steady.waiting, state=self._board.status.state)
        if self._refused:
            verdict = "failure", self._refused
        if verdict is not None:
            self._board.set(state=verdict[0], description=verdict[1])


class Following:
    """Follows one branch. `run` returns after `stop`, which may be called from anywhere.

    Args:
        project: the project in the checkout.
        environ: what the fleet's file may read; nothing that opens the repository.
    """

    def __init__(
        self,
        repository: Repository,
        project: ProjectValues,
        teller: Teller,
        board: Board,
        options: FollowOptions = FollowOptions(),
        *,
        environ: Mapping[str, str],
        runtime: ContainerRuntime | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._repository = repository
        self._project = project
        self._tally = Tally(teller)
        self._board = board
        self._environ = environ
        self._runtime = runtime
        self._interval_s = options.interval_s
        self._fetched = threading.Event()
        self._stopping = threading.Event()
        self._loop: CheckoutLoop | None = None
        self._fetcher = Fetcher(
            repository,
            options.policy,
            board,
            teller,
            interval_s=options.interval_s,
            clock=clock,
            fetched=self._on_fetched,
        )

    def run(self, *, ready: Callable[[], None] = lambda: None) -> None:
        """Follow until `stop`.

        Args:
            ready: called when the first turn is over.

        Raises:
            LeaseHeld: another process follows the same.
            LogUnusable: nothing can be recorded, so nothing may be done.
        """
        with self._repository.alone():
            self._repository.prepare()
            self._board.start()
            self._fetcher.start()
            try:
                first = self._first()
                if first:
                    self._run(first, ready)
            finally:
                self._fetcher.stop()
                self._board.stop()

    def stop(self) -> None:
        """End it in good order."""
        self._stopping.set()
        self._fetched.set()
        if self._loop is not None:
            self._loop.stop()

    def hurry(self) -> None:
        """Fetch now."""
        self._fetcher.hurry()

    @property
    def turning(self) -> bool:
        """A turn is being taken right now."""
        return self._loop is not None and self._loop.turning

    @property
    def turned_at(self) -> float:
        """When the last turn was over, on the monotonic clock; waiting for a first commit is as good."""
        return self._loop.turned_at if self._loop is not None else time.monotonic()

    @property
    def interval_s(self) -> float:
        """The longest time between two turns."""
        return self._loop.interval_s if self._loop is not None else self._interval_s

    def _run(self, first: str, ready: Callable[[], None]) -> None:
        self._repository.take(first)
        commit = self._repository.about(first)
        session = GitSession(self._project, self._repository, environ=self._environ, runtime=self._runtime)
        with session:
            session.at(commit)
            self._board.set(commit=commit.id, author=commit.author)
            self._loop = CheckoutLoop(session, self._tally, self._repository, self._fetcher, self._board)
            if not self._stopping.is_set():
                self._loop.run(ready=ready)

    def _first(self) -> str:
        """The commit to begin with: the one that holds, else the first that may be taken up. Empty after `stop`."""
        known = self._repository.good()
        said = ""
        while not known and not self._stopping.is_set():
            self._fetched.wait()
            self._fetched.clear()
            found = self._fetcher.found
            if found is not None and not found.why:
                known = found.commit
            elif found is not None and found.why != said:
                said = found.why
                self._tally.tell("error", f"nothing is taken up: {said}", commit=found.commit)
                self._board.set(seen=found.commit, state="failure", description=said)
        return "" if self._stopping.is_set() else known

    def _on_fetched(self) -> None:
        self._fetched.set()
        loop = self._loop
        if loop is not None:
            loop.hurry()


def _wrong(session: GitSession, checkout: Path) -> SpecInvalid | None:
    """What is wrong with the file that is checked out."""
    from reconciler.spec.load import load

    inside = (session.file, *session.file.parents)
    links = [one for one in inside if one.is_relative_to(checkout) and one != checkout and one.is_symlink()]
    if links:
        # Where it leads may change with every commit, and with it whose containers these are.
        return SpecInvalid(
            [_problem(str(links[-1].relative_to(checkout)), "a link may not stand on the way to the file")]
        )
    try:
        load(session.file, project=session.directory, options=session.load_options())
    except SpecInvalid as error:
        return error
    except FleetError as error:
        return SpecInvalid([_problem(session.file.name, str(error))])
    return None


def _problem(file: str, message: str) -> Problem:
    return Problem(file=file, line=0, column=0, path="", message=message)

"""The worker: ask, do, tell, and ask again, until there is a reason to end.

It ends when it is drained, after a signal, or when it was asked to do one thing only. A signal lets the command that runs
go on for a while; what is not done by then is handed back, and costs no attempt.
"""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from reconciler.control.desk.briefing import Brief
from reconciler.control.worker.artifacts import keep
from reconciler.control.worker.attempt import Bench, Done, attempt
from reconciler.control.worker.identity import Identity
from reconciler.control.worker.office import Artifact, Cost, Office
from reconciler.control.worker.process import Stopper
from reconciler.control.worker.pulse import Minder, Pulse
from reconciler.errors import FleetError
from reconciler.work.harness import Outcome, Report
from reconciler.work.refusals import AlreadyEnded, BudgetSpent, LeaseOver, NotEligible, WorkRefused

SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 5.0
PROGRESS_S = 1.0
MOST_REVIEW_TRIES = 3

Level = Literal["info", "warning", "error"]


class Tell(Protocol):
    """Where the worker says what it does."""

    def __call__(self, level: Level, what: str, /, **facts: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How long it works.

    Attributes:
        once: one thing, and then it ends.
        idle_exit: it ends when no sortie is open.
        grace_s: how long a command may go on after a signal.
    """

    once: bool = False
    idle_exit: bool = False
    grace_s: float = 10.0


@dataclass(slots=True)
class Tally:
    """What it has done."""

    completed: int = 0
    failed: int = 0
    handed_back: int = 0
    reviewed: int = 0


class Worker:
    """One specialist at work. `stop` and `drain` may be called from other threads."""

    def __init__(self, office: Office, identity: Identity, bench: Bench, tell: Tell, options: WorkerOptions) -> None:
        self._office = office
        self._me = identity
        self._bench = bench
        self._tell = tell
        self._options = options
        self._lease_s = identity.spec.heartbeat_timeout_ms / 1000
        self._begun = time.monotonic()
        self._stopping = threading.Event()
        self._draining = threading.Event()
        self._lock = threading.Lock()
        self._stopper: Stopper | None = None
        self._cut_off = False
        self._rest_until = 0.0
        self._said = ""
        self._review_tries: dict[str, int] = {}
        self.tally = Tally()

    def stop(self, *, grace_s: float | None = None) -> None:
        """End in good order: nothing more is taken, and what runs is ended when its grace is over."""
        self._stopping.set()
        grace = self._options.grace_s if grace_s is None else grace_s
        if grace > 0:
            timer = threading.Timer(grace, self._cut)
            timer.daemon = True
            timer.start()
        else:
            self._cut()

    def drain(self) -> None:
        """Finish what is held, and end."""
        self._draining.set()

    def run(self) -> Tally:
        """Work until there is a reason to end.

        Raises:
            FleetError: it cannot be registered.
        """
        self._office.register()
        self._office.heartbeat()
        self._tell("info", "registered", specialist=self._me.id, harness=self._me.spec.harness.kind)
        minder = Minder()
        pulse = Pulse(
            self._office,
            minder,
            interval_s=self._me.spec.heartbeat_interval_ms / 1000,
            lease_s=self._lease_s,
            on_drain=self.drain,
            on_trouble=lambda trouble: self._tell("warning", "trouble", error=trouble),
            metrics=self._metrics,
        )
        try:
            with pulse:
                self._work(pulse)
        finally:
            minder.close()
        self._leave()
        return self.tally

    @property
    def _over(self) -> bool:
        return self._stopping.is_set() or self._draining.is_set()

    def _work(self, pulse: Pulse) -> None:
        wait = SHORTEST_WAIT_S
        while not self._over:
            given = self._claim()
            if given is not None:
                self._do(given, pulse)
                wait = SHORTEST_WAIT_S
                if self._options.once:
                    return
            elif self._over or (self._options.idle_exit and self._nothing_left()):
                return
            else:
                resting = self._rest_until - time.monotonic()
                self._office.wait(max(wait, resting), lambda: self._over)
                wait = min(wait * 1.5, LONGEST_WAIT_S)

    def _claim(self) -> Brief | None:
        if time.monotonic() < self._rest_until:
            return None
        try:
            given = self._office.claim(round(self._lease_s * 1000))
        except BudgetSpent as spent:
            self._say_once("budget", f"{spent}; {spent.hint}")
        except AlreadyEnded as ended:
            self._say_once("trouble", str(ended))
            self._draining.set()
        except NotEligible as not_now:
            self._come_back(not_now)
        except FleetError as error:
            self._say_once("trouble", str(error))
        else:
            self._said = "" if given is not None else self._said
            return given
        return None

    def _come_back(self, refused: NotEligible) -> None:
        """It is draining, or counts as away although it is here."""
        try:
            if self._office.heartbeat(metrics=self._metrics()):
                self._draining.set()
                return
        except AlreadyEnded:
            # Somebody has ended it: it is registered again only by being started again.
            self._draining.set()
        self._say_once("trouble", str(refused))

    def _nothing_left(self) -> bool:
        return self._said_of_budget() or not self._office.anything_open()

    def _said_of_budget(self) -> bool:
        return self._said.startswith("budget ")

    def _say_once(self, what: Literal["budget", "trouble"], text: str) -> None:
        line = f"{what} {text}"
        if line != self._said:
            self._said = line
            self._tell("warning", what, error=text)

    def _do(self, given: Brief, pulse: Pulse) -> None:
        self._tell("info", "begins", **_about(given))
        with Stopper() as stopper:
            held = pulse.hold(given, stopper)
            with self._lock:
                self._stopper = stopper
                cut_off = self._cut_off
            if cut_off:
                stopper.stop("shutdown")
            try:
                if given.kind == "review":
                    self._office.heartbeat(given, self._metrics())
                done = self._attempt(given, stopper, lambda group: pulse.started(held, group))
            finally:
                pulse.ended(held)
                with self._lock:
                    self._stopper = None
            # The minder may have ended it before the pulse could say so.
            lost = stopper.why == "lost" or (held.is_over() and not done.outcome.success)
        try:
            self._report(given, done, lost)
        finally:
            pulse.let_go()

    def _attempt(self, given: Brief, stopper: Stopper, on_started: Callable[[int], None]) -> Done:
        progress = _Progress(self._office, given)
        try:
            return attempt(given, self._bench, stopper, on_progress=progress, on_started=on_started)
        except FleetError as error:
            # Of the kind that another attempt by this specialist will not mend; retries decide all the same.
            return Done(Outcome(success=False, error=f"{error}" + (f" ({error.hint})" if error.hint else "")), Cost())

    def _report(self, given: Brief, done: Done, lost: bool) -> None:
        if lost:
            self._tell("warning", "lost", **_about(given))
            return
        if done.outcome.cause == "rate_limit" and not done.outcome.success:
            self._rest_until = time.monotonic() + done.outcome.retry_after_ms / 1000
        try:
            if given.kind == "review":
                self._report_review(given, done)
            elif done.outcome.success:
                self._report_success(given, done)
            else:
                self._report_failure(given, done)
        except LeaseOver as late:
            self._tell("warning", "lost", error=str(late), **_about(given))
        except WorkRefused as refused:
            self._tell("error", "refused", error=str(refused), **_about(given))

    def _report_success(self, given: Brief, done: Done) -> None:
        outcome = done.outcome
        made: list[Artifact] = []
        metrics: dict[str, Any] = dict(outcome.metrics)
        if outcome.artifacts:
            made, problems = keep(outcome.artifacts, work=self._bench.folder, folder=self._bench.data)
            if problems:
                metrics["artifacts_refused"] = problems
        result: dict[str, Any] = {"success": True}
        if outcome.summary:
            result["summary"] = outcome.summary
        if made:
            result["artifacts"] = [one.path for one in made]
        if metrics:
            result["metrics"] = metrics
        self._office.complete(given.job.sortie_id, given.attempt, result, made, done.cost)
        self.tally.completed += 1
        self._tell("info", "completed", seconds=done.cost.wall_ms / 1000, **_about(given))

    def _report_failure(self, given: Brief, done: Done) -> None:
        outcome = done.outcome
        if done.why == "shutdown":
            context = {"current_sortie": given.job.sortie_id, "attempt": given.attempt, "output": outcome.summary}
            self._office.checkpoint("its worker was asked to end within its work", context)
        self._office.fail(
            given.job.sortie_id, given.attempt, outcome.error, outcome.cause, outcome.retry_after_ms, done.cost
        )
        if outcome.cause == "handed_back":
            self.tally.handed_back += 1
            self._tell("info", "handed back", **_about(given))
        else:
            self.tally.failed += 1
            self._tell("warning", "failed", error=outcome.error, cause=outcome.cause, **_about(given))

    def _report_review(self, given: Brief, done: Done) -> None:
        outcome = done.outcome
        sortie_id = given.job.sortie_id
        if outcome.verdict is not None:
            self._review_tries.pop(sortie_id, None)
            self._office.conclude_review(given, outcome.verdict, outcome.feedback, outcome.issues, done.cost)
            self.tally.reviewed += 1
            self._tell("info", outcome.verdict.replace("_", " "), **_about(given))
        else:
            self._without_verdict(given, done)
        # A reviewer is busy by its own word only, which has to be taken back.
        self._office.heartbeat(metrics=self._metrics())

    def _without_verdict(self, given: Brief, done: Done) -> None:
        """A review that cannot be done is tried again; then the work is rejected, for it cannot be approved unseen."""
        sortie_id, error = given.job.sortie_id, done.outcome.error or "no verdict was given"
        counts = done.outcome.cause not in ("handed_back", "rate_limit", "budget")
        tries = self._review_tries.get(sortie_id, 0) + (1 if counts else 0)
        self._review_tries[sortie_id] = tries
        if tries >= MOST_REVIEW_TRIES:
            self._office.conclude_review(given, "rejected", f"it could not be reviewed: {error}", (), done.cost)
        else:
            self._office.abandon_review(given, error, done.cost)
        self.tally.failed += 1
        self._tell("warning", "failed", error=error, **_about(given))

    def _leave(self) -> None:
        reason: Literal["success", "cancelled"] = "cancelled" if self._stopping.is_set() else "success"
        done = self.tally
        summary = f"{done.completed} completed, {done.failed} failed, {done.reviewed} reviewed"
        try:
            self._office.leave(reason, summary)
        except FleetError as error:
            self._tell("warning", "trouble", error=str(error))
        self._tell("info", "left", reason=reason, summary=summary)

    def _cut(self) -> None:
        """The grace is over."""
        with self._lock:
            self._cut_off = True
            if self._stopper is not None:
                self._stopper.stop("shutdown")

    def _metrics(self) -> Mapping[str, float]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        per_mb = 1024 * 1024 if sys.platform == "darwin" else 1024
        return {
            "memory_mb": round(peak / per_mb, 1),
            "uptime_seconds": round(time.monotonic() - self._begun, 1),
        }


class _Progress:
    """Passes reports on: not the same one twice, not more than one in a while, never backwards."""

    def __init__(self, office: Office, given: Brief) -> None:
        self._office = office
        self._given = given
        self._value = 0
        self._last = Report("")
        self._next_at = 0.0

    def __call__(self, report: Report) -> None:
        value = self._value if report.value is None else max(report.value, self._value)
        newer = Report(report.message, value)
        now = time.monotonic()
        if self._given.kind == "review" or newer == self._last or (now < self._next_at and value == self._value):
            return
        self._value, self._last, self._next_at = value, newer, now + PROGRESS_S
        try:
            self._office.progress(self._given.job.sortie_id, self._given.attempt, value, newer.message)
        except FleetError:
            # Whether the hold is lost is for the pulse to find out; a report of progress is not worth an end.
            return


def _about(given: Brief) -> dict[str, Any]:
    job = given.job
    return {
        "kind": given.kind,
        "sortie": job.sortie_id,
        "name": job.name or job.title,
        "mission": job.mission,
        "attempt": given.attempt,
    }

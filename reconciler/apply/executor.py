"""The executor: walks a plan's graph and decides nothing.

One thread holds the schedule; others act, at most `parallel` at once, and look at services that are waited for. Each
action is recorded before it is tried and again when it has ended. When one fails, what needs it is skipped and
everything else goes on. Losing the lease or the engine ends the walk at once, leaving open intents for the next look.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from reconciler.apply.actions import Outcomes, Record, carry_out, record_of
from reconciler.apply.closing import ended_already, remove_unused_secrets
from reconciler.apply.crew import Crew
from reconciler.apply.handlers import notifications
from reconciler.apply.intents import Causes, Intent, intend, skipped
from reconciler.apply.journal import Journal
from reconciler.apply.means import Means
from reconciler.apply.milestones import apply_completed, apply_started
from reconciler.apply.model import ApplyOptions, ApplyResult, ApplyStatus, Failure
from reconciler.apply.preflight import obstacles_by_action, preflight
from reconciler.apply.readiness import own_gate, passed_ms
from reconciler.apply.report import Reporter, Silent
from reconciler.apply.schedule import Bringing, GateKey, Schedule
from reconciler.apply.waiting import Looked, Waits
from reconciler.apply.work import NoWork, WorkDoor
from reconciler.errors import FleetError, Interrupted, LeaseHeld, RuntimeUnreachable, TimedOut
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.lease import Lease
from reconciler.ids import new_id
from reconciler.plan.model import (
    AnyAction,
    BuildImage,
    DefineService,
    DefineSpecialist,
    MoveService,
    Plan,
    PullImage,
)
from reconciler.runtime.model import ContainerRuntime
from reconciler.runtime.process.model import ProcessRuntime
from reconciler.spec.desired import Desired

if TYPE_CHECKING:
    from reconciler.projections.store import Store

# How soon an interruption is noticed while nothing else happens.
_TICK_MS = 200
_SILENT = Silent()
_SERVICES_ONLY = NoWork()


def apply(
    plan: Plan,
    desired: Desired,
    *,
    store: Store,
    runtime: ContainerRuntime,
    lease: Lease | None,
    cause: Cause,
    project: Path,
    environ: Mapping[str, str] = os.environ,
    revision_event: UUID | None = None,
    reporter: Reporter = _SILENT,
    options: ApplyOptions | None = None,
    work: WorkDoor = _SERVICES_ONLY,
    processes: ProcessRuntime | None = None,
    crew: Crew | None = None,
) -> ApplyResult:
    """Carry out a plan.

    Args:
        plan: computed from `desired` and from what the store says now.
        lease: the writer's, held by the caller; None where nobody else can write (a log in memory).
        project: the folder in which commands of secrets run.
        environ: what secrets are looked up in.
        revision_event: the event that made `desired` hold.
        work: carries out what the plan says of missions.
        processes, crew: with what the plan says of specialists is carried out.

    Raises:
        LeaseLost: somebody else is the writer now; nothing more was done or recorded.
        RuntimeUnreachable: the engine went away; what was under way is settled by the next look.
    """
    means = Means(
        desired=desired,
        projected=store.projected(),
        runtime=runtime,
        journal=Journal(store, cause, lease),
        project=project,
        environ=environ,
        work=work,
        processes=processes,
        crew=crew,
    )
    return _Walk(plan, means, store, revision_event, reporter, options or ApplyOptions()).run()


@dataclass(frozen=True, slots=True)
class _Ended:
    """An action has ended: with outcomes, with the event that says why not, or with what ends everything."""

    action: AnyAction
    seconds: float
    outcomes: Outcomes = field(default_factory=list)
    failure: NewEvent | None = None
    error: BaseException | None = None


class _Walk:
    """One walk. Everything in it but `_act` runs in one thread."""

    def __init__(
        self,
        plan: Plan,
        means: Means,
        store: Store,
        revision: UUID | None,
        reporter: Reporter,
        options: ApplyOptions,
    ) -> None:
        self._plan = plan
        self._means = means
        self._store = store
        self._revision = revision
        self._report = reporter
        self._options = options
        self._apply_id = new_id("apply")
        self._start = apply_started(
            plan,
            apply_id=self._apply_id,
            revision=means.projected.head.revision,
            targets=options.targets,
            cause=revision,
        )
        self._causes = Causes(store, means.projected, started=self._start.event_id, revision=revision)
        self._schedule = Schedule(plan)
        self._began = time.monotonic()
        self._deadline_ms = passed_ms() + options.timeout_ms if options.timeout_ms else 0
        self._parallel = max(1, options.parallel)
        self._hands = ThreadPoolExecutor(self._parallel, "act")
        self._eyes = ThreadPoolExecutor(self._parallel, "look")
        self._inbox: queue.SimpleQueue[_Ended | Looked] = queue.SimpleQueue()
        self._waits = Waits(means, self._eyes, self._inbox.put)
        self._acting = 0
        self._obstacles: dict[str, str] = {}
        self._opened: set[GateKey] = set()
        self._touched: dict[str, None] = {}
        self._failures: list[Failure] = []
        self._done = 0
        self._complete = False
        self._fatal: BaseException | None = None

    def run(self) -> ApplyResult:
        """The whole of it."""
        with self._hands, self._eyes:
            try:
                self._means.journal.record(self._start)
                self._look_ahead()
                self._walk()
                for action in () if self._stopping else self._schedule.unfinished:
                    self._lose(action, "it waits for something that never came", None)
                if self._options.wait and not self._stopping:
                    self._see_that_it_runs()
                self._complete = not self._stopping
            except BaseException as error:
                # The threads must not go on acting while this one leaves.
                self._means.halt.set(error if isinstance(error, FleetError) else Interrupted("the apply was stopped"))
                raise
        return self._finish()

    def _look_ahead(self) -> None:
        try:
            found = preflight(self._plan, self._means, lambda asked: self._hands.map(lambda ask: ask(), asked))
        except RuntimeUnreachable as error:
            self._give_up(error)
            return
        self._obstacles = obstacles_by_action(self._plan, found)
        if found:
            self._report.on_problems(list(dict.fromkeys(obstacle.text for obstacle in found)))

    @property
    def _stopping(self) -> bool:
        """Nothing more is to be begun."""
        halted = self._fatal is not None or self._means.halt.error is not None
        return halted or self._options.interrupt.is_set()

    def _walk(self) -> None:
        """Begin what may be begun and take what comes back, until nothing is left of either."""
        while True:
            if not self._stopping:
                self._begin_actions()
                self._begin_waits()
                self._waits.look()
            if not self._acting and not self._waits.looking and (self._stopping or self._waits.idle):
                return
            self._take()

    def _begin_actions(self) -> None:
        """Actions in the plan's order as far as there are hands; records that stand together are written together."""
        records: list[Record] = []
        while self._acting < self._parallel:
            action = self._schedule.next_action()
            if isinstance(action, Record):
                records.append(action)
            elif action is not None:
                self._begin(action)
            elif records:
                self._record(records)
                records = []
            else:
                return
        self._record(records)

    def _record(self, actions: list[Record]) -> None:
        cause = self._revision or self._start.event_id
        revision = self._means.projected.head.revision
        events = [record_of(action, fleet=self._plan.fleet, revision=revision, cause=cause) for action in actions]
        self._means.journal.record(*events)
        for action, event in zip(actions, events, strict=True):
            if isinstance(action, DefineService | DefineSpecialist):
                self._causes.learn(action.resource, event)
            elif isinstance(action, MoveService):
                self._means.moved(action.from_service, action.service)
            self._succeed(action, 0.0)

    def _begin(self, action: AnyAction) -> None:
        cause = self._causes.of(action)
        intent = intend(action, fleet=self._plan.fleet, apply_id=self._apply_id, cause=cause)
        self._acting += 1
        self._report.on_action(action, "running")
        self._hands.submit(self._act, action, intent)

    def _act(self, action: AnyAction, intent: Intent) -> None:
        """Record, act, record. Runs in a thread that acts."""
        began = time.monotonic()
        outcomes: Outcomes = []
        failure: NewEvent | None = None
        fatal: BaseException | None = None
        try:
            self._means.halt.check()
            self._means.journal.record(intent.event)
            try:
                if action.id in self._obstacles:
                    raise FleetError(self._obstacles[action.id])
                outcomes = carry_out(self._means, action, intent)
                if outcomes:
                    outcomes += notifications(self._means, action, outcomes[-1])
                self._means.journal.record(*outcomes)
            except (LeaseHeld, RuntimeUnreachable):
                # What became of it is not known, so the intent stays open and the next look settles it.
                raise
            except FleetError as error:
                failure = intent.failed(self._means.mask(_told(error)))
                self._means.journal.record(failure)
        except BaseException as error:
            fatal = error
        self._inbox.put(_Ended(action, time.monotonic() - began, outcomes, failure, fatal))

    def _begin_waits(self) -> None:
        while (key := self._schedule.next_gate()) is not None:
            self._waits.add(key)
            self._report.on_gate(key.service, key.gate, "wait")

    def _take(self) -> None:
        """Wait for one message, but not past the time of the next look, the deadline or the next tick."""
        now = passed_ms()
        due = self._waits.next_due
        until = [now + _TICK_MS, *([due] if due is not None and not self._stopping else [])]
        try:
            message = self._inbox.get(timeout=max(0, min(until) - now) / 1000)
        except queue.Empty:
            self._check_deadline()
            return
        if isinstance(message, Looked):
            self._looked(message)
        else:
            self._ended(message)
        self._check_deadline()

    def _check_deadline(self) -> None:
        if self._deadline_ms and passed_ms() >= self._deadline_ms:
            self._means.halt.set(TimedOut("the time that was allowed is over"))

    def _ended(self, message: _Ended) -> None:
        self._acting -= 1
        action, failure = message.action, message.failure
        if message.error is not None:
            self._give_up(message.error)
        elif failure is not None:
            error = failure.data["error"]
            self._report.on_action(action, "failed", error, message.seconds)
            self._failures.append(Failure(action.id, action.resource, error))
            self._lose_dependants(action.id, f"{action.id} failed", failure.event_id)
        else:
            self._learn(action, message.outcomes)
            self._succeed(action, message.seconds)

    def _learn(self, action: AnyAction, outcomes: Outcomes) -> None:
        """What later actions name as their cause, and what there is to see to at the end."""
        for event in outcomes:
            if event.event_type == "handler_notified":
                self._causes.learn(f"handler/{event.data['handler']}", event)
        if isinstance(action, PullImage | BuildImage):
            self._causes.learn(f"image/{action.image}", outcomes[-1])
        if isinstance(action, Bringing):
            self._touched[action.service] = None

    def _succeed(self, action: AnyAction, seconds: float) -> None:
        self._done += 1
        self._report.on_action(action, "done", "", seconds)
        self._schedule.succeeded(action.id)

    def _looked(self, message: Looked) -> None:
        self._waits.looking -= 1
        key, verdict = message.key, message.verdict
        if message.error is not None:
            self._give_up(message.error)
            return
        self._report.on_gate(key.service, key.gate, verdict.state, verdict.detail, self._waits.seconds(key))
        match verdict.state:
            case "open":
                self._opened.add(key)
                self._schedule.succeeded(key)
            case "wait":
                self._waits.again(key)
            case "failed":
                self._failures.append(
                    Failure(f"{key.gate} service/{key.service}", f"service/{key.service}", verdict.detail)
                )
                self._lose_dependants(key, f"service/{key.service} is not {key.gate}: {verdict.detail}", None)

    def _lose_dependants(self, key: str | GateKey, because: str, cause: UUID | None) -> None:
        for action in self._schedule.failed(key):
            self._lose(action, because, cause)

    def _lose(self, action: AnyAction, because: str, cause: UUID | None) -> None:
        event = skipped(
            action,
            fleet=self._plan.fleet,
            apply_id=self._apply_id,
            because=because,
            cause=cause or self._start.event_id,
        )
        self._means.journal.record(event)
        self._failures.append(Failure(action.id, action.resource, because, skipped=True))
        self._report.on_action(action, "skipped", because)

    def _give_up(self, error: BaseException) -> None:
        """End at once: the first reason counts, unless it was only the end of the time that was allowed."""
        if error is self._means.halt.error:
            return
        self._fatal = self._fatal or error
        if isinstance(error, FleetError):
            self._means.halt.set(error)

    def _see_that_it_runs(self) -> None:
        """Wait until every service that was touched is ready, then look whether one has ended again meanwhile."""
        unready = {failure.resource for failure in self._failures}
        plain = []
        for service in self._touched:
            specs = [self._means.made_from(service, one) for one in self._means.replicas(service).values()]
            key = GateKey(service, own_gate(specs[0] if specs else self._means.service(service)))
            if key.gate == "started":
                plain.append(service)
            elif key not in self._opened and f"service/{service}" not in unready:
                self._waits.add(key)
                self._report.on_gate(service, key.gate, "wait")
        if self._options.ready_ms and not self._waits.idle:
            until = passed_ms() + self._options.ready_ms
            self._deadline_ms = min(self._deadline_ms or until, until)
        self._walk()
        if not self._stopping:
            for service, why in ended_already(self._means, self._store, plain).items():
                self._report.on_gate(service, "started", "failed", why)
                self._failures.append(Failure(f"started service/{service}", f"service/{service}", why))
        if not self._stopping and self._means.at_work():
            self._see_that_specialists_report()

    def _see_that_specialists_report(self) -> None:
        from reconciler.apply.reporting import READY_MS, not_at_work

        until = passed_ms() + (self._options.ready_ms or READY_MS)
        until = min(until, self._deadline_ms or until)
        for address, why in not_at_work(self._means, until - passed_ms(), lambda: self._stopping).items():
            self._failures.append(Failure(f"started {address}", address.rpartition("/")[0], why))
        self._check_deadline()

    def _finish(self) -> ApplyResult:
        """Record how it ended.

        Raises:
            BaseException: what ended it, when that was the lease, the engine or a mistake of ours.
        """
        fatal = self._fatal
        if fatal is not None and not isinstance(fatal, RuntimeUnreachable):
            raise fatal
        if fatal is None:
            remove_unused_secrets(self._means, self._store.projected())
        result = self._result()
        self._means.journal.record(apply_completed(result, fleet=self._plan.fleet, cause=self._start.event_id))
        if fatal is not None:
            raise fatal
        return result

    def _result(self) -> ApplyResult:
        left = self._schedule.unfinished
        lost = [failure for failure in self._failures if not failure.skipped]
        return ApplyResult(
            apply_id=self._apply_id,
            status=self._status(),
            done=self._done,
            failed=len(lost),
            skipped=len(self._failures) - len(lost),
            seconds=time.monotonic() - self._began,
            failures=tuple(self._failures),
            reverted=tuple(dict.fromkeys(self._means.reverted)),
            left_off=left[0].id if left else "",
        )

    def _status(self) -> ApplyStatus:
        if isinstance(self._means.halt.error, TimedOut):
            return "timed_out"
        if not self._complete:
            return "interrupted"
        return "failed" if self._failures else "succeeded"


def _told(error: FleetError) -> str:
    return f"{error.what} ({error.hint})" if error.hint else error.what

"""One turn of the loop: look, record what failed or was rejected, and make it so unless that has to wait.

Nothing that goes wrong in a turn ends the loop: an engine that does not answer leaves everything unknown, which is never
absent; another writer is waited for; a file that is wrong leaves the last good revision in force.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.control.cycle import Confirmation, converge, destroyed, within_policy
from reconciler.control.look import Look, look
from reconciler.control.watch import backoff, crew, flapping
from reconciler.control.watch.retry import Retry
from reconciler.control.watch.steady import SteadyReading
from reconciler.errors import (
    ConfirmationMissing,
    FleetError,
    FleetFrozen,
    LeaseHeld,
    LogUnusable,
    RuntimeUnreachable,
    SpecInvalid,
)
from reconciler.events.envelope import NewEvent
from reconciler.plan.counts import ends_process
from reconciler.plan.model import (
    Plan,
    PlanOptions,
    RemoveContainer,
    ReplaceContainer,
)
from reconciler.plan.naming import specialist_address
from reconciler.plan.reasons import counted
from reconciler.projections.store import EventQuery

if TYPE_CHECKING:
    from reconciler.apply.model import ApplyResult
    from reconciler.control.session import Session
    from reconciler.control.watch.teller import Teller

_ANOTHER_WRITER_MS = 1_000
_UNREACHABLE_MS = 5_000


@dataclass(slots=True)
class Turns:
    """Takes turns.

    Attributes:
        session: the project, its log and its runtime.
        teller: who is told.
        clock: Unix ms.
        jitter: a number between 0 and 1, for delays.
        detect_only: changes from outside are recorded and told, and not put right.
        paused: nothing is carried out for now.
        agreed: somebody said yes to whatever the next turn destroys.
        interrupt: set to end what is under way in good order.
        seen: the last look; None before the first.
        soon_ms: when the next turn should be taken at the latest; None when the interval will do.
    """

    session: Session
    teller: Teller
    clock: Callable[[], int]
    jitter: Callable[[], float]
    detect_only: bool = False
    paused: bool = False
    agreed: bool = False
    interrupt: threading.Event = field(default_factory=threading.Event)
    steady: SteadyReading = field(default_factory=SteadyReading)
    seen: Look | None = None
    soon_ms: int | None = None
    _retry: Retry = field(default_factory=Retry)
    _heals: bool = True
    _yes: bool = False
    _said: dict[str, str] = field(default_factory=dict)

    def take(self) -> None:
        """One turn.

        Raises:
            LogUnusable: nothing can be recorded, so nothing may be done.
        """
        self.soon_ms = None
        # A yes is to what waits at that moment, and never to a plan of later on.
        self._yes, self.agreed = self.agreed, False
        if self._yes:
            self.steady.held = ""
        try:
            self._take()
        except LogUnusable:
            raise
        except SpecInvalid:
            self._reject(None)
        except RuntimeUnreachable as error:
            self._once("engine", "error", f"what runs is unknown: {error}")
            self._soon(self.clock() + _UNREACHABLE_MS)
        except LeaseHeld as error:
            self._once("lease", "info", str(error), key="held")
            self._soon(self.clock() + _ANOTHER_WRITER_MS)
        except FleetError as error:
            self._once("failed", "error", str(error))

    def _take(self) -> None:
        now = self.clock()
        seen = self._look(now)
        self._forget("engine")
        self._reject(seen)
        if seen.frozen is not None:
            self._once("frozen", "info", f"{seen.frozen}; what runs is looked after, an edited file waits")
        else:
            self._forget("frozen")
        requests = self._decisions(seen, now)
        if requests:
            seen = look(self.session, self._options(now), requests=requests, read=self.steady)
        self.seen = seen
        self.teller.looked(seen)
        self._soon(backoff.next_due_ms(seen.projected, now_ms=now))
        self._soon(crew.next_due_ms(seen.projected, now_ms=now))
        if seen.settled:
            self._forget("lease", "failed")
        elif self.paused:
            self._once("paused", "info", "paused: nothing is carried out")
        elif self._retry.must_wait(seen.plan, now) and not seen.observations and not requests:
            self._soon(self._retry.due_ms)
        else:
            self._converge(seen, requests, self._options(now))

    def _options(self, now: int) -> PlanOptions:
        return PlanOptions(now_ms=now, heal=self._heals, restart_unhealthy=True, drain_first=True)

    def _look(self, now: int) -> Look:
        """Look; a second time when the file turns self-healing on or off."""
        seen = look(self.session, self._options(now), read=self.steady)
        heals = seen.desired.reconcile.self_heal and not self.detect_only
        if heals != self._heals:
            self._heals = heals
            seen = look(self.session, self._options(now), read=self.steady)
        return seen

    def _decisions(self, seen: Look, now: int) -> list[NewEvent]:
        """Back-offs that begin or end, and quarrels with another manager."""
        events = backoff.decide(seen.desired, seen.projected, now_ms=now, jitter=self.jitter)
        events += crew.decide(seen.desired, seen.projected, now_ms=now, jitter=self.jitter)
        new = flapping.changes_of(seen.observations)
        if new and self.session.store is not None and self._heals:
            query = EventQuery(stream_type="service", types=flapping.CHANGES, since_ms=now - flapping.WINDOW_MS)
            past = flapping.changes_of(self.session.store.events(query))
            suspects = flapping.suspects(seen.observed, self.session.project)
            events += flapping.decide(
                seen.desired, seen.projected, past, new, suspects=suspects, now_ms=now, jitter=self.jitter()
            )
        return events

    def _tell_decision(self, event: NewEvent) -> None:
        data = event.data
        whole = f"service/{data['service']}" if "service" in data else specialist_address(data["pool"])
        who = f"{whole}/{data['replica']}"
        match event.event_type.removeprefix("specialist_"):
            case "restart_abandoned":
                self.teller.tell("error", f"{who} is given up: {data['why']}", resource=who, failures=data["failures"])
            case "flapping_detected":
                text = f"{who} keeps changing back and forth; {data['suspect']} may be steering it too"
                self.teller.tell("warning", text, resource=who, suspect=data["suspect"])
            case "backoff_started" if data["delay_ms"]:
                seconds = data["delay_ms"] / 1000
                text = f"{who} is left alone for {seconds:.0f} s after {counted(data['failures'], 'failure')}"
                self.teller.tell("warning", text, resource=who, failures=data["failures"], seconds=seconds)
            case _:
                pass

    def _reject(self, seen: Look | None) -> None:
        """Say that the file is wrong, and record it when there is a revision that stays in force."""
        rejected = self.steady.rejected
        if rejected is None:
            self._forget("rejected")
            return
        if self._said.get("rejected") == rejected.digest:
            return
        if seen is not None and not rejected.recorded:
            store = self.session.writable(seen.desired.database)
            with store.lease("watch", wait_ms=_ANOTHER_WRITER_MS, cause=self.session.cause) as lease:
                store.append([rejected.event(seen.desired.name)], self.session.cause, lease=lease)
        first = rejected.problems[0]
        facts = {"revision": rejected.revision, "file": first.file, "line": first.line}
        self._once("rejected", "error", str(rejected), key=rejected.digest, **facts)

    def _converge(self, seen: Look, requests: list[NewEvent], options: PlanOptions) -> None:
        from reconciler.apply.model import ApplyOptions

        self.session.renew_cause()
        if seen.plan.actions:
            names = [action.id for action in seen.plan.actions]
            self.teller.tell("info", "plan", actions=names, why=sorted({one.reason.text for one in seen.plan.actions}))
        # Who heals goes on looking after everything else meanwhile; a revision is seen through to the end.
        how = ApplyOptions(wait=seen.reading.changed, interrupt=self.interrupt)
        decided = requests

        def again(current: Look) -> list[NewEvent]:
            nonlocal decided
            decided = self._decisions(current, options.now_ms)
            return decided

        try:
            converged = converge(
                self.session,
                options=options,
                how=how,
                reporter=self.teller.reporter(seen),
                confirm=self._confirm,
                requests=requests,
                again=again,
                purpose="watch",
                seen=seen,
                read=self.steady,
            )
        except FleetFrozen as error:
            # The window began between two looks; the next one reads the last good revision.
            self._once("frozen", "info", str(error))
            return
        except ConfirmationMissing as error:
            self._hold(seen, error, requests, options)
            return
        self._forget("lease", "waits", "paused", "failed")
        for event in decided:
            self._tell_decision(event)
        self._retry.done(converged.result, self.clock())
        if self._retry.due_ms:
            self._soon(self._retry.due_ms)
        self._tell_result(seen, converged.result)

    def _confirm(self, seen: Look) -> Confirmation:
        if self._yes:
            return Confirmation(self.session.cause.actor, "prompt")
        return within_policy(seen)

    def _hold(self, seen: Look, error: ConfirmationMissing, requests: list[NewEvent], options: PlanOptions) -> None:
        """More would be destroyed than is allowed: wait for a yes, and look after what runs as it was meanwhile."""
        names = ", ".join(sorted(destroyed(seen.plan)))
        text = f"waits for a yes: {error.what} ({names}); {error.hint}"
        self._once("waits", "warning", text, key=seen.reading.digest, destroys=seen.plan.destroys)
        if seen.reading.changed:
            self.steady.held = seen.reading.digest
            self._soon(self.clock())
            return
        narrowed = replace(options, exclude=tuple(sorted(_destroying(seen.plan))))
        rest = look(self.session, narrowed, requests=requests, read=self.steady)
        if not rest.settled and not rest.plan.destroys and not options.exclude:
            self._converge(rest, requests, narrowed)

    def say_yes(self) -> None:
        """Somebody agrees to what waits, and wants it now."""
        self.agreed = True

    def _tell_result(self, seen: Look, result: ApplyResult | None) -> None:
        for event in seen.observations:
            self.teller.tell("info", event.event_type, **_plain(event))
        if seen.reading.changed:
            self.teller.tell("info", f"revision {seen.projected.head.latest + 1} is in force")
        if result is None:
            return
        facts = {"done": result.done, "failed": result.failed, "skipped": result.skipped}
        level = "info" if result.succeeded else "error"
        self.teller.tell(level, f"apply {result.status}", seconds=round(result.seconds, 3), **facts)  # type: ignore[arg-type]
        for failure in result.failures:
            if not failure.skipped:
                self.teller.tell("error", f"{failure.action_id}: {failure.why}", resource=failure.resource)

    def _once(self, about: str, level: str, text: str, *, key: str = "", **facts: object) -> None:
        """Tell it, unless that is what was told about this last."""
        if self._said.get(about) != (key or text):
            self._said[about] = key or text
            self.teller.tell(level, text, **facts)  # type: ignore[arg-type]

    def _forget(self, *about: str) -> None:
        for one in about:
            self._said.pop(one, None)

    def _soon(self, due_ms: int | None) -> None:
        if due_ms is not None:
            self.soon_ms = due_ms if self.soon_ms is None else min(self.soon_ms, due_ms)


def _destroying(plan: Plan) -> set[str]:
    """Addresses of the replicas whose containers or processes a plan removes or replaces."""
    return {
        f"service/{action.service}/{action.replica}"
        for action in plan.actions
        if isinstance(action, RemoveContainer | ReplaceContainer)
    } | {specialist_address(action.pool, action.replica) for action in plan.actions if ends_process(action)}


def _plain(event: NewEvent) -> dict[str, object]:
    """What of an observation is worth a line."""
    named = ("service", "pool", "replica", "exit_code", "oom_killed", "health", "field", "actual")
    return {name: event.data[name] for name in named if name in event.data}

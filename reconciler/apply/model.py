"""How an apply is asked for and what it comes to, as values."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from reconciler.plan.model import Plan
from reconciler.spec.roles import digest_of

ApplyStatus = Literal["succeeded", "failed", "interrupted", "timed_out"]


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How a plan is carried out.

    Attributes:
        parallel: how many actions are under way at once.
        wait: whether to wait, at the end, until every service that was touched is ready. Gates between services are
            waited for in any case.
        timeout_ms: for the whole; 0 means without bound.
        ready_ms: for the waiting at the end; 0 means as long as the services' own health checks allow.
        interrupt: set by somebody else to stop: what is under way is finished, nothing more is begun.
        targets: what narrowed the plan, for the record.
    """

    parallel: int = 4
    wait: bool = True
    timeout_ms: int = 0
    ready_ms: int = 0
    interrupt: threading.Event = field(default_factory=threading.Event)
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """One action that failed or was skipped, and why."""

    action_id: str
    resource: str
    why: str
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of a plan.

    Attributes:
        failures: in the order they happened, skipped actions included.
        reverted: services that were put back to their last good definition.
        left_off: the first action that was not begun, when the apply ended early.
    """

    apply_id: str
    status: ApplyStatus
    done: int
    failed: int
    skipped: int
    seconds: float
    failures: tuple[Failure, ...] = ()
    reverted: tuple[str, ...] = ()
    left_off: str = ""

    @property
    def succeeded(self) -> bool:
        """Everything was done."""
        return self.status == "succeeded"

    def and_then(self, later: ApplyResult) -> ApplyResult:
        """The two as one; it succeeded only if both did, and ended as the later one ended if that was cut short."""
        both = (self.status, later.status)
        status = later.status if later.status in ("interrupted", "timed_out") else "failed"
        return ApplyResult(
            apply_id=later.apply_id,
            status="succeeded" if both == ("succeeded", "succeeded") else status,
            done=self.done + later.done,
            failed=self.failed + later.failed,
            skipped=self.skipped + later.skipped,
            seconds=self.seconds + later.seconds,
            failures=(*self.failures, *later.failures),
            reverted=(*self.reverted, *later.reverted),
            left_off=later.left_off,
        )


def plan_digest(plan: Plan) -> str:
    """What stands for a plan in the log: the digest of its actions."""
    return digest_of(msgspec.to_builtins(plan.actions))

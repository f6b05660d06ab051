"""Trying again what failed: the same plan is not tried again at once, and each time later. Pure, in memory.

It damps what no replica's back-off covers: an image that cannot be pulled, a port that is taken.
"""

from __future__ import annotations

from reconciler.apply.model import ApplyResult
from reconciler.control.watch.backoff import delay_ms
from reconciler.plan.model import Plan, verb_of
from reconciler.spec.desired import Backoff

_CURVE = Backoff()
_RECORDS = frozenset({"record"})


class Retry:
    """Remembers what failed last.

    Attributes:
        due_ms: when it may be tried again; 0 when nothing failed.
    """

    def __init__(self) -> None:
        self._failed: frozenset[str] = frozenset()
        self._times = 0
        self._since = 0
        self.due_ms = 0

    def done(self, result: ApplyResult | None, now_ms: int) -> None:
        """A plan was carried out."""
        failed = frozenset(one.action_id for one in result.failures) if result is not None else frozenset[str]()
        if not failed:
            self._failed, self._times, self.due_ms = failed, 0, 0
            return
        self._times = self._times + 1 if failed <= self._failed else 1
        self._failed, self._since = failed, now_ms
        self.due_ms = now_ms + delay_ms(self._times + 1, _CURVE)

    def must_wait(self, plan: Plan, now_ms: int) -> bool:
        """Whether a plan is nothing but what has failed, and its time has not come."""
        # Before it failed: the clock was put back, and how long ago it was is not known.
        if not self._failed or not self._since <= now_ms < self.due_ms:
            return False
        actions = {action.id for action in plan.actions if verb_of(action) not in _RECORDS}
        return bool(actions) and actions <= self._failed

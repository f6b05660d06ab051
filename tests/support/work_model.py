"""A plain model of the agents' world, as anybody could keep it who reads the log and knows none of the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.events.envelope import Event
from reconciler.work.state import ENDED, SortiePlan


@dataclass
class Run:
    """Somebody's hold on a sortie."""

    who: str
    attempt: int
    until: int


@dataclass
class WorkModel:
    """Learns from events, and complains of what must never happen.

    Attributes:
        plan_of: the definition of a sortie.
        runs: who works on what until when.
        ends: how each sortie ended.
        held: path, holder and end of each file lock.
    """

    plan_of: Callable[[str], SortiePlan]
    runs: dict[str, Run] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    held: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    def learn(self, event: Event) -> None:
        """Take in what happened next.

        Raises:
            AssertionError: that must never happen.
        """
        data, now = event.data, event.occurred_at
        name = data.get("sortie_id", "")
        match event.event_type:
            case "sortie_attempt_started":
                run = self.runs.get(name)
                assert run is None or run.until <= now, f"{name} runs twice"
                assert name not in self.ends, f"{name} begins after its end"
                self._nothing_is_overtaken(name)
                self.runs[name] = Run(data["specialist_id"], data["attempt"], data["lease_expires_at"])
            case "sortie_lease_renewed":
                assert self.runs[name].until > now, "a lease that was over was renewed"
                self.runs[name].until = data["lease_expires_at"]
            case "sortie_attempt_failed" | "sortie_result_reported":
                self.runs.pop(name, None)
            case "sortie_completed":
                self.runs.pop(name, None)
                assert self.ends.setdefault(name, "completed") == "completed"
            case "sortie_status_changed" if data["new_status"] in ENDED:
                self.runs.pop(name, None)
                assert name not in self.ends, f"{name} ends twice"
                self.ends[name] = data["new_status"]
            case "sortie_retried":
                del self.ends[name]
            case "ctk_reserved":
                until = now + data["timeout_ms"]
                self.held[data["lock_id"]] = data["normalized_path"], data["specialist_id"], until
            case "ctk_released":
                self.held.pop(data["lock_id"], None)

    def _nothing_is_overtaken(self, name: str) -> None:
        plan = self.plan_of(name)
        ends = [self.ends.get(other) for other in plan.depends_on]
        assert None not in ends, f"{name} overtakes {plan.depends_on}"
        if plan.when in ("", "success"):
            assert set(ends) <= {"completed"}
        elif plan.when == "failure":
            assert "failed" in ends

"""What `fleet watch` prints where nobody sits at a terminal: a structured line for everything that happens."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.apply.report import ActionState, GateState
from reconciler.plan.model import AnyAction, verb_of

if TYPE_CHECKING:
    from reconciler.apply.report import Reporter
    from reconciler.control.look import Look
    from reconciler.control.watch.teller import Level

_ENDED = frozenset({"done", "failed", "skipped"})


class Lines:
    """A teller and a reporter.

    Args:
        stream: where the lines go.
        as_json: JSON documents instead of `key=value`.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        import structlog

        renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
        if not as_json:
            renderer = structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], bool_as_flag=False
            )
        self._lock = threading.Lock()
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                *([] if as_json else [_flat]),
                renderer,
            ],
        )

    def tell(self, level: Level, what: str, **facts: Any) -> None:
        with self._lock:
            getattr(self._log, level)(what, **facts)

    def looked(self, seen: Look) -> None:
        pass

    def reporter(self, seen: Look) -> Reporter:
        return self

    def on_problems(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self.tell("error", problem)

    def on_action(self, action: AnyAction, state: ActionState, detail: str = "", seconds: float = 0.0) -> None:
        if state not in _ENDED or (state == "done" and verb_of(action) == "record"):
            return
        facts: dict[str, Any] = {"resource": action.resource, "verb": verb_of(action), "seconds": round(seconds, 3)}
        if detail:
            facts["detail"] = detail
        self.tell("info" if state == "done" else "error", f"{state} {action.id}", **facts)

    def on_gate(self, service: str, gate: str, state: GateState, detail: str = "", seconds: float = 0.0) -> None:
        if state == "wait":
            return
        facts = {"resource": f"service/{service}", "seconds": round(seconds, 3)}
        self.tell("info" if state == "open" else "error", detail or gate, **facts)


def _flat(logger: object, method: str, line: Any) -> Any:
    """Lists as one value, which `key=value` has no other way for."""
    return {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in line.items()}

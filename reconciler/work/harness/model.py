"""The values that go into a harness and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reconciler.work.attempts import FailureCause
from reconciler.work.reviews import Verdict

JobKind = Literal["work", "rework", "review"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to do: work on a sortie, work on it again after a review, or review it.

    Attributes:
        name: the sortie's name in its mission; empty for one that has none.
        mission: the title of its mission.
        run: a command for a shell; of a review, what the review runs.
        prompt: what an agent is asked to do.
        feedback: what the review said that sent it back.
        reported: the result that a review looks at.
        inputs: results of earlier sorties by their names, each with `success`, `summary`, `artifacts` and `metrics`.
        context: text about interrupted work that is taken over; empty when there is none.
    """

    sortie_id: str
    title: str
    kind: JobKind = "work"
    name: str = ""
    description: str = ""
    mission_id: str = ""
    mission: str = ""
    attempt: int = 1
    run: str = ""
    prompt: str = ""
    files: tuple[str, ...] = ()
    feedback: str = ""
    review_kind: str = "general"
    reported: Mapping[str, Any] | None = None
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    context: str = ""

    def to_document(self) -> dict[str, Any]:
        """The JSON form that a command finds on its standard input or in the file that `FLEET_INPUT` names."""
        document: dict[str, Any] = {
            "task": self.kind,
            "sortie": {
                "id": self.sortie_id,
                "name": self.name,
                "title": self.title,
                "description": self.description,
                "prompt": self.prompt,
                "files": list(self.files),
            },
            "mission": {"id": self.mission_id, "title": self.mission},
            "attempt": self.attempt,
            "inputs": {name: dict(result) for name, result in self.inputs.items()},
        }
        if self.feedback:
            document["feedback"] = self.feedback
        if self.context:
            document["context"] = self.context
        if self.kind == "review":
            document["review"] = {"kind": self.review_kind, "result": dict(self.reported or {})}
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What this one attempt may still use; 0 is without limit."""

    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is to be run. There is no shell between this and the process, unless `argv` names one.

    Attributes:
        environment: what is added to the environment of the specialist.
        image: run in a fresh container of this image; empty is without a container.
        nothing: there is nothing to do; the reason why that is a success.
    """

    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    image: str = ""
    nothing: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens and money that a harness reported. Tokens are those of fresh input and of output; cached input is left out."""

    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """A word on how far the work is; `value` is 0 to 100, None where only the message is new."""

    message: str
    value: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the process ended, as whoever ran it saw it.

    Attributes:
        exit_code: negative is the signal that ended it, as Python counts.
        errors: the end of its standard error, cleaned.
        output: what it left in the file that `FLEET_OUTPUT` named.
        at_ms: when, Unix ms.
    """

    exit_code: int
    errors: str = ""
    output: bytes = b""
    at_ms: int = 0

    @property
    def killed(self) -> bool:
        """A signal ended it, or a shell says that a signal ended what it ran."""
        return self.exit_code < 0 or self.exit_code in (134, 137, 139, 143)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it.

    Attributes:
        error: why it is no success; empty where it is one.
        artifacts: paths that the command says it made; nobody has looked at them yet.
        verdict: of a review; None where there is none, which makes the review a failure.
    """

    success: bool
    summary: str = ""
    error: str = ""
    cause: FailureCause = "error"
    retry_after_ms: int = 0
    artifacts: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    used: Used = Used()
    verdict: Verdict | None = None
    feedback: str = ""
    issues: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Harnessed:
    """A command together with the way in which its output is read."""

    command: Command
    format: Literal["text", "json", "claude-code", "codex", "opencode"]

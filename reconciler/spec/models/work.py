"""Models of the `specialists` and `missions` sections."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from reconciler.spec.models.base import (
    AnyText,
    Duration,
    Environment,
    Flag,
    Listed,
    Name,
    Number,
    Reference,
    Replicas,
    Shape,
    Text,
    Whole,
    Words,
)
from reconciler.spec.models.service import Policy, RestartOptions

HarnessKind: TypeAlias = Literal["shell", "command", "claude-code", "codex", "opencode", "container"]
Priority: TypeAlias = Literal["low", "medium", "high", "critical"] | Reference
ReviewKind: TypeAlias = Literal["code", "design", "security", "general"]


class HarnessOptions(Shape):
    """How a sortie becomes a command."""

    kind: HarnessKind | Reference | None = None
    command: Words | None = None
    image: str | None = None
    model: Text | None = None
    permissions: str | None = None
    tools: Listed[AnyText] | None = None


class Heartbeat(Shape):
    """How often a specialist says that it lives, and when it is given up."""

    interval: Duration | None = None
    timeout: Duration | None = None


class BudgetLimits(Shape):
    """Limits that are looked at before each start; 0 means none."""

    sorties_per_hour: Whole | None = None
    wall_time: Duration | None = None
    tokens: Whole | None = None
    cost_usd: Number | None = None


class Specialist(Shape):
    """One kind of agent worker."""

    replicas: Replicas | None = None
    capabilities: Listed[Text] | None = None
    harness: HarnessKind | Reference | HarnessOptions | None = None
    heartbeat: Heartbeat | None = None
    budget: BudgetLimits | None = None
    environment: Environment | None = None
    secrets: list[Text] | dict[str, Text] | Reference | None = Field(
        None, description="secrets as environment variables: names, or a mapping of variables to names"
    )
    working_dir: str | None = None
    stop_grace_period: Duration | None = None
    restart: Policy | RestartOptions | None = None
    protect: Flag | None = None
    tags: Listed[Text] | None = None


class ReviewOptions(Shape):
    """Who looks at a sortie's result."""

    kind: ReviewKind | Reference | None = None
    by: Name | None = None
    run: str | None = Field(None, description="a command for a shell: exit code 0 approves, 1 wants changes, 2 rejects")
    prompt: str | None = Field(None, description="what an agent that reviews is asked to look at")


class Sortie(Shape):
    """One task of a mission."""

    title: Text | None = None
    description: Text | None = None
    priority: Priority | None = None
    depends_on: Listed[Text] | None = None
    requires: Listed[Text] | None = None
    assigned_to: Name | None = None
    run: str | None = Field(None, description="a command for a shell")
    prompt: str | None = Field(None, description="what an agent is asked to do")
    files: Listed[Text] | None = None
    retries: Replicas | None = None
    retry_delay: Duration | None = None
    timeout: Duration | None = None
    when: Literal["success", "failure", "always"] | Reference | None = None
    review: ReviewKind | Reference | ReviewOptions | None = None


class Mission(Shape):
    """A graph of sorties."""

    title: Text | None = None
    description: Text | None = None
    priority: Priority | None = None
    parallel: Replicas | None = None
    sorties: dict[str, Sortie | None]
    tags: Listed[Text] | None = None

"""A job and a harness to a command.

A sortie that has only `run:` is run by a shell, whoever takes it: a command says by itself what is to be done. What is
not the person's own text reaches the command by its standard input, by files or by the environment.
"""

from __future__ import annotations

import json

from reconciler.spec.desired import Harness
from reconciler.work.harness.model import Command, Harnessed, Job, Limits
from reconciler.work.harness.placeholders import in_arguments, result_variables
from reconciler.work.harness.prompts import prompt_of
from reconciler.work.harness.text import clean
from reconciler.work.refusals import InputRefused

SHELL = ("sh", "-c")


def build(job: Job, harness: Harness, limits: Limits = Limits()) -> Harnessed:  # noqa: B008 - it is frozen
    """The command that does a job in a specialist's way.

    Args:
        limits: what the attempt may still use, for the harnesses that can be told.

    Raises:
        InputRefused: this harness cannot do this job, or a placeholder stands for nothing.
    """
    match harness.kind:
        case "command":
            return _template(job, harness)
        case "container":
            return _container(job, harness)
        case "shell":
            return _shell(job, harness)
        case "claude-code" | "codex" | "opencode":
            if job.run and not job.prompt:
                return _shell(job, harness)
            return _agent(job, harness, limits)


def variables(job: Job) -> dict[str, str]:
    """What every command finds in its environment about its job."""
    found = {
        "FLEET_TASK": job.kind,
        "FLEET_SORTIE": job.sortie_id,
        "FLEET_SORTIE_NAME": job.name,
        "FLEET_SORTIE_TITLE": clean(job.title),
        "FLEET_MISSION": job.mission_id,
        "FLEET_ATTEMPT": str(job.attempt),
        **result_variables(job),
    }
    if job.feedback:
        found["FLEET_FEEDBACK"] = clean(job.feedback)
    return {name: value for name, value in found.items() if value}


def _shell(job: Job, harness: Harness) -> Harnessed:
    return Harnessed(_run(job, f"a harness of kind {harness.kind}"), "text")


def _run(job: Job, who: str, image: str = "") -> Command:
    if job.run:
        return Command(argv=(*SHELL, job.run), environment=variables(job), stdin=_document(job), image=image)
    if job.kind == "review":
        raise InputRefused(
            f"{who} cannot review sortie {job.name or job.sortie_id}: nothing says what to run", hint="add review.run"
        )
    if job.prompt:
        raise InputRefused(
            f"{who} cannot follow the prompt of sortie {job.name or job.sortie_id}",
            hint="give it run:, or a specialist whose harness is an agent",
        )
    return Command(nothing="there is nothing to run")


def _template(job: Job, harness: Harness) -> Harnessed:
    argv = in_arguments(harness.command, job)
    return Harnessed(Command(argv=argv, environment=variables(job), stdin=_document(job)), "json")


def _container(job: Job, harness: Harness) -> Harnessed:
    if harness.command:
        argv = in_arguments(harness.command, job)
        command = Command(argv=argv, environment=variables(job), stdin=_document(job), image=harness.image)
        return Harnessed(command, "json")
    return Harnessed(_run(job, "a container without a command", harness.image), "text")


def _document(job: Job) -> bytes:
    return json.dumps(job.to_document(), ensure_ascii=False).encode() + b"\n"


def _agent(job: Job, harness: Harness, limits: Limits) -> Harnessed:
    environment = variables(job)
    match harness.kind:
        case "claude-code":
            argv = _claude_code(harness, limits)
        case "codex":
            argv = _codex(harness)
        case _:
            argv = _opencode(harness)
            environment |= _opencode_permissions(harness)
    stdin = prompt_of(job).encode()
    return Harnessed(Command(argv=argv, environment=environment, stdin=stdin), harness.kind)  # type: ignore[arg-type]


def _claude_code(harness: Harness, limits: Limits) -> tuple[str, ...]:
    """The headless mode of Claude Code: the prompt on standard input, one JSON object a line."""
    argv = [*(harness.command or ("claude",)), "-p", "--output-format", "stream-json", "--verbose"]
    if harness.model:
        argv += ["--model", harness.model]
    if harness.permissions:
        argv += ["--permission-mode", harness.permissions]
    if harness.tools:
        argv += ["--allowedTools", ",".join(harness.tools)]
    if limits.cost_usd:
        argv += ["--max-budget-usd", f"{limits.cost_usd:.2f}"]
    return tuple(argv)


def _codex(harness: Harness) -> tuple[str, ...]:
    """The non-interactive mode of Codex. `permissions` is its sandbox; nobody is there to approve anything."""
    argv = [*(harness.command or ("codex",)), "exec", "--json", "--skip-git-repo-check", "--color", "never"]
    argv += ["--sandbox", harness.permissions or "workspace-write", "--config", 'approval_policy="never"']
    if harness.model:
        argv += ["--model", harness.model]
    for tool in harness.tools:
        argv += ["--config", tool if "=" in tool else f"tools.{tool}=true"]
    return (*argv, "-")


def _opencode(harness: Harness) -> tuple[str, ...]:
    """The run mode of OpenCode, which reads its message from standard input. `permissions` names its agent."""
    argv = [*(harness.command or ("opencode",)), "run", "--format", "json"]
    if harness.model:
        argv += ["--model", harness.model]
    if harness.permissions and not harness.permissions.startswith("{"):
        argv += ["--agent", harness.permissions]
    return tuple(argv)


def _opencode_permissions(harness: Harness) -> dict[str, str]:
    """Its permissions by environment: a JSON object as it is, or the tools that alone are allowed."""
    if harness.permissions.startswith("{"):
        return {"OPENCODE_PERMISSION": harness.permissions}
    if harness.tools:
        allowed = {"*": "deny"} | dict.fromkeys(harness.tools, "allow")
        return {"OPENCODE_PERMISSION": json.dumps(allowed)}
    return {}

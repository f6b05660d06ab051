"""A job and a harness become a command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.spec.desired import Harness
from reconciler.work.harness import Job, Limits, build
from reconciler.work.harness.placeholders import in_arguments, in_prompt
from reconciler.work.harness.prompts import prompt_of
from reconciler.work.refusals import InputRefused

DESIGN = {"success": True, "summary": 'use "sqlite"\n$(rm -rf /)', "artifacts": ["a.md", "b.md"], "metrics": {"n": 3}}


def job(**fields: Any) -> Job:
    return Job(**{"sortie_id": "sortie_1", "title": "Build it", "name": "build", **fields})


def argv(harness: Harness, limits: Limits = Limits(), **fields: Any) -> tuple[str, ...]:  # noqa: B008
    return build(job(**fields), harness, limits).command.argv


def test_a_shell_runs_the_persons_text_as_it_is_and_gets_the_rest_as_data() -> None:
    made = build(job(run="echo {{ title }}", inputs={"design-1": DESIGN}, feedback="again\x1b[2J"), Harness())
    command = made.command
    assert command.argv == ("sh", "-c", "echo {{ title }}")
    assert made.format == "text"
    assert command.environment["FLEET_RESULT_DESIGN_1_SUMMARY"] == 'use "sqlite"\n$(rm -rf /)'
    assert command.environment["FLEET_RESULT_DESIGN_1_ARTIFACTS"] == "a.md\nb.md"
    assert command.environment["FLEET_FEEDBACK"] == "again"
    assert command.environment["FLEET_TASK"] == "work"
    assert "FLEET_MISSION" not in command.environment
    assert json.loads(command.stdin)["inputs"]["design-1"]["metrics"] == {"n": 3}


def test_a_shell_has_nothing_to_run_or_cannot_follow_a_prompt() -> None:
    assert build(job(), Harness()).command.nothing
    with pytest.raises(InputRefused, match="cannot follow the prompt of sortie build"):
        build(job(prompt="do it"), Harness())
    with pytest.raises(InputRefused, match="nothing says what to run"):
        build(job(kind="review"), Harness())
    assert argv(Harness(), kind="review", run="make check") == ("sh", "-c", "make check")


def test_a_template_is_filled_argument_by_argument() -> None:
    harness = Harness(
        kind="command", command=("agent", "--title={{ title }}", "{{ feedback }}", "{{sorties.design.summary}}")
    )
    made = build(job(feedback="-rf", inputs={"design": DESIGN}), harness)
    assert made.command.argv == ("agent", "--title=Build it", " -rf", 'use "sqlite" $(rm -rf /)')
    assert made.format == "json"
    document = json.loads(made.command.stdin)
    assert (document["task"], document["sortie"]["name"], document["feedback"]) == ("work", "build", "-rf")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (("sh", "-c", "run {{ title }}"), "is read by a shell"),
        (("env", "bash", "-ec", "{{ prompt }}"), "is read by a shell"),
        (("{{ title }}",), "is no placeholder"),
        (("agent", "{{ nobody }}"), "nothing is called"),
        (("agent", "{{ sorties.other.summary }}"), "names no sortie that comes before"),
        (("agent", "{{ sorties.design }}"), "names no sortie that comes before"),
    ],
)
def test_a_template_that_would_let_data_become_code_is_refused(template: tuple[str, ...], why: str) -> None:
    with pytest.raises(InputRefused, match=why):
        in_arguments(template, job(inputs={"design": DESIGN}))


def test_a_placeholder_as_an_argument_of_a_shells_text_is_fine() -> None:
    template = ("sh", "-c", 'run "$1"', "sh", "{{ title }}")
    assert in_arguments(template, job()) == ("sh", "-c", 'run "$1"', "sh", "Build it")


def test_results_appear_in_a_prompt_as_quoted_values() -> None:
    text = "Build on {{ sorties.design.summary }}, {{ sorties.design.metrics.n }} and {{ sorties.design.metrics.x.y }}."
    assert in_prompt(text, job(inputs={"design": DESIGN})) == ('Build on "use \\"sqlite\\"\\n$(rm -rf /)", "3" and "".')


def test_the_prompt_of_work_holds_everything_that_belongs_to_it() -> None:
    made = prompt_of(
        job(
            prompt="Add login.",
            run="make test",
            feedback="test it",
            context="You take over.",
            files=("a.py", "b.py"),
            inputs={"design": DESIGN},
        )
    )
    for part in ("Add login.", '"test it"', "You take over.", "a.py, b.py", '"make test"', "- design: ", "::progress"):
        assert part in made
    assert prompt_of(job(description="all of it")).startswith("Build it\n\nall of it")
    assert prompt_of(job()).startswith("Build it\n\nEnd with")


def test_the_prompt_of_a_review_asks_for_a_verdict() -> None:
    made = prompt_of(
        job(kind="review", prompt="Look at errors.", description="d", files=("a",), reported={"summary": "done"})
    )
    assert made.startswith('Review the work on "Build it" (general review). Change nothing.')
    for part in ("Look at errors.", '"d"', "Files: a", "done", '"verdict"'):
        assert part in made
    document = job(kind="review", review_kind="code", context="c").to_document()
    assert document["review"] == {"kind": "code", "result": {}}
    assert document["context"] == "c"


def test_claude_code_is_told_its_model_permissions_tools_and_budget() -> None:
    harness = Harness(kind="claude-code", model="sonnet", permissions="acceptEdits", tools=("Read", "Bash(git:*)"))
    made = build(job(prompt="do it"), harness, Limits(cost_usd=1.5))
    assert " ".join(made.command.argv) == (
        "claude -p --output-format stream-json --verbose --model sonnet --permission-mode acceptEdits"
        " --allowedTools Read,Bash(git:*) --max-budget-usd 1.50"
    )
    assert made.command.stdin.decode().startswith("do it")
    assert argv(Harness(kind="claude-code", command=("npx", "claude")), prompt="x")[:3] == ("npx", "claude", "-p")


def test_codex_is_told_its_sandbox_and_that_nobody_approves() -> None:
    harness = Harness(kind="codex", model="gpt-5", permissions="read-only", tools=("web_search", "a.b=1"))
    assert " ".join(argv(harness, prompt="x")) == (
        "codex exec --json --skip-git-repo-check --color never --sandbox read-only"
        ' --config approval_policy="never" --model gpt-5 --config tools.web_search=true --config a.b=1 -'
    )
    assert "workspace-write" in argv(Harness(kind="codex"), prompt="x")


def test_opencode_gets_its_permissions_by_the_environment() -> None:
    made = build(job(prompt="x"), Harness(kind="opencode", model="a/b", permissions="plan", tools=("read", "edit")))
    assert " ".join(made.command.argv) == "opencode run --format json --model a/b --agent plan"
    assert json.loads(made.command.environment["OPENCODE_PERMISSION"]) == {
        "*": "deny",
        "read": "allow",
        "edit": "allow",
    }
    given = build(job(prompt="x"), Harness(kind="opencode", permissions='{"edit": "deny"}')).command
    assert given.environment["OPENCODE_PERMISSION"] == '{"edit": "deny"}'
    assert "--agent" not in given.argv
    assert "OPENCODE_PERMISSION" not in build(job(prompt="x"), Harness(kind="opencode")).command.environment


@pytest.mark.parametrize("kind", ["claude-code", "codex", "opencode"])
def test_an_agent_runs_what_has_only_a_command(kind: Any) -> None:
    assert argv(Harness(kind=kind), run="make") == ("sh", "-c", "make")


def test_a_container_runs_the_command_or_its_own_template() -> None:
    made = build(job(run="make"), Harness(kind="container", image="localhost/tools:1"))
    assert (made.command.image, made.command.argv, made.format) == ("localhost/tools:1", ("sh", "-c", "make"), "text")
    own = build(job(prompt="x"), Harness(kind="container", image="i", command=("agent", "{{ name }}")))
    assert (own.command.image, own.command.argv, own.format) == ("i", ("agent", "build"), "json")
    with pytest.raises(InputRefused, match="a container without a command"):
        build(job(prompt="x"), Harness(kind="container", image="i"))

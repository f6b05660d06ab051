"""What commands print becomes progress, a result and its use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.work.harness import Command, Ended, Harnessed, Job, Outcome, Report, Used, reader_for

JOB = Job(sortie_id="sortie_1", title="Build it")
REVIEW = Job(sortie_id="sortie_1", title="Build it", kind="review")


def read(kind: Any, printed: bytes, job: Job = JOB, **ended: Any) -> tuple[list[Report], Outcome]:
    reader = reader_for(Harnessed(Command(), kind), job)
    size = 7 if len(printed) < 10_000 else 65_536
    reports = [report for at in range(0, len(printed), size) for report in reader.feed(printed[at : at + size])]
    return reports, reader.finish(Ended(**{"exit_code": 0, "at_ms": 1_780_000_000_000, **ended}))


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def test_text_is_its_own_summary_but_for_the_lines_that_report_progress() -> None:
    reports, outcome = read(
        "text", b"one\n::progress 40::half \x1b[1mway\n::progress 400 ::too far\n::progress x::no\ntwo"
    )
    assert reports == [Report("half way", 40), Report("too far", 100)]
    assert outcome == Outcome(success=True, summary="one\n::progress x::no\ntwo")


@pytest.mark.parametrize(
    ("code", "errors", "error", "cause"),
    [
        (3, "boom\n", "it ended with exit code 3: boom", "error"),
        (137, "", "it was killed (exit code 137), perhaps because memory ran out: out", "crash"),
        (-9, "", "it was killed (signal 9), perhaps because memory ran out: out", "crash"),
        (-15, "", "it was ended by signal 15: out", "crash"),
    ],
)
def test_a_command_that_fails_says_how(code: int, errors: str, error: str, cause: str) -> None:
    _, outcome = read("text", b"out\n", exit_code=code, errors=errors)
    assert (outcome.success, outcome.error, outcome.cause) == (False, error, cause)
    _, silent = read("text", b"", exit_code=1)
    assert silent.error == "it ended with exit code 1"


def test_what_a_command_leaves_in_its_output_file_goes_before_what_it_printed() -> None:
    left = {
        "summary": "built\x07",
        "artifacts": ["a.txt", 7, ""],
        "metrics": {"lines\x1b[1m": 3, "deep": {"x": ["y\x00", float("inf")]}},
        "usage": {"tokens": 12, "cost_usd": 0.5},
    }
    _, outcome = read("text", b"noise", output=json.dumps(left).encode())
    assert outcome.summary == "built"
    assert outcome.artifacts == ("a.txt",)
    assert outcome.metrics == {"lines": 3, "deep": {"x": ["y", None]}}
    assert outcome.used == Used(12, 0.5)
    _, same = read("text", b"noise", output=b"[1, 2")
    assert same.summary == "noise"


def test_a_command_may_report_its_own_failure_but_not_make_a_failure_a_success() -> None:
    _, failed = read("text", b"", output=b'{"success": false, "summary": "no tests"}')
    assert (failed.success, failed.error) == (False, "no tests")
    _, bare = read("text", b"", output=b'{"success": false}')
    assert bare.error == "the command reports that it failed"
    _, crashed = read("text", b"", exit_code=2, output=b'{"success": true, "error": "disk full"}')
    assert (crashed.success, crashed.error) == (False, "disk full")
    _, throttled = read("text", b"", exit_code=75, output=b'{"retry_after_seconds": 30}')
    assert (throttled.cause, throttled.retry_after_ms) == ("rate_limit", 30_000)
    _, many = read("text", b"", output=json.dumps({"metrics": {"x": "y" * 70_000}}).encode())
    assert many.metrics == {}


@pytest.mark.parametrize(
    ("code", "verdict", "feedback"),
    [
        (0, "approved", ""),
        (1, "needs_changes", "the review ended with exit code 1"),
        (2, "rejected", "the review ended with exit code 2"),
    ],
)
def test_the_exit_code_of_a_review_is_its_verdict(code: int, verdict: str, feedback: str) -> None:
    _, outcome = read("text", b"", REVIEW, exit_code=code)
    assert (outcome.verdict, outcome.feedback) == (verdict, feedback)
    _, told = read("text", b"look at line 3\n", REVIEW, exit_code=code)
    assert told.feedback == "look at line 3"
    _, broken = read("text", b"", REVIEW, exit_code=127)
    assert (broken.verdict, broken.success) == (None, False)


def test_a_review_may_say_more_in_json() -> None:
    issues = [
        {"severity": "error", "message": "no test", "location": "a.py:3"},
        {"severity": "odd", "message": "hm"},
        {"severity": "info"},
        "no issue",
    ]
    answer = {"verdict": "needs_changes", "feedback": "test it", "issues": issues}
    _, outcome = read("json", json.dumps(answer, indent=2).encode(), REVIEW, exit_code=0)
    assert (outcome.verdict, outcome.feedback) == ("needs_changes", "test it")
    assert outcome.issues == (
        {"severity": "error", "message": "no test", "location": "a.py:3"},
        {"severity": "warning", "message": "hm"},
    )
    _, unknown = read("json", lines({"verdict": "maybe"}), REVIEW, exit_code=9)
    assert unknown.verdict is None


def test_json_lines_report_progress_and_use_and_end_with_a_result() -> None:
    output = lines(
        {"progress": 10, "message": "begins", "usage": {"tokens": 5, "cost_usd": 0.1}},
        {"progress": 250.5, "message": 3},
        {"summary": "done", "success": True, "usage": {"tokens": 3}},
    )
    reports, outcome = read("json", b"::progress 5::before\nnoise {\n" + output)
    assert reports == [Report("before", 5), Report("begins", 10), Report("", 100)]
    assert outcome.summary == "done"
    reader = reader_for(Harnessed(Command(), "json"), JOB)
    reader.feed(output)
    assert reader.used == Used(5, 0.1)
    _, text = read("json", b"just text")
    assert text.summary == "just text"


CLAUDE_INIT = {"type": "system", "subtype": "init", "session_id": "s"}


def claude(number: int, *content: Any, output: int = 10) -> dict[str, Any]:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 900, "output_tokens": output}
    return {"type": "assistant", "message": {"id": f"m{number}", "content": list(content), "usage": usage}}


def claude_result(**more: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "is_error": False, "num_turns": 2, "session_id": "s", **more}


def test_claude_codes_stream_is_read_to_its_result() -> None:
    text, tool = (
        {"type": "text", "text": "Hello.\n::progress 30::reads"},
        {"type": "tool_use", "name": "Write", "input": {"file_path": "a.py"}},
    )
    reports, outcome = read(
        "claude-code",
        lines(
            CLAUDE_INIT,
            claude(1, text),
            claude(2, tool, "odd", {"type": "thinking"}),
            claude(2, {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}),
            {"type": "user", "message": {"content": []}},
            ["no object"],
            claude_result(
                result="All done.",
                total_cost_usd=0.5,
                usage={"input_tokens": 7, "output_tokens": 9},
                permission_denials=[{}],
            ),
        ),
    )
    assert reports == [Report("reads", 30), Report("Write a.py"), Report("Bash ls")]
    assert outcome.success
    assert outcome.summary == "All done."
    assert outcome.used == Used(16, 0.5)
    assert outcome.metrics == {"turns": 2, "session": "s", "denied": 1, "files_modified": ["a.py"]}


def test_the_use_of_a_running_claude_is_the_sum_of_its_messages() -> None:
    reader = reader_for(Harnessed(Command(), "claude-code"), JOB)
    reader.feed(lines(claude(1, output=10), claude(1, output=10), claude(2, output=20)))
    assert reader.used == Used(40)
    outcome = reader.finish(Ended(exit_code=0))
    assert (outcome.success, outcome.used) == (False, Used(40))
    assert outcome.error == "the agent's output ended before its last word"


@pytest.mark.parametrize(
    ("result", "error", "cause", "wait"),
    [
        (
            {"is_error": True, "result": "API Error: 429; retry-after: 7"},
            "API Error: 429; retry-after: 7",
            "rate_limit",
            7_000,
        ),
        ({"subtype": "error_max_turns"}, "error max turns", "error", 0),
        ({"subtype": "error_max_budget_usd", "errors": ["over $1", 3]}, "over $1", "budget", 0),
    ],
)
def test_claudes_errors(result: dict[str, Any], error: str, cause: str, wait: int) -> None:
    _, outcome = read("claude-code", lines(CLAUDE_INIT, claude_result(**result)))
    assert (outcome.success, outcome.error, outcome.cause, outcome.retry_after_ms) == (False, error, cause, wait)


def test_claudes_own_waiting_is_told_and_counts() -> None:
    retry = {"type": "system", "subtype": "api_retry", "retry_delay_ms": 3000, "error_status": 529}
    reports, outcome = read("claude-code", lines(retry), exit_code=1, errors="overloaded")
    assert reports == [Report("waits for the service (status 529)")]
    assert (outcome.cause, outcome.retry_after_ms, outcome.error) == (
        "rate_limit",
        3_000,
        "it ended with exit code 1: overloaded",
    )


def codex_item(kind: str, event: str = "item.completed", **more: Any) -> dict[str, Any]:
    return {"type": event, "item": {"id": "i", "type": kind, **more}}


def test_codexs_stream_is_read_to_the_end_of_its_turn() -> None:
    steps = [{"text": "read", "completed": True}, {"text": "write", "completed": False}]
    reports, outcome = read(
        "codex",
        lines(
            {"type": "thread.started", "thread_id": "t"},
            {"type": "turn.started"},
            codex_item("todo_list", "item.updated", items=steps),
            codex_item("todo_list", items=[{"text": "read", "completed": True}]),
            codex_item("todo_list", items=[]),
            codex_item("command_execution", "item.started", command="make"),
            codex_item("command_execution", command="make", exit_code=0),
            {"type": "error", "message": "reconnecting"},
            codex_item("file_change", changes=[{"path": "a.py"}, {"path": 3}, 4]),
            codex_item("file_change", changes=None),
            codex_item("mcp_tool_call", "item.started", server="fleet", tool="status"),
            codex_item("web_search", query="x"),
            codex_item("reasoning", text="hm"),
            codex_item("agent_message", text="Done."),
            {"type": "turn.completed", "usage": {"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 5}},
        ),
    )
    assert [(one.message, one.value) for one in reports] == [
        ("write", 50),
        ("all steps done", 100),
        ("runs make", None),
        ("reconnecting", None),
        ("changed 3 files", None),
        ("changed 0 files", None),
        ("uses fleet/status", None),
        ("searched for x", None),
        ("Done.", None),
    ]
    assert outcome == Outcome(
        success=True, summary="Done.", used=Used(45), metrics={"session": "t", "files_modified": ["a.py"]}
    )


def test_codexs_failures() -> None:
    _, failed = read(
        "codex",
        lines({"type": "turn.started"}, {"type": "turn.failed", "error": {"message": "429: try again in 2m"}}),
        exit_code=1,
    )
    assert (failed.cause, failed.retry_after_ms) == ("rate_limit", 120_000)
    _, bare = read("codex", lines({"type": "turn.failed"}))
    assert bare.error == "the turn failed"
    _, cut = read("codex", lines({"type": "error", "message": "no network"}))
    assert cut.error == "no network"
    _, silent = read("codex", b"not json\n", exit_code=2)
    assert silent.error == "it ended with exit code 2: not json"


def opencode_step(reason: str, **more: Any) -> dict[str, Any]:
    tokens = {"input": 10, "output": 2, "reasoning": 1, "cache": {"read": 500, "write": 4}}
    return {"type": "step_finish", "part": {"reason": reason, "cost": 0.25, "tokens": tokens, **more}}


def test_opencodes_stream_is_read_to_its_last_step() -> None:
    tool = {"tool": "edit", "state": {"input": {"filePath": "a.py"}, "title": "a.py"}}
    reports, outcome = read(
        "opencode",
        lines(
            {"type": "step_start", "sessionID": "s", "part": {}},
            {"type": "text", "part": {"text": "First I look."}},
            {"type": "tool_use", "part": tool},
            {"type": "tool_use", "part": {"tool": "bash", "state": {"input": {"command": "ls"}}}},
            opencode_step("tool-calls"),
            {"type": "step_start", "sessionID": "s", "part": {}},
            {"type": "text", "part": {"text": "Done."}},
            opencode_step("stop"),
        ),
    )
    assert [one.message for one in reports] == ["First I look.", "edit a.py", "bash ls", "Done."]
    assert outcome == Outcome(
        success=True, summary="Done.", used=Used(34, 0.5), metrics={"session": "s", "files_modified": ["a.py"]}
    )


def test_opencodes_failures() -> None:
    data = {"message": "Rate limit reached", "statusCode": 429, "responseHeaders": {"Retry-After": "9"}}
    _, throttled = read("opencode", lines({"type": "error", "error": {"name": "APIError", "data": data}}))
    assert (throttled.error, throttled.cause, throttled.retry_after_ms) == (
        "Rate limit reached (status 429)",
        "rate_limit",
        9_000,
    )
    _, named = read("opencode", lines({"type": "error", "error": {"name": "Oops"}}))
    assert named.error == "Oops"
    _, unnamed = read("opencode", lines({"type": "error"}))
    assert unnamed.error == "the agent reports an error"
    _, cut = read("opencode", lines({"type": "step_start", "part": {}}, opencode_step("tool-calls")))
    assert not cut.success


@pytest.mark.parametrize(
    ("answer", "verdict", "feedback"),
    [
        ('Fine. {"verdict": "approved", "feedback": ""}', "approved", ""),
        ('{"verdict": "rejected", "feedback": "no"} and {"other": {"verdict": 1}}', "rejected", "no"),
        (
            'Test the errors. {"verdict": "needs_changes"}',
            "needs_changes",
            'Test the errors. {"verdict": "needs_changes"}',
        ),
    ],
)
def test_an_agents_verdict_is_the_last_object_that_holds_one(answer: str, verdict: str, feedback: str) -> None:
    _, outcome = read("claude-code", lines(claude_result(result=answer)), REVIEW)
    if verdict == "rejected":
        # The last object with that key holds none of the three words.
        assert outcome.verdict is None
    else:
        assert (outcome.verdict, outcome.feedback) == (verdict, feedback)


def test_a_review_without_a_verdict_is_a_failure() -> None:
    _, outcome = read("codex", lines({"type": "turn.completed"}), REVIEW)
    assert (outcome.success, outcome.error) == (False, "the reviewer's answer holds no verdict")
    _, failed = read("codex", lines({"type": "turn.failed"}), REVIEW)
    assert failed.error == "the turn failed"
    _, many = read("codex", lines(codex_item("agent_message", text="{" * 500), {"type": "turn.completed"}), REVIEW)
    assert many.verdict is None


def test_an_agent_may_leave_a_result_too() -> None:
    _, outcome = read("codex", lines({"type": "turn.completed"}), output=b'{"artifacts": ["report.md"]}')
    assert outcome.artifacts == ("report.md",)


def test_a_line_that_is_too_long_is_told_of_where_it_was_the_last_word() -> None:
    _, outcome = read("claude-code", b'{"type": "result", "result": "' + b"x" * 5_000_000 + b'"}\n')
    assert outcome.error == "the agent's output ended before its last word (a line was too long to be read)"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "message",
                    "content",
                    "usage",
                    "item",
                    "part",
                    "error",
                    "result",
                    "subtype",
                    "tokens",
                    "state",
                    "input",
                    "items",
                    "changes",
                    "data",
                    "statusCode",
                    "output_tokens",
                    "text",
                    "verdict",
                    "issues",
                    "progress",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KINDS = [
    "assistant",
    "result",
    "system",
    "turn.completed",
    "turn.failed",
    "item.completed",
    "error",
    "text",
    "tool_use",
    "step_finish",
]


@settings(max_examples=150)
@given(
    st.sampled_from(["text", "json", "claude-code", "codex", "opencode"]),
    st.sampled_from(KINDS),
    JSON,
    st.binary(max_size=30),
    st.booleans(),
)
def test_no_output_breaks_a_reader(kind: str, event: str, value: Any, noise: bytes, review: bool) -> None:
    document = (
        {**value, "type": event}
        if isinstance(value, dict)
        else {"type": event, "message": value, "item": value, "part": value}
    )
    _, outcome = read(kind, json.dumps(document).encode() + b"\n" + noise, REVIEW if review else JOB, output=noise)
    assert isinstance(outcome.success, bool)
    assert outcome.success or outcome.error

"""Readers of the three agents' streams: one JSON object a line, of many types, of which a few matter here.

What cannot be read is passed over, so that a newer release of an agent that says more is still understood. A stream that
ends without its last word is a failure, whatever the exit code says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.work.harness.model import Ended, Job, Outcome, Report, Used
from reconciler.work.harness.plain import progress_in
from reconciler.work.harness.results import (
    failure,
    json_object,
    last_object,
    mapping_of,
    number_of,
    stated,
    text_of,
    with_verdict,
)
from reconciler.work.harness.text import Excerpt, Lines, clean, ending, one_line
from reconciler.work.harness.throttling import is_throttled, wait_of

_MOST_FILES = 200


class Stream(ABC):
    """What the three have in common."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lines = Lines()
        self._stray = Excerpt(65_536)
        self._answer = ""
        self._errors: list[str] = []
        self._files: dict[str, None] = {}
        self._retry_after_ms = 0
        self._done = False
        self._metrics: dict[str, Any] = {}

    @property
    @abstractmethod
    def used(self) -> Used:
        """Tokens and money so far."""

    @abstractmethod
    def _take(self, event: Mapping[str, Any]) -> Iterator[Report]:
        """Read one object of the stream."""

    def feed(self, data: bytes) -> list[Report]:
        """Take a piece of output."""
        return [report for line in self._lines.feed(data) for report in self._read(line)]

    def finish(self, ended: Ended) -> Outcome:
        """The outcome."""
        for line in self._lines.finish():
            list(self._read(line))
        outcome = replace(self._outcome(ended), used=self.used, metrics=self._collected())
        if self._job.kind == "review":
            outcome = self._judged(outcome)
        document = json_object(ended.output) if ended.output else None
        return stated(document, outcome, self._job) if document is not None else outcome

    def _read(self, line: bytes) -> Iterator[Report]:
        event = json_object(line)
        if event is None:
            self._stray.feed(line + b"\n")
            return
        yield from self._take(event)

    def _outcome(self, ended: Ended) -> Outcome:
        summary = ending(self._answer)
        if self._done and not self._errors and ended.exit_code == 0:
            return Outcome(success=True, summary=summary)
        said = "\n".join([*self._errors, ended.errors, self._stray.text()])
        if self._errors:
            failed = Outcome(
                success=False, summary=summary, error=one_line(self._errors[-1], 500) or "the agent reports an error"
            )
        elif ended.exit_code != 0:
            failed = replace(failure(ended, self._stray.text()), summary=summary)
        else:
            lost = " (a line was too long to be read)" if self._lines.skipped else ""
            failed = Outcome(
                success=False, summary=summary, error=f"the agent's output ended before its last word{lost}"
            )
        if is_throttled(said):
            wait = self._retry_after_ms or wait_of(said, ended.at_ms)
            return replace(failed, cause="rate_limit", retry_after_ms=wait)
        return failed

    def _judged(self, outcome: Outcome) -> Outcome:
        if not outcome.success:
            return outcome
        document = last_object(self._answer, "verdict")
        judged = with_verdict(document, outcome) if document is not None else outcome
        if judged.verdict is None:
            return replace(outcome, success=False, error="the reviewer's answer holds no verdict")
        if judged.verdict == "needs_changes" and not judged.feedback and not judged.issues:
            return replace(judged, feedback=ending(self._answer))
        return judged

    def _collected(self) -> dict[str, Any]:
        found = dict(self._metrics)
        if self._files:
            found["files_modified"] = list(self._files)[:_MOST_FILES]
        return found

    def _said(self, text: str) -> Iterator[Report]:
        """What an agent says: progress lines in it, else its first line as news."""
        text = clean(text)
        reports = [report for line in text.splitlines() if (report := progress_in(line)) is not None]
        if reports:
            yield from reports
        elif text.strip():
            yield Report(one_line(text))

    def _changed(self, path: Any) -> None:
        if isinstance(path, str) and path:
            self._files[one_line(path, 1_000)] = None


class ClaudeCode(Stream):
    """`claude -p --output-format stream-json --verbose`: init, assistant and user messages, and one result."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._by_message: dict[str, int] = {}
        self._total = Used()

    @property
    def used(self) -> Used:
        """The result's word, or the sum of the messages so far."""
        return self._total if self._total != Used() else Used(sum(self._by_message.values()))

    def _take(self, event: Mapping[str, Any]) -> Iterator[Report]:
        match event.get("type"):
            case "assistant":
                yield from self._message(mapping_of(event, "message"))
            case "system" if event.get("subtype") == "api_retry":
                self._retry_after_ms = int(number_of(event, "retry_delay_ms"))
                yield Report(f"waits for the service (status {one_line(str(event.get('error_status')), 20)})")
            case "result":
                self._result(event)

    def _message(self, message: Mapping[str, Any]) -> Iterator[Report]:
        usage = mapping_of(message, "usage")
        if usage:
            # The same message comes once for each part of its content.
            self._by_message[str(message.get("id"))] = _claude_tokens(usage)
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, dict):
                continue
            if part.get("type") == "text":
                self._answer = text_of(part, "text", 1_000_000)
                yield from self._said(self._answer)
            elif part.get("type") == "tool_use":
                given = mapping_of(part, "input")
                if part.get("name") in ("Edit", "MultiEdit", "Write", "NotebookEdit"):
                    self._changed(given.get("file_path") or given.get("notebook_path"))
                detail = given.get("command") or given.get("file_path") or given.get("description") or ""
                yield Report(one_line(f"{part.get('name')} {detail if isinstance(detail, str) else ''}"))

    def _result(self, event: Mapping[str, Any]) -> None:
        self._done = True
        subtype = text_of(event, "subtype", 100)
        said = text_of(event, "result", 1_000_000)
        tokens = _claude_tokens(mapping_of(event, "usage")) or sum(self._by_message.values())
        self._total = Used(tokens, float(number_of(event, "total_cost_usd")))
        self._metrics["turns"] = int(number_of(event, "num_turns"))
        if event.get("session_id"):
            self._metrics["session"] = text_of(event, "session_id", 200)
        denied = event.get("permission_denials")
        if isinstance(denied, list) and denied:
            self._metrics["denied"] = len(denied)
        if event.get("is_error") is True or subtype != "success":
            listed = event.get("errors")
            more = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
            self._errors.append(said or "; ".join(more) or subtype.replace("_", " "))
            self._metrics["ended"] = subtype
        else:
            self._answer = said or self._answer

    def _outcome(self, ended: Ended) -> Outcome:
        outcome = super()._outcome(ended)
        if self._metrics.get("ended") == "error_max_budget_usd":
            return replace(outcome, cause="budget")
        return outcome


def _claude_tokens(usage: Mapping[str, Any]) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "output_tokens")
    return int(sum(number_of(usage, name) for name in names))


class Codex(Stream):
    """`codex exec --json`: a thread of turns, whose items begin, change and complete."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._tokens = 0

    @property
    def used(self) -> Used:
        """The sum of the turns; Codex tells of no money."""
        return Used(self._tokens)

    def _take(self, event: Mapping[str, Any]) -> Iterator[Report]:
        match event.get("type"):
            case "thread.started":
                self._metrics["session"] = text_of(event, "thread_id", 200)
            case "turn.started":
                self._done = False
                self._errors.clear()
            case "turn.completed":
                self._done = True
                usage = mapping_of(event, "usage")
                fresh = max(number_of(usage, "input_tokens") - number_of(usage, "cached_input_tokens"), 0)
                self._tokens += int(fresh + number_of(usage, "output_tokens"))
            case "turn.failed":
                self._errors.append(text_of(mapping_of(event, "error"), "message") or "the turn failed")
            case "error":
                # Also told before each of its own tries again; a turn that completes afterwards has overcome it.
                yield Report(one_line(text_of(event, "message")))
                self._trouble = text_of(event, "message")
            case "item.started" | "item.updated" | "item.completed":
                yield from self._item(mapping_of(event, "item"), completed=event["type"] == "item.completed")

    _trouble = ""

    def _item(self, item: Mapping[str, Any], *, completed: bool) -> Iterator[Report]:
        match item.get("type"):
            case "agent_message" if completed:
                self._answer = text_of(item, "text", 1_000_000)
                yield from self._said(self._answer)
            case "command_execution" if not completed:
                yield Report(one_line(f"runs {text_of(item, 'command')}"))
            case "file_change" if completed:
                changes = item.get("changes")
                for change in changes if isinstance(changes, list) else ():
                    if isinstance(change, dict):
                        self._changed(change.get("path"))
                yield Report(f"changed {len(changes) if isinstance(changes, list) else 0} files")
            case "mcp_tool_call" if not completed:
                yield Report(one_line(f"uses {text_of(item, 'server')}/{text_of(item, 'tool')}"))
            case "web_search" if completed:
                yield Report(one_line(f"searched for {text_of(item, 'query')}"))
            case "todo_list":
                yield from _todo(item)

    def _outcome(self, ended: Ended) -> Outcome:
        if not self._done and not self._errors and self._trouble:
            self._errors.append(self._trouble)
        return super()._outcome(ended)


def _todo(item: Mapping[str, Any]) -> Iterator[Report]:
    """A list of steps tells how far the work is."""
    listed = item.get("items")
    steps = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if steps:
        done = sum(step.get("completed") is True for step in steps)
        current = next((text_of(step, "text") for step in steps if step.get("completed") is not True), "all steps done")
        yield Report(one_line(current), 100 * done // len(steps))


class OpenCode(Stream):
    """`opencode run --format json`: steps with texts and uses of tools; the last step ends for another reason than tools."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._used = Used()

    @property
    def used(self) -> Used:
        """The sum of the steps."""
        return self._used

    def _take(self, event: Mapping[str, Any]) -> Iterator[Report]:
        part = mapping_of(event, "part")
        match event.get("type"):
            case "step_start":
                self._done = False
                self._answer = ""
                self._metrics["session"] = text_of(event, "sessionID", 200)
            case "text":
                self._answer += text_of(part, "text", 1_000_000)
                yield from self._said(text_of(part, "text", 1_000_000))
            case "tool_use":
                yield from self._tool(part)
            case "step_finish":
                self._step(part)
            case "error":
                self._error(mapping_of(event, "error"))

    def _tool(self, part: Mapping[str, Any]) -> Iterator[Report]:
        state = mapping_of(part, "state")
        given = mapping_of(state, "input")
        tool = text_of(part, "tool", 100)
        if tool in ("edit", "write", "patch", "multiedit"):
            self._changed(given.get("filePath"))
        yield Report(one_line(f"{tool} {text_of(state, 'title') or text_of(given, 'command')}"))

    def _step(self, part: Mapping[str, Any]) -> None:
        tokens = mapping_of(part, "tokens")
        counted = ("input", "output", "reasoning")
        fresh = sum(number_of(tokens, name) for name in counted) + number_of(mapping_of(tokens, "cache"), "write")
        cost = self._used.cost_usd + float(number_of(part, "cost"))
        self._used = Used(self._used.tokens + int(fresh), cost)
        self._done = part.get("reason") != "tool-calls"

    def _error(self, error: Mapping[str, Any]) -> None:
        data = mapping_of(error, "data")
        message = text_of(data, "message") or text_of(error, "name", 200)
        status = int(number_of(data, "statusCode"))
        self._errors.append(f"{message} (status {status})" if status else message)
        headers = mapping_of(data, "responseHeaders")
        after = next((value for key, value in headers.items() if str(key).lower() == "retry-after"), None)
        if isinstance(after, str) and after.isdigit():
            self._retry_after_ms = int(after) * 1_000

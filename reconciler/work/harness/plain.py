"""Readers of commands that know Fleet: text with progress lines, or JSON.

A command may also leave a JSON object in the file that `FLEET_OUTPUT` names; what that says goes before what was printed.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.work.harness.model import Ended, Job, Outcome, Report, Used
from reconciler.work.harness.results import by_exit_code, json_object, number_of, stated, text_of, used_of
from reconciler.work.harness.text import Excerpt, Lines, decoded, one_line

_PROGRESS = re.compile(r"::progress\s+(\d{1,3})(?:\.\d+)?%?\s*::(.*)")


def progress_in(line: str) -> Report | None:
    """What a line `::progress 40::message` reports; None for any other line."""
    found = _PROGRESS.fullmatch(line.strip())
    if found is None:
        return None
    return Report(one_line(found[2]), min(int(found[1]), 100))


class Text:
    """A command that prints text. Its result is the end of what it prints, and its exit code."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lines = Lines()
        self._said = Excerpt()

    @property
    def used(self) -> Used:
        """Nothing: text reports no use."""
        return Used()

    def feed(self, data: bytes) -> list[Report]:
        """Take a piece of output."""
        return [report for line in self._lines.feed(data) if (report := self._read(line)) is not None]

    def finish(self, ended: Ended) -> Outcome:
        """The outcome."""
        for line in self._lines.finish():
            self._read(line)
        outcome = by_exit_code(ended, self._said.text(), self._job)
        document = json_object(ended.output) if ended.output else None
        return stated(document, outcome, self._job) if document is not None else outcome

    def _read(self, line: bytes) -> Report | None:
        report = progress_in(decoded(line)) if line.startswith(b"::progress") else None
        if report is None:
            self._said.feed(line + b"\n")
        return report


class Json:
    """A command that answers in JSON: objects with `progress` and `message` on lines of their own, and then a result.

    The result is the last object that is no progress, on one line or spread over several.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lines = Lines()
        self._said = Excerpt()
        self._result: dict[str, Any] | None = None
        self._used = Used()

    @property
    def used(self) -> Used:
        """What the newest `usage` said."""
        return self._used

    def feed(self, data: bytes) -> list[Report]:
        """Take a piece of output."""
        return [report for line in self._lines.feed(data) if (report := self._read(line)) is not None]

    def finish(self, ended: Ended) -> Outcome:
        """The outcome."""
        for line in self._lines.finish():
            self._read(line)
        said = self._said.text()
        document = json_object(ended.output) if ended.output else None
        document = document or json_object(said) or self._result
        outcome = by_exit_code(ended, "" if document is not None else said, self._job)
        return stated(document, outcome, self._job) if document is not None else outcome

    def _read(self, line: bytes) -> Report | None:
        document = json_object(line) if line.lstrip().startswith(b"{") else None
        if document is None:
            report = progress_in(decoded(line)) if line.startswith(b"::progress") else None
            if report is None:
                self._said.feed(line + b"\n")
            return report
        used = used_of(document)
        self._used = Used(max(used.tokens, self._used.tokens), max(used.cost_usd, self._used.cost_usd))
        if "progress" in document:
            message = one_line(text_of(document, "message"))
            return Report(message, min(int(number_of(document, "progress")), 100))
        self._result = document
        return None

"""Which reader belongs to which format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reconciler.work.harness.agents import ClaudeCode, Codex, OpenCode
from reconciler.work.harness.model import Ended, Harnessed, Job, Outcome, Report, Used
from reconciler.work.harness.plain import Json, Text


class Reader(Protocol):
    """Reads a command's standard output while it runs, and says at the end what came of it."""

    @property
    def used(self) -> Used:
        """Tokens and money that were reported so far."""

    def feed(self, data: bytes) -> list[Report]:
        """Take a piece of output; what it reports about the progress."""

    def finish(self, ended: Ended) -> Outcome:
        """The outcome, from the output and from how the process ended."""


_READERS: dict[str, Callable[[Job], Reader]] = {
    "text": Text,
    "json": Json,
    "claude-code": ClaudeCode,
    "codex": Codex,
    "opencode": OpenCode,
}


def reader_for(harnessed: Harnessed, job: Job) -> Reader:
    """A new reader for one run of a command."""
    return _READERS[harnessed.format](job)

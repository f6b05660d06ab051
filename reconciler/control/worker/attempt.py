"""One attempt: from the brief to the outcome, with nothing recorded on the way but progress.

What a command prints is fed to its reader, kept in part for people, and never obeyed.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.apply.mask import Mask
from reconciler.control.desk.briefing import Brief
from reconciler.control.worker import process
from reconciler.control.worker.artifacts import artifact_file, log_file, write_log
from reconciler.control.worker.office import Cost
from reconciler.control.worker.process import Finished, Launch, Stopper
from reconciler.spec.desired import Harness
from reconciler.units import format_duration
from reconciler.work.harness import Command, Ended, Limits, Outcome, Reader, Report, build, reader_for
from reconciler.work.harness.text import Excerpt, decoded, ending

LOG_BYTES = 2 * 1024 * 1024
ERRORS_BYTES = 65_536
OUTPUT_BYTES = 1_048_576
INPUT, OUTPUT = "input.json", "output.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and how a specialist works.

    Attributes:
        folder: where its commands run.
        data: the project's data folder.
        environment: of its commands.
        mask: knows the secrets in it; what a command prints goes through it before anybody reads it.
        contained: puts a command into a container; the command as it is to be run outside of it, and how to end that.
    """

    harness: Harness
    folder: Path
    data: Path
    environment: Mapping[str, str]
    mask: Mask = field(default_factory=Mask)
    contained: Callable[[Command, Path, Path, str], tuple[Launch, Callable[[], None]]] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an attempt, what it used, and why it was ended early if it was."""

    outcome: Outcome
    cost: Cost
    why: process.Why = ""


def attempt(
    given: Brief,
    bench: Bench,
    stopper: Stopper,
    *,
    on_progress: Callable[[Report], None],
    on_started: Callable[[int], None],
) -> Done:
    """Do what a brief asks for.

    Raises:
        InputRefused: the harness cannot do it.
        ToolMissing: its program is not there.
    """
    harnessed = build(given.job, bench.harness, Limits(tokens=given.left_tokens, cost_usd=given.left_usd))
    if harnessed.command.nothing:
        return Done(Outcome(success=True, summary=harnessed.command.nothing), Cost())
    reader = reader_for(harnessed, given.job)
    run = _Run(given, bench, stopper, reader, on_progress)
    with tempfile.TemporaryDirectory(prefix="fleet-") as scratch:
        finished = run.carry_out(harnessed.command, Path(scratch), on_started)
        output = run.masked(_left_in(Path(scratch) / OUTPUT))
    run.keep_log(finished)
    ended = Ended(
        exit_code=finished.exit_code,
        errors=ending(decoded(run.errors.content())),
        output=output,
        at_ms=time.time_ns() // 1_000_000,
    )
    outcome = reader.finish(ended)
    used = outcome.used
    cost = Cost(max(round(finished.seconds * 1000), 0), used.tokens, used.cost_usd)
    return Done(_ended_early(outcome, finished.why, given), cost, finished.why)


class _Run:
    """One command under way."""

    def __init__(
        self, given: Brief, bench: Bench, stopper: Stopper, reader: Reader, on_progress: Callable[[Report], None]
    ) -> None:
        self._given = given
        self._bench = bench
        self._stopper = stopper
        self._reader = reader
        self._on_progress = on_progress
        self._log = Excerpt(LOG_BYTES)
        self._output, self._told = bench.mask.stream(), bench.mask.stream()
        self.errors = Excerpt(ERRORS_BYTES)

    def masked(self, data: bytes) -> bytes:
        """Bytes that are there as a whole, with the secrets hidden."""
        stream = self._bench.mask.stream()
        return stream.feed(data) + stream.rest()

    def carry_out(self, command: Command, scratch: Path, on_started: Callable[[int], None]) -> Finished:
        (scratch / INPUT).write_text(json.dumps(self._document(), ensure_ascii=False), encoding="utf-8")
        launch, end = self._launch(command, scratch)
        try:
            return process.run(
                launch,
                self._stopper,
                on_output=lambda data: self._take(self._output.feed(data)),
                on_errors=lambda data: self._take_errors(self._told.feed(data)),
                on_started=on_started,
            )
        finally:
            self._take(self._output.rest())
            self._take_errors(self._told.rest())
            if self._stopper.why:
                end()

    def keep_log(self, finished: Finished) -> None:
        file = log_file(self._bench.data, self._given.job.sortie_id, self._given.attempt, review=self._given.review_id)
        content = self._log.content()
        with contextlib.suppress(OSError):
            if content or finished.exit_code:
                write_log(file, content)

    def _launch(self, command: Command, scratch: Path) -> tuple[Launch, Callable[[], None]]:
        seconds = _shortest(self._given.timeout_ms, self._given.left_ms) / 1000
        if command.image:
            assert self._bench.contained is not None
            launch, end = self._bench.contained(command, self._bench.folder, scratch, self._given.job.sortie_id)
            return replace(launch, timeout_s=seconds), end
        places = {"FLEET_INPUT": str(scratch / INPUT), "FLEET_OUTPUT": str(scratch / OUTPUT)}
        return (
            Launch(
                argv=command.argv,
                environment={**self._bench.environment, **command.environment, **places},
                folder=self._bench.folder,
                stdin=command.stdin,
                timeout_s=seconds,
            ),
            lambda: None,
        )

    def _document(self) -> dict[str, object]:
        document = self._given.job.to_document()
        digests = self._given.digests
        document["artifacts"] = {
            path: {"digest": digest, "file": str(artifact_file(self._bench.data, digest))}
            for path, digest in digests.items()
        }
        return document

    def _take_errors(self, data: bytes) -> None:
        self._log.feed(data)
        self.errors.feed(data)

    def _take(self, data: bytes) -> None:
        self._log.feed(data)
        for report in self._reader.feed(data):
            self._on_progress(report)
        used, given = self._reader.used, self._given
        over = (given.left_tokens and used.tokens > given.left_tokens) or (
            given.left_usd and used.cost_usd > given.left_usd
        )
        if over:
            self._stopper.stop("budget")


def _shortest(*milliseconds: int) -> int:
    """The shortest of several bounds, of which 0 is none."""
    return min((one for one in milliseconds if one), default=0)


def _left_in(file: Path) -> bytes:
    """What the command left in its output file, up to a limit; nothing when that is no plain file."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as opened:
        try:
            data = opened.read(OUTPUT_BYTES + 1)
        except OSError:
            return b""
    return data if len(data) <= OUTPUT_BYTES else b""


def _ended_early(outcome: Outcome, why: process.Why, given: Brief) -> Outcome:
    """What it means that a command was ended by its worker."""
    if why == "timeout":
        whole = _shortest(given.timeout_ms, given.left_ms)
        budget = not given.timeout_ms or (given.left_ms and given.left_ms < given.timeout_ms)
        error = f"it was ended after {format_duration(whole)}" + (", all that the budget allows" if budget else "")
        return replace(outcome, success=False, verdict=None, error=error, cause="budget" if budget else "timeout")
    if why == "budget":
        used = outcome.used
        error = f"it was ended within its work: {used.tokens} tokens and ${used.cost_usd:.2f} were used"
        return replace(outcome, success=False, verdict=None, error=error, cause="budget")
    if why in ("shutdown", "interrupted"):
        return replace(outcome, success=False, verdict=None, error="its worker was asked to end", cause="handed_back")
    return outcome

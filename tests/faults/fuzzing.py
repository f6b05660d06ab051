"""Targets for coverage-guided fuzzing; each takes bytes from outside and may end in typed errors only.

    python -m tests.faults.fuzzing TARGET [libFuzzer's options, such as -runs=10000 or a corpus folder]

libFuzzer itself holds the bounds: `-timeout` for one input, `-rss_limit_mb` for memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["reconciler"], enable_loader_override=False):
    from reconciler.errors import FleetError, SpecInvalid
    from reconciler.events.envelope import NewEvent
    from reconciler.events.registry import TYPES, EventInvalid, validate
    from reconciler.events.upcasters import EventTooNew
    from reconciler.legacy.converting import convert
    from reconciler.legacy.old_form import OldView
    from reconciler.legacy.reading import LegacyBroken, read_text
    from reconciler.projections.fold import as_if_recorded, fold
    from reconciler.projections.rows import MemoryRows
    from reconciler.spec.compose import compose
    from reconciler.spec.desired import Harness
    from reconciler.spec.inputs import LoadOptions
    from reconciler.spec.load import load
    from reconciler.work.harness.build import build
    from reconciler.work.harness.model import Ended, Job
    from reconciler.work.harness.readers import reader_for
    from reconciler.work.harness.text import clean
    from reconciler.work.refusals import InputRefused

_ = compose
_FOLDER = Path(tempfile.mkdtemp(prefix="fleet-fuzz-"))
_TYPES = sorted(TYPES)
_JOB = Job(sortie_id="s", title="t", prompt="do it", run="true")
_KINDS = ("shell", "command", "claude-code", "codex", "opencode")


def spec(data: bytes) -> None:
    """A fleet file of any bytes is a fleet, or problems that a terminal can show."""
    file = _FOLDER / "fleet.yaml"
    file.write_bytes(data)
    try:
        load(file, project=_FOLDER, options=LoadOptions(environ={"PATH": ""}))
    except SpecInvalid as error:
        if not error.problems or not str(error).replace("\n", "").isprintable():
            raise AssertionError("a problem that cannot be shown") from error


def events(data: bytes) -> None:
    """An event's data is refused, or folds into rows that are JSON."""
    event_type = _TYPES[data[0] % len(_TYPES)] if data else _TYPES[0]
    try:
        fields = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if not isinstance(fields, dict):
        return
    try:
        _, valid = validate(event_type, fields)
    except (EventInvalid, EventTooNew):
        return
    rows = MemoryRows()
    for number in (1, 2):
        fold(as_if_recorded(NewEvent(event_type, "system", "fuzz", valid), number), rows)


def squawk(data: bytes) -> None:
    """An old file is broken with a place, or becomes events that are valid."""
    try:
        old = read_text(data.decode("utf-8", "surrogateescape"), "squawk.json")
        made = convert(old, OldView(), now_ms=1_700_000_000_000, project_path="/p", project_hash="abc")
    except LegacyBroken:
        return
    for event in made.events:
        validate(event.event_type, event.data)


def harness(data: bytes) -> None:
    """A command's output is data: it ends as an outcome whose words a terminal can show."""
    kind = _KINDS[data[0] % len(_KINDS)] if data else "shell"
    chosen = Harness(kind=kind, command=("agent",) if kind == "command" else ())  # type: ignore[arg-type]  # one of _KINDS
    try:
        reader = reader_for(build(_JOB, chosen), _JOB)
    except InputRefused:
        return
    half = len(data) // 2
    said = [*reader.feed(data[1:half]), *reader.feed(data[half:])]
    outcome = reader.finish(Ended(exit_code=(data[-1] if data else 0) - 128, output=data[:64]))
    for text in (outcome.summary, outcome.error, outcome.feedback, *(one.message for one in said)):
        if clean(text) != text:
            raise AssertionError(f"not cleaned: {text!r}")


TARGETS: dict[str, Callable[[bytes], None]] = {one.__name__: one for one in (spec, events, squawk, harness)}


def main(arguments: list[str]) -> None:
    target = TARGETS[arguments[1]]

    def run(data: bytes) -> None:
        try:
            target(data)
        except FleetError as error:
            raise AssertionError(f"an error that this door does not know: {error!r}") from error

    atheris.Setup([arguments[0], *arguments[2:]], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)

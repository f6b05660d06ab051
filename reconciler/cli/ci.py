"""Apply on a build server: what is left behind when it has ended, however that was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reconciler.control.ci.outcome import Outcome
    from reconciler.control.session import Session

CiOption = Annotated[
    bool,
    typer.Option("--ci", help="On a build server: ask nothing, tell its commit and actor, annotate the file's lines."),
]
SummaryOption = Annotated[
    Path | None,
    typer.Option("--summary", help="Append a Markdown summary (with --ci on GitHub: the run's page).", metavar="FILE"),
]
JUnitOption = Annotated[
    Path | None, typer.Option("--junit", help="Write what was waited for as JUnit's XML.", metavar="FILE")
]
CodeQualityOption = Annotated[
    Path | None, typer.Option("--code-quality", help="Write problems as GitLab's code quality.", metavar="FILE")
]


@dataclass(frozen=True, slots=True)
class Leave:
    """What is to be left behind."""

    ci: bool = False
    summary: Path | None = None
    junit: Path | None = None
    code_quality: Path | None = None
    as_json: bool = False

    @property
    def nothing(self) -> bool:
        """Nobody wants to read about it."""
        return not (self.ci or self.summary or self.junit or self.code_quality)


@contextmanager
def left_behind(session: Session, leave: Leave) -> Iterator[Outcome | None]:
    """An outcome to fill in; when the block has ended, by an error too, it is written to where it is wanted."""
    if leave.nothing:
        yield None
        return
    from reconciler.control.ci.outcome import Outcome
    from reconciler.errors import FleetError

    outcome = Outcome(session.directory.name)
    try:
        yield outcome
    except FleetError as error:
        outcome.error = error
        raise
    finally:
        _write(session, outcome, leave)


def _write(session: Session, outcome: Outcome, leave: Leave) -> None:
    from reconciler.control.ci.server import build_server
    from reconciler.control.ci.writing import code_quality, junit, summary, workflow_commands

    server = build_server(session.environ)
    if outcome.result is not None and not outcome.places:
        outcome.places = _places(session)
    page = leave.summary or (Path(server.summary) if leave.ci and server.summary else None)
    if page is not None:
        _put(page, summary(outcome), append=True)
    if leave.junit is not None:
        _put(leave.junit, junit(outcome))
    if leave.code_quality is not None:
        _put(leave.code_quality, code_quality(outcome, server.root))
    if leave.ci and server.kind == "github":
        for line in workflow_commands(outcome, server.root):
            print(line, file=sys.stderr if leave.as_json else sys.stdout, flush=True)


def _put(path: Path, text: str, *, append: bool = False) -> None:
    """Write a file; that it cannot be written is told and is no reason to fail what was done."""
    try:
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        print(f"fleet: {path} cannot be written: {error.strerror}", file=sys.stderr)


def _places(session: Session) -> dict[str, tuple[str, int, int]]:
    """Where resources stand in the file, which is not read again for an apply when it is as it was."""
    from reconciler.errors import FleetError
    from reconciler.spec.load import load

    try:
        loaded = load(session.file, project=session.directory, options=session.load_options())
    except FleetError:
        return {}
    names = [f"service/{name}" for name in loaded.desired.services]
    return {name: (place[0], place[1], place[2]) for name in names if (place := loaded.places.get(name)) is not None}

"""`fleet doctor`: is this machine ready, and how to mend what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import Colour, colour_wanted, paint, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.ops.doctor import Finding, Level

_SIGNS: dict[Level, tuple[str, Colour]] = {
    "ok": ("✓", "green"),
    "note": ("·", "blue"),
    "warning": ("!", "yellow"),
    "broken": ("✗", "red"),
}


@about_project
def doctor(project: Project, as_json: JsonOption = False) -> None:
    """Check Podman, the event log and this machine; say how to mend what is wrong.

    The exit code is 1 when something is broken. Warnings and notes do not count.

    \b
    Examples:
      fleet doctor
      fleet doctor --json
    """
    import os

    from reconciler.ops.doctor import Surroundings, examine
    from reconciler.spec.location import database_path

    def database() -> Path:
        return database_path(project.directory, project.file, flag=project.database, environ=os.environ)

    findings = examine(Surroundings(), file=project.file, database=database)
    broken = any(finding.level == "broken" for finding in findings)
    if as_json:
        print_json({"ok": not broken, "findings": [_document(finding) for finding in findings]})
    else:
        typer.echo(_text(findings))
    raise typer.Exit(1 if broken else 0)


def _text(findings: list[Finding]) -> str:
    on = colour_wanted()
    wide = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        sign, colour = _SIGNS[finding.level]
        lines.append(f"{paint(sign, colour, on=on)} {finding.check.ljust(wide)}  {finding.what}")
        if finding.mend:
            first, *more = finding.mend.splitlines()
            lines += [f"  {' ' * wide}  → {first}", *(f"  {' ' * wide}    {line.strip()}" for line in more)]
    counts = {level: sum(finding.level == level for finding in findings) for level in _SIGNS}
    lines += ["", _verdict(counts["broken"], counts["warning"])]
    return "\n".join(lines)


def _verdict(broken: int, warnings: int) -> str:
    if broken:
        return f"{broken} broken, {warnings} warning{'' if warnings == 1 else 's'}"
    return "ready" if not warnings else f"ready, with {warnings} warning{'' if warnings == 1 else 's'}"


def _document(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "level": finding.level, "what": finding.what, "mend": finding.mend}

"""`fleet validate`: is the file right, and if not, what is wrong where."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, paint, print_json
from reconciler.errors import Problem, SpecInvalid

if TYPE_CHECKING:
    from reconciler.spec.desired import Desired


@about_project
def validate(
    project: Project,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Print ::error and ::warning lines, which CI shows beside the code.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the file and everything that it includes. All problems are shown, each with its place. Changes nothing.

    \b
    Exit code 3 when something is wrong.
    Examples:
      fleet validate
      fleet validate --env prod --var tag=1.4
      fleet validate --json | jq .problems
    """
    from reconciler.spec.load import LoadOptions, load

    options = LoadOptions(project.env, project.variables, project.var_files, project.profiles)
    try:
        loaded = load(project.file, project=project.directory, options=options)
    except SpecInvalid as error:
        if not as_json and not annotations:
            error.hint = ""
            raise
        _show(error.problems, (), as_json=as_json)
        raise typer.Exit(error.exit_code) from None
    if as_json or annotations:
        _show((), loaded.warnings, as_json=as_json, desired=loaded.desired)
        return
    for warning in loaded.warnings:
        typer.echo(f"{paint('warning:', 'yellow', on=colour_wanted())} {warning}")
    files = "" if len(loaded.files) == 1 else f" and {len(loaded.files) - 1} more"
    typer.echo(f"{paint('ok', 'green', on=colour_wanted())} {project.file.name}{files}: {summary(loaded.desired)}")


def summary(desired: Desired) -> str:
    """`fleet shop: 2 services, 1 volume`."""
    sorties = sum(len(mission.sorties) for mission in desired.missions.values())
    counts = (
        (len(desired.services), "service"),
        (len(desired.networks), "network"),
        (len(desired.volumes), "volume"),
        (len(desired.secrets), "secret"),
        (len(desired.specialists), "specialist"),
        (len(desired.missions), "mission"),
        (sorties, "sortie"),
    )
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    return f"fleet {desired.name}: {', '.join(parts) or 'nothing is declared yet'}"


def _show(
    problems: tuple[Problem, ...], warnings: tuple[Problem, ...], *, as_json: bool, desired: Desired | None = None
) -> None:
    if not as_json:
        for level, found in (("error", problems), ("warning", warnings)):
            for problem in found:
                typer.echo(_annotation(level, problem))
        return
    document: dict[str, Any] = {
        "valid": not problems,
        "problems": [asdict(problem) for problem in problems],
        "warnings": [asdict(warning) for warning in warnings],
    }
    if desired is not None:
        document["fleet"] = desired.name
        for section in ("services", "networks", "volumes", "secrets", "specialists", "missions"):
            document[section] = list(getattr(desired, section))
    print_json(document)


def _annotation(level: str, problem: Problem) -> str:
    """A workflow command; the signs that would end it early are escaped."""
    inside = f"{problem.path}: " if problem.path else ""
    hint = f" ({problem.hint})" if problem.hint else ""
    text = f"{inside}{problem.message}{hint}".replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    file = problem.file.replace("%", "%25").replace(",", "%2C").replace(":", "%3A")
    place = f",line={problem.line},col={problem.column}" if problem.line else ""
    return f"::{level} file={file}{place}::{text}"

"""`fleet init`: a first fleet.yaml, or one made from a Compose file."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption
from reconciler.cli.output import colour_wanted, paint, print_json
from reconciler.errors import Conflict, FleetError, Problem, SpecInvalid

if TYPE_CHECKING:
    from reconciler.spec.composefile import Conversion

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")

NameOption = Annotated[str, typer.Option("--name", help="The fleet's name (default: the folder's).", metavar="NAME")]
PostgresOption = Annotated[
    bool | None, typer.Option("--postgres/--no-postgres", help="Declare a PostgreSQL from the built-in template.")
]
ImageOption = Annotated[str, typer.Option("--image", help="Declare a web service of this image.", metavar="IMAGE")]
PortOption = Annotated[int, typer.Option("--port", help="Its port on this machine.", min=1, max=65535)]
InsideOption = Annotated[int, typer.Option("--container-port", help="Its port inside.", min=1, max=65535)]
AgentsOption = Annotated[
    bool | None, typer.Option("--agents/--no-agents", help="Declare a specialist and a small mission.")
]
FromOption = Annotated[
    list[Path],
    typer.Option("--from", help="Convert this Compose file; given again, one that is laid over it.", metavar="FILE"),
]
FileOption = Annotated[Path, typer.Option("--file", "-f", help="The file to write.", metavar="FILE")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; what no flag says keeps its default.")]


def init(
    name: NameOption = "",
    postgres: PostgresOption = None,
    image: ImageOption = "",
    port: PortOption = 8080,
    container_port: InsideOption = 80,
    agents: AgentsOption = None,
    from_: FromOption = [],  # typer reads it and never changes it
    file: FileOption = Path("fleet.yaml"),
    force: ForceOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a first fleet.yaml. On a terminal it asks; elsewhere the flags say it all. Never overwrites without --force.

    With --from a Compose file becomes a fleet.yaml that plans the same containers. What has no counterpart is listed
    with its line and key, here and as comments in the file.

    \b
    Examples:
      fleet init
      fleet init --postgres --image localhost/web:1 --port 8080
      fleet init --from compose.yaml
      fleet init --from compose.yaml --from compose.prod.yaml --json
    """
    if file.exists() and not force:
        raise Conflict(f"{file} is there already", hint="--force overwrites it, --file writes another one")
    if name and not _NAME.fullmatch(name):
        raise typer.BadParameter("lower-case letters, digits, _ and -, at most 41", param_hint="--name")
    if from_:
        _convert(from_, file, name, as_json)
        return
    from reconciler.spec.starter import Start, name_of, starter

    start = Start(
        name or name_of(file.resolve().parent.name), bool(postgres), image, port, container_port, bool(agents)
    )
    if sys.stdin.isatty() and sys.stdout.isatty() and not yes and not as_json:
        start = _asked(start, named=bool(name), postgres=postgres, agents=agents)
    written = _write(file, starter(start))
    problems = _check(file)
    if as_json:
        print_json({"file": str(file), "written": written, "problems": [asdict(problem) for problem in problems]})
        return
    _say_written(written)
    _say_problems(problems)
    typer.echo("next: fleet plan")


def _asked(start: Any, *, named: bool, postgres: bool | None, agents: bool | None) -> Any:
    """What the flags leave open, from the person at the terminal."""
    from dataclasses import replace

    if not named:
        while True:
            answer = typer.prompt("Name of the fleet", default=start.name)
            if _NAME.fullmatch(answer):
                break
            typer.echo("lower-case letters, digits, _ and -, at most 41")
        start = replace(start, name=answer)
    if postgres is None:
        start = replace(start, postgres=typer.confirm("A PostgreSQL?", default=True))
    if not start.image:
        image = typer.prompt("Image of a web service (empty for none)", default="", show_default=False).strip()
        start = replace(start, image=image)
        if image:
            start = replace(start, port=typer.prompt("Its port on this machine", default=start.port, type=int))
    if agents is None:
        start = replace(start, agents=typer.confirm("A specialist with a first mission?", default=False))
    return start


def _convert(files: list[Path], file: Path, name: str, as_json: bool) -> None:
    from reconciler.spec.composefile import convert
    from reconciler.spec.composefile.rendering import render
    from reconciler.spec.starter import SCHEMA_PATH

    conversion = convert(files, folder=file.resolve().parent, name=name)
    written = _write(file, render(conversion, schema=SCHEMA_PATH))
    problems = _check(file)
    if as_json:
        print_json(_report(conversion, file, written, problems))
        return
    _say_written(written)
    for note in conversion.notes:
        print(note, file=sys.stderr)
    services = conversion.document["services"]
    dropped = sum(note.kind == "dropped" for note in conversion.notes)
    typer.echo(
        f"{len(services)} service{'' if len(services) == 1 else 's'} taken over, {dropped} "
        f"thing{'' if dropped == 1 else 's'} without a counterpart" + (", listed above" if dropped else "")
    )
    _say_problems(problems)
    typer.echo("next: fleet plan")


def _report(conversion: Conversion, file: Path, written: list[str], problems: tuple[Problem, ...]) -> dict[str, Any]:
    kinds = ("dropped", "changed", "needless")
    return {
        "file": str(file),
        "written": written,
        "from": list(conversion.sources),
        "services": list(conversion.document["services"]),
        "counts": {kind: sum(note.kind == kind for note in conversion.notes) for kind in kinds},
        "notes": [asdict(note) for note in conversion.notes],
        "problems": [asdict(problem) for problem in problems],
    }


def _write(file: Path, text: str) -> list[str]:
    """The file, and the schema that its first line points at where there is none yet."""
    from reconciler.spec.starter import SCHEMA_PATH

    written = [str(file)]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        schema = file.parent / SCHEMA_PATH
        if not schema.exists():
            from reconciler.spec.schema import render

            schema.parent.mkdir(exist_ok=True)
            schema.write_text(render(), encoding="utf-8")
            written.append(str(schema))
    except OSError as error:
        raise FleetError(f"{error.filename or file} cannot be written: {error.strerror}") from None
    return written


def _check(file: Path) -> tuple[Problem, ...]:
    """What `fleet validate` would say of it."""
    from reconciler.spec.load import load

    try:
        load(file.resolve(), project=file.resolve().parent)
    except SpecInvalid as error:
        return error.problems
    return ()


def _say_written(written: list[str]) -> None:
    for path in written:
        typer.echo(f"{paint('written', 'green', on=colour_wanted())} {path}")


def _say_problems(problems: tuple[Problem, ...]) -> None:
    if problems:
        typer.echo("before fleet validate accepts it:")
    for problem in problems:
        typer.echo(f"  {problem}")

"""The options that every command about a project shares, and the `Project` they add up to."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.control.project import Project, find_file
from reconciler.errors import NotFound

__all__ = ["JsonOption", "Project", "about_project", "find_file", "shared_option_names"]

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--project", "-C", help="The project's folder, instead of the one that holds the file.", metavar="DIR"
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", help="The fleet file (default: fleet.yaml here or in a folder above).", metavar="FILE"
    ),
]
EnvOption = Annotated[
    str,
    typer.Option(
        "--env", "-e", help="Overlay: fleet.ENV.yaml is merged over the file.", metavar="ENV", envvar="FLEET_ENV"
    ),
]
VariableOption = Annotated[list[str], typer.Option("--var", help="A variable's value.", metavar="NAME=VALUE")]
VariableFileOption = Annotated[
    list[Path], typer.Option("--var-file", help="A YAML file of variables' values.", metavar="FILE")
]
ProfileOption = Annotated[
    list[str], typer.Option("--profile", help="Include services of this profile.", metavar="NAME")
]
DatabaseOption = Annotated[
    str, typer.Option("--database", help="The event log's file (default: in the data folder).", metavar="PATH")
]

REMOTE: ContextVar[str] = ContextVar("remote", default="")
"""The server that `fleet --remote` names, for the verb that follows it."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _project(
    file: Path | None,
    directory: Path | None,
    env: str,
    var: list[str],
    var_file: list[Path],
    profile: list[str],
    database: str,
) -> Project:
    if directory is not None and not directory.is_dir():
        raise NotFound(f"there is no folder {directory}")
    if file is not None:
        chosen = directory / file if directory is not None and not file.is_absolute() else file
    else:
        chosen = find_file(directory or Path.cwd())
    variables: dict[str, str] = {}
    for pair in var:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--var")
        variables[name] = value
    return Project(
        file=Path(os.path.abspath(chosen)),
        directory=(directory or chosen.parent).resolve(),
        env=env,
        variables=variables,
        var_files=tuple(var_file),
        profiles=tuple(profile),
        database=database,
        remote=REMOTE.get(),
    )


_SHARED: tuple[tuple[str, Any, Any], ...] = (
    ("file", FileOption, None),
    ("directory", DirectoryOption, None),
    ("env", EnvOption, ""),
    ("var", VariableOption, []),
    ("var_file", VariableFileOption, []),
    ("profile", ProfileOption, []),
    ("database", DatabaseOption, ""),
)


def shared_option_names() -> frozenset[str]:
    """Names of the parameters that `about_project` adds."""
    return frozenset(name for name, _, _ in _SHARED)


def about_project(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the shared options; its first parameter `project` receives what they add up to."""
    own = inspect.signature(command, eval_str=True)
    if next(iter(own.parameters), "") != "project":
        raise TypeError(f"{command.__name__} must take `project` first")

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> Any:
        shared = {name: arguments.pop(name) for name, _, _ in _SHARED}
        return command(_project(**shared), **arguments)

    parameters = [parameter for parameter in own.parameters.values() if parameter.name != "project"]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in _SHARED
    ]
    parameters.sort(key=lambda parameter: parameter.kind)
    wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper

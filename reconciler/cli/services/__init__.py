"""`fleet services`: what people do with single services. One module a verb, imported when it is asked for."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

# The word, the module (and the function in it), and its one-line help.
VERBS: tuple[tuple[str, str, str], ...] = (
    ("up", "up", "Start services and wait until they are ready."),
    ("down", "down", "Stop services; containers and data are kept."),
    ("restart", "restart", "Stop and start services."),
    ("status", "status", "Running or stopped, image, version, port and container of each service."),
    ("ps", "ps", "The containers of this fleet as Podman lists them."),
    ("logs", "logs", "What a service has printed."),
    ("exec", "exec_", "Run a command inside a service."),
)
_BY_NAME = {name: (module, summary) for name, module, summary in VERBS}


class ServiceVerbs(TyperGroup):
    """The verbs of `fleet services`, imported one by one on first use."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(_BY_NAME)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name not in _BY_NAME:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = load_verb(cmd_name)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        if args and args[0] not in _BY_NAME and not args[0].startswith("-"):
            near = get_close_matches(args[0], _BY_NAME, n=1)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, _, summary in VERBS])


def load_verb(name: str) -> Command:
    """The command object of a verb; imports its module, which may hold `SETTINGS` of how words are read."""
    word = _BY_NAME[name][0]
    module = importlib.import_module(f"reconciler.cli.services.{word}")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name=name, context_settings=getattr(module, "SETTINGS", None))(getattr(module, word))
    command: Command = typer.main.get_command(single)
    command.name = name
    return command


app = typer.Typer(cls=ServiceVerbs, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def services() -> None:
    """Start, stop, inspect and log services."""

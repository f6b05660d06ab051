"""The `fleet` command: which verbs there are, how they are found, and how errors leave the process.

Verbs are loaded when they are asked for. `fleet --help` reads the table below and imports none of them, so that the
command starts as fast as Python allows. A module holds either a function with the verb's name or, for a group of
verbs, a Typer named `app`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from reconciler.errors import FleetError, Interrupted, out_of_resources

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

USAGE_EXIT_CODE = 1
_COMPLETION = "_FLEET_COMPLETE"


@dataclass(frozen=True, slots=True)
class Verb:
    """One entry of the command table: the word, the module under `reconciler.cli`, and its one-line help."""

    name: str
    module: str
    summary: str


VERBS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    (
        "The file",
        (
            Verb("init", "init", "Write a first fleet.yaml, or make one from a Compose file."),
            Verb("validate", "validate", "Check fleet.yaml and name every problem with its place."),
            Verb("config", "config", "Show the effective file, secrets masked."),
            Verb("schema", "schema", "Print the JSON Schema of fleet.yaml for editors."),
        ),
    ),
    (
        "The loop",
        (
            Verb("plan", "plan", "Show what apply would do, and why. Changes nothing."),
            Verb("apply", "apply", "Make the fleet what the file says."),
            Verb("watch", "watch", "Keep the fleet what the file says: take edits, heal, restart."),
            Verb("gitops", "gitops", "Keep the fleet what a branch of a repository says."),
            Verb("rollback", "rollback", "Go back to an earlier revision, and stay there until the file changes."),
            Verb("drift", "drift", "What the world changed against the log."),
            Verb("suspend", "suspend", "Leave a resource, or the whole fleet, alone for a while."),
            Verb("resume", "resume", "End a suspension, or go on from a checkpoint."),
            Verb("unlock", "unlock", "End the lease of a writer that will not end it itself."),
            Verb("import", "import_", "Take over a container that runs already."),
            Verb("services", "services", "Start, stop, inspect and log services."),
        ),
    ),
    (
        "The agents",
        (
            Verb("missions", "missions", "Plan, run, follow and retry missions."),
            Verb("sorties", "sorties", "Look at sorties, and help those that are stuck."),
            Verb("specialists", "specialists", "Look at the fleet's agents; drain, stop and start them."),
            Verb("squawk", "squawk", "Send messages to agents, and read theirs."),
            Verb("locks", "locks", "See and change which files are reserved."),
            Verb("checkpoint", "checkpoint", "Keep how far agents are."),
            Verb("checkpoints", "checkpoints", "Look at checkpoints, and let go of old ones."),
            Verb("mcp", "mcp", "Let an agent of any maker join, over the Model Context Protocol."),
            Verb("serve", "serve", "Open the fleet to agents and tools over HTTP."),
            Verb("tokens", "tokens", "Make, list and revoke the server's tokens."),
            Verb("worker", "worker", "Work as one specialist: claim sorties, do them, report."),
        ),
    ),
    (
        "The log",
        (
            Verb("status", "status", "Desired, projected and observed, side by side."),
            Verb("why", "why", "Why a resource is as it is, back to the edit."),
            Verb("history", "history", "Revisions and applies, newest first."),
            Verb("events", "events", "Read and follow the event log."),
            Verb("diff", "diff", "What differs between two revisions, field by field."),
            Verb("bisect", "bisect", "The event after which a service went wrong."),
            Verb("replay", "replay", "Whether this release and file would have planned the same."),
            Verb("migrate", "migrate", "Move the log's schema, and import the old squawk.json."),
        ),
    ),
    (
        "Care of the log",
        (
            Verb("verify", "verify", "Check every event and what follows from them."),
            Verb("rebuild", "rebuild", "Make the projections anew from the log."),
            Verb("compact", "compact", "Move old events to the archive; they are read as before."),
            Verb("backup", "backup", "Copy the log while Fleet runs, and check the copy."),
            Verb("restore", "restore", "Put a backup in the place of the log."),
        ),
    ),
    (
        "The machine",
        (
            Verb("doctor", "doctor", "Check Podman, the database and this machine."),
            Verb("install-service", "install_service", "Write a systemd unit that runs `fleet watch`."),
            Verb("bundle", "bundle", "One redacted archive for a bug report."),
        ),
    ),
)

REMOTE_VERBS = frozenset(
    {
        "checkpoints",
        "diff",
        "events",
        "history",
        "locks",
        "missions",
        "sorties",
        "specialists",
        "squawk",
        "status",
        "why",
    }
)
"""Verbs that can look at a fleet on another machine, with `fleet --remote`."""

_BY_NAME: dict[str, Verb] = {verb.name: verb for _, verbs in VERBS for verb in verbs}


def load_verb(verb: Verb) -> Command:
    """The command object of a verb; imports its module."""
    module = importlib.import_module(f"reconciler.cli.{verb.module}")
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False, rich_markup_mode=None)
        group.command(name=verb.name)(getattr(module, verb.module))
    command: Command = typer.main.get_command(group)
    command.name = verb.name
    return command


class LazyVerbs(TyperGroup):
    """A group whose commands are imported on first use; listing them imports nothing."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(_BY_NAME)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        verb = _BY_NAME.get(cmd_name)
        if verb is None:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = load_verb(verb)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        if args and args[0] not in _BY_NAME and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _BY_NAME, n=1)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        for title, verbs in VERBS:
            with formatter.section(title):
                formatter.write_dl([(verb.name, verb.summary) for verb in verbs])


def _show_version(wanted: bool) -> None:
    if wanted:
        from reconciler import __version__

        typer.echo(f"fleet {__version__}")
        raise typer.Exit


app = typer.Typer(cls=LazyVerbs, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def fleet(
    context: typer.Context,
    remote: str = typer.Option(
        "", "--remote", help="Look at the fleet of a server instead, with the token in FLEET_TOKEN.", metavar="URL"
    ),
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_show_version, is_eager=True),
) -> None:
    """Declare services, agents and their work in fleet.yaml; Fleet makes it so and remembers why.

    \b
    Start here:
      fleet init            write a fleet.yaml
      fleet plan            see what would happen
      fleet apply           make it happen
      fleet why service/web ask why
    """
    verb = context.invoked_subcommand
    if remote and verb is not None and verb not in REMOTE_VERBS:
        listed = ", ".join(sorted(REMOTE_VERBS))
        raise typer.BadParameter(
            f"fleet {verb} works only on the machine itself; elsewhere there are {listed}", param_hint="--remote"
        )
    from reconciler.cli.options import REMOTE

    REMOTE.set(remote)


def report_error(error: FleetError, *, as_json: bool) -> None:
    """Print an expected error to standard error: sentences for a person, one JSON object for a program."""
    from reconciler.errors import SpecInvalid

    if as_json:
        import json

        body: dict[str, Any] = {"code": error.code, "message": error.what, "exit_code": error.exit_code}
        if error.where:
            body["where"] = error.where
        if error.hint:
            body["hint"] = error.hint
        if isinstance(error, SpecInvalid):
            body["problems"] = [
                {
                    "file": problem.file,
                    "line": problem.line,
                    "column": problem.column,
                    "path": problem.path,
                    "message": problem.message,
                    "hint": problem.hint,
                }
                for problem in error.problems
            ]
        print(json.dumps({"error": body}), file=sys.stderr)
        return
    print(str(error) if isinstance(error, SpecInvalid) else f"fleet: {error}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Expected errors are printed, never shown as a traceback."""
    from typer._click.exceptions import ClickException, NoArgsIsHelpError

    command = typer.main.get_command(app)
    if _COMPLETION in os.environ:
        command.main(args=list(arguments), prog_name="fleet")
    try:
        # Not command.main(): that one keeps Ctrl-C and a closed pipe to itself.
        with command.make_context("fleet", list(arguments)) as context:
            result = command.invoke(context)
        sys.stdout.flush()
    except NoArgsIsHelpError as shown:
        shown.show()
        return 0
    except typer.Exit as ended:
        return ended.exit_code
    except ClickException as usage:
        usage.show()
        return USAGE_EXIT_CODE
    except (KeyboardInterrupt, typer.Abort):
        print("fleet: interrupted", file=sys.stderr)
        return Interrupted.exit_code
    except FleetError as error:
        report_error(error, as_json="--json" in arguments)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (`fleet events | head`): nothing is wrong, and nothing may be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def report_defect(defect: Exception) -> None:
    """Tell a person of an error that nobody expected, with what helps to mend it; `FLEET_DEBUG` shows the traceback."""
    import traceback

    if os.environ.get("FLEET_DEBUG"):
        traceback.print_exception(defect)
        return
    last = traceback.extract_tb(defect.__traceback__)[-1]
    place = f"{os.path.basename(last.filename)}:{last.lineno}"
    print(f"fleet: a defect of Fleet itself: {type(defect).__name__}: {defect} ({place})", file=sys.stderr)
    print("  FLEET_DEBUG=1 shows where it arose; fleet bundle collects what a bug report needs", file=sys.stderr)


def main() -> None:
    """Entry point of the installed command. What was under way when a defect shows is settled by the next run."""
    try:
        code = run(sys.argv[1:])
    except Exception as defect:
        limit = out_of_resources(defect)
        if limit is not None:
            report_error(limit, as_json="--json" in sys.argv)
        else:
            report_defect(defect)
        code = FleetError.exit_code
    sys.exit(code)


if __name__ == "__main__":  # pragma: no cover - how a specialist's process is started
    main()

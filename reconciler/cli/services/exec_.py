"""`fleet services exec`: run a command inside a service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import Project, about_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.ops.service_view import ServiceReplica
    from reconciler.runtime.podman import Podman

# What follows the service's name belongs to the command, options included.
SETTINGS = {"allow_interspersed_args": False}


@about_project
def exec_(
    project: Project,
    name: Annotated[str, typer.Argument(help="The service, or one replica of it: web, web/2.", metavar="NAME")],
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.", metavar="COMMAND...")],
    interactive: Annotated[
        bool | None,
        typer.Option(
            "--interactive/--no-interactive",
            "-i/-I",
            help="Pass the input on. Without either: when this is a terminal.",
            show_default=False,
        ),
    ] = None,
    terminal: Annotated[
        bool | None,
        typer.Option(
            "--tty/--no-tty",
            "-t/-T",
            help="Give it a terminal. Without either: when this is one.",
            show_default=False,
        ),
    ] = None,
    user: Annotated[str, typer.Option("--user", "-u", help="Run as this user.", metavar="USER")] = "",
    folder: Annotated[str, typer.Option("--workdir", "-w", help="Run in this folder.", metavar="DIR")] = "",
) -> None:
    """Run a command inside a running service; its exit code becomes this command's.

    Options stand before the service's name; everything after it is the command.

    \b
    Examples:
      fleet services exec postgres psql -U postgres
      fleet services exec -T web ls -la /srv
      fleet services exec -i db psql < dump.sql
    """
    from reconciler.cli.services.asked import asked_for
    from reconciler.control.session import open_session
    from reconciler.runtime.podman import Podman

    # People end the options with `--` by habit; it is no part of the command.
    words = tuple(command[1:] if command[0] == "--" else command)
    with open_session(project) as session:
        replica = _running(asked_for(session, (name,)))
        runtime = session.runtime
        assert isinstance(runtime, Podman)
        at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        options = [
            *(["-i"] if (at_terminal if interactive is None else interactive) else []),
            *(["-t"] if (at_terminal if terminal is None else terminal) else []),
        ]
        if options:
            code = _through_program(runtime.socket, replica, options, words, user=user, folder=folder)
        else:
            code = _streamed(runtime, replica, words, user=user, folder=folder)
    raise typer.Exit(code)


def _running(replicas: Sequence[ServiceReplica]) -> ServiceReplica:
    """The first of a service's replicas that runs; when none does, what is wrong with the first is raised."""
    from reconciler.ops.service_view import no_container, not_running

    first = replicas[0]
    running = next((replica for replica in replicas if replica.running), None)
    if running is None:
        raise no_container(first) if first.container is None else not_running(first)
    return running


def _streamed(runtime: Podman, replica: ServiceReplica, command: tuple[str, ...], *, user: str, folder: str) -> int:
    """Show the output as it comes; the exit code."""
    assert replica.container is not None
    session, output = runtime.exec_stream(replica.container.container_id, command, user=user, folder=folder)
    targets = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    for source, content in output:
        targets[source].write(content)
        targets[source].flush()
    return runtime.exec_code(session)


def _through_program(
    socket: str, replica: ServiceReplica, options: list[str], command: tuple[str, ...], *, user: str, folder: str
) -> int:
    """Hand input and terminal over to `podman exec` until it ends; the exit code."""
    import signal
    import subprocess

    from reconciler.cli.services.asked import podman_program

    assert replica.container is not None
    options += [*(["--user", user] if user else []), *(["--workdir", folder] if folder else [])]
    where = ["--url", f"unix://{socket}", "exec", *options, replica.container.container_id]
    arguments = [podman_program(), *where, *command]
    # Ctrl-C is for the program inside, and it alone decides what follows. A handler of ours, unlike ignoring the signal,
    # is not inherited by the program that is started.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        return subprocess.run(arguments).returncode
    finally:
        signal.signal(signal.SIGINT, before)

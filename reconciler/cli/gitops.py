"""`fleet gitops`: keep the fleet what a branch of a repository says."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.apply import duration
from reconciler.cli.options import DatabaseOption, EnvOption, JsonOption, ProfileOption, Project, VariableOption
from reconciler.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.control.gitops.following import Following
    from reconciler.control.gitops.listener import Listener
    from reconciler.control.gitops.verification import Policy

_OURS = ("FLEET_GITOPS_REPO", "FLEET_GITOPS_SECRET")
_FILE = "fleet.yaml"
_SHORTEST_INTERVAL_MS = 1_000


def gitops(
    repo: Annotated[
        str,
        typer.Option(
            "--repo",
            help="The repository; one with a password rather in the environment.",
            envvar=_OURS[0],
            metavar="URL",
        ),
    ],
    branch: Annotated[str, typer.Option("--branch", help="The branch to follow.", metavar="NAME")] = "main",
    path: Annotated[
        str, typer.Option("--path", help="The fleet file, or its folder, in the repository.", metavar="PATH")
    ] = "",
    interval: Annotated[str, typer.Option("--interval", help="Time between two fetches.", metavar="TIME")] = "30s",
    signed: Annotated[bool, typer.Option("--signed", help="Take up only commits with a good signature.")] = False,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers", help="The SSH keys whose signatures count; implies --signed.", metavar="FILE"
        ),
    ] = None,
    accept_rewrite: Annotated[
        str,
        typer.Option(
            "--accept-rewrite", help="Take up this commit although the branch was rewritten.", metavar="COMMIT"
        ),
    ] = "",
    listen: Annotated[
        str, typer.Option("--listen", help="Answer GET /status and POST /hook on this machine.", metavar="PORT")
    ] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file",
            help="What a webhook must know (or FLEET_GITOPS_SECRET); without it none is taken.",
            metavar="FILE",
        ),
    ] = None,
    status_file: Annotated[
        Path | None, typer.Option("--status-file", help="Write the status there, too.", metavar="FILE")
    ] = None,
    status_command: Annotated[
        list[str],
        typer.Option(
            "--status-command",
            help="A program that marks the commit, then its arguments, each with the option again.",
            metavar="ARG",
        ),
    ] = [],
    env: EnvOption = "",
    var: VariableOption = [],
    profile: ProfileOption = [],
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> int:
    """Keep the fleet what a branch says: fetch, verify, plan, apply, and heal in between like fleet watch.

    A commit whose file is wrong or missing, that does not follow the one before, or that lacks a signature where one is
    asked for, is recorded as a rejected revision, and the last good one stays in force. So does a revision that was rolled
    back to, until the file changes. Every event bears the commit, its author and the branch. SIGTERM ends it in good order.

    \b
    Examples:
      fleet gitops --repo https://git.example.com/team/fleet.git --branch main
      fleet gitops --repo git@git.example.com:team/fleet.git --path hosts/eu1 --allowed-signers /etc/fleet/signers
      fleet gitops --repo /srv/git/fleet.git --listen 8787 --secret-file /etc/fleet/hook --status-file /run/fleet.json
    """
    from reconciler.cli.watch import run_loop
    from reconciler.cli.watch_lines import Lines
    from reconciler.control.gitops.following import Following, FollowOptions
    from reconciler.control.gitops.repository import Address, Repository, home_of
    from reconciler.control.gitops.status import Board, Status
    from reconciler.control.reading import now_ms
    from reconciler.paths import data_dir

    every = duration(interval, "--interval")
    if every < _SHORTEST_INTERVAL_MS:
        raise typer.BadParameter("at least 1s", param_hint="--interval")
    address = Address.parse(repo)
    place = _place(path)
    # What the fleet's file can read of the environment does not open the repository.
    environ = {name: value for name, value in os.environ.items() if name not in _OURS}
    home = home_of(address, branch, str(place), data_dir())
    repository = Repository(address, branch, home, environ)
    file = repository.checkout / place
    project = Project(
        file=file,
        directory=file.parent,
        env=env,
        variables=_variables(var),
        profiles=tuple(profile),
        database=database,
    )
    lines = Lines(sys.stdout, as_json=as_json)
    board = Board(
        Status(repository=address.url, branch=branch, path=str(place)),
        clock=now_ms,
        file=status_file.absolute() if status_file is not None else None,
        command=status_command,
        environ=environ,
        tell=lambda text: lines.tell("warning", text),
    )
    options = FollowOptions(every / 1000, _policy(signed, allowed_signers, accept_rewrite))
    following = Following(repository, project, lines, board, options, environ=environ)
    listener = _listener(listen, _secret(secret_file), board.document, following)
    lines.tell("info", "following", repository=address.url, branch=branch, checkout=str(file.parent))
    if listener is not None:
        lines.tell("info", "listening", port=listener.port)
        listener.start()
    try:
        code = run_loop(following, environ, f"{branch} of {address.url}")
    finally:
        if listener is not None:
            listener.stop()
    lines.tell("info", "stopped")
    return code


def _place(path: str) -> PurePosixPath:
    """The fleet file in the repository."""
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts or ".git" in place.parts:
        raise typer.BadParameter(f"{path!r} is not a path inside the repository", param_hint="--path")
    return place if place.suffix in (".yaml", ".yml") else place / _FILE


def _policy(signed: bool, allowed_signers: Path | None, rewritten: str) -> Policy:
    from reconciler.control.gitops.verification import Policy

    if allowed_signers is not None and not allowed_signers.is_file():
        raise FleetError(f"there is no file {allowed_signers} of allowed signers")
    signers = allowed_signers.absolute() if allowed_signers is not None else None
    return Policy(signed or signers is not None, signers, rewritten)


def _secret(file: Path | None) -> str:
    """What a webhook must know."""
    if file is None:
        return os.environ.get("FLEET_GITOPS_SECRET", "")
    try:
        secret = file.read_text().strip()
    except OSError as error:
        raise FleetError(f"the secret in {file} cannot be read: {error.strerror}") from None
    if not secret:
        raise FleetError(f"{file} is empty, and a webhook's secret may not be")
    return secret


def _listener(
    listen: str, secret: str, status: Callable[[], Mapping[str, Any]], following: Following
) -> Listener | None:
    from reconciler.control.gitops.listener import Listener, parse_place

    if not listen:
        return None
    return Listener(parse_place(listen), secret=secret, status=status, hurry=following.hurry)


def _variables(pairs: list[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--var")
        found[name] = value
    return found

"""`fleet install-service`: a systemd unit that keeps `fleet watch`, or `fleet gitops`, running."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json
from reconciler.errors import Conflict, FleetError
from reconciler.paths import project_hash

_MARK = "# Written by fleet install-service."
# Where things are, for a process that does not have this shell's environment.
_CARRIED = ("FLEET_DATA_DIR", "FLEET_DATABASE_URL", "FLEET_PODMAN_SOCKET", "CONTAINER_HOST")
_SHORT = 6


@dataclass(frozen=True, slots=True)
class Branch:
    """What a unit follows in place of a project's own file.

    Attributes:
        url: without a password.
        path: the fleet file, or its folder, in the repository.
        options: further options of `fleet gitops` with their values, those that are set.
    """

    url: str
    name: str = "main"
    path: str = ""
    options: tuple[tuple[str, str], ...] = ()


@about_project
def install_service(
    project: Project,
    system: Annotated[
        bool, typer.Option("--system/--user", help="A unit of the machine instead of one of this user.")
    ] = False,
    show: Annotated[bool, typer.Option("--print", help="Print the unit and write nothing.")] = False,
    gitops: Annotated[
        str, typer.Option("--gitops", help="Run fleet gitops for this repository instead.", metavar="URL")
    ] = "",
    branch: Annotated[str, typer.Option("--branch", help="The branch to follow.", metavar="NAME")] = "main",
    path: Annotated[
        str, typer.Option("--path", help="The fleet file, or its folder, in the repository.", metavar="PATH")
    ] = "",
    interval: Annotated[str, typer.Option("--interval", help="Time between two fetches.", metavar="TIME")] = "",
    allowed_signers: Annotated[
        Path | None,
        typer.Option("--allowed-signers", help="The SSH keys whose signatures count.", metavar="FILE"),
    ] = None,
    listen: Annotated[
        str, typer.Option("--listen", help="Answer GET /status and POST /hook on this machine.", metavar="PORT")
    ] = "",
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="What a webhook must know.", metavar="FILE")
    ] = None,
    status_file: Annotated[
        Path | None, typer.Option("--status-file", help="Write the status there, too.", metavar="FILE")
    ] = None,
    environment_file: Annotated[
        Path | None,
        typer.Option(
            "--environment-file",
            help="A file that systemd reads variables from: secrets, or FLEET_GITOPS_REPO with a password.",
            metavar="FILE",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a systemd unit that runs `fleet watch` for this project, or `fleet gitops`, and say how to turn it on.

    The unit tells systemd when the fleet is up (notify), is restarted when it hangs (watchdog), and leaves the containers
    running when it is stopped. After a reboot the fleet comes back in the order of its dependencies.

    \b
    Examples:
      fleet install-service
      fleet install-service --print
      sudo fleet install-service --system
      sudo fleet install-service --system --gitops https://git.example.com/team/fleet.git --path hosts/eu1
    """
    given = {
        "--interval": interval,
        "--allowed-signers": allowed_signers,
        "--listen": listen,
        "--secret-file": secret_file,
        "--status-file": status_file,
    }
    if gitops and project.var_files:
        raise typer.BadParameter("a branch is followed with --var only", param_hint="--var-file")
    followed = _branch(gitops, branch, path, given)
    environment = str(environment_file.absolute()) if environment_file is not None else ""
    name = unit_name(project, followed)
    text = unit(project, system=system, branch=followed, environment_file=environment)
    if show and not as_json:
        typer.echo(text, nl=False)
        return
    place = unit_folder(system=system) / name
    if not show:
        _write(place, text)
    steps = next_steps(name, system=system)
    if as_json:
        print_json({"name": name, "path": str(place), "written": not show, "unit": text, "next": steps})
        return
    typer.echo(f"Wrote {place}. Turn it on with:")
    for step in steps:
        typer.echo(f"  {step}")


def _branch(url: str, name: str, path: str, given: Mapping[str, str | Path | None]) -> Branch | None:
    """What is to be followed; None for the project's own file.

    Raises:
        FleetError: the address has a password, which a unit would show to everybody, or there is no address.
    """
    options = {key: str(one.absolute()) if isinstance(one, Path) else one for key, one in given.items() if one}
    if not url:
        if options or path or name != "main":
            raise typer.BadParameter(
                f"{next(iter(options), '--path or --branch')} is for --gitops", param_hint="--gitops"
            )
        return None
    from reconciler.control.gitops.repository import Address

    address = Address.parse(url)
    if address.secrets:
        raise FleetError(
            "the address has a password, and everybody may read a unit",
            hint=f"write FLEET_GITOPS_REPO=… to a file of yours alone; then --gitops {address.url} --environment-file FILE",
        )
    return Branch(address.url, name, path, tuple(sorted(options.items())))


def unit_name(project: Project, branch: Branch | None = None) -> str:
    """The unit's name: the folder's or the repository's, and enough of a hash that no two share one."""
    if branch is None:
        called, number = project.directory.name, project_hash(project.directory)
    else:
        followed = f"{branch.url} {branch.name} {branch.path}"
        called, number = Path(branch.url).stem, hashlib.sha256(followed.encode()).hexdigest()
    words = re.sub(r"[^A-Za-z0-9]+", "-", called).strip("-").lower() or "fleet"
    return f"fleet-{words}-{number[:_SHORT]}.service"


def unit_folder(*, system: bool) -> Path:
    """Where systemd looks for units that an administrator, or a user, has added."""
    if system:
        return Path("/etc/systemd/system")
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def unit(project: Project, *, system: bool, branch: Branch | None = None, environment_file: str = "") -> str:
    """The unit's text."""
    words = _command(project) if branch is None else _gitops_command(project, branch)
    # Of these two settings only a command has variables.
    command = " ".join(_quoted(word.replace("$", "$$")) for word in words)
    about = f"watches {project.directory}" if branch is None else f"follows {branch.name} of {branch.url}"
    folder = f"WorkingDirectory={_escaped(str(project.directory))}\n" if branch is None else ""
    environment = "".join(
        f"Environment={_quoted(f'{name}={os.environ[name]}')}\n" for name in _CARRIED if os.environ.get(name)
    )
    if branch is not None:
        # In the environment, so that one with a password in the file below goes over it.
        environment += f"Environment={_quoted(f'FLEET_GITOPS_REPO={branch.url}')}\n"
    if environment_file:
        environment += f"EnvironmentFile={_escaped(environment_file)}\n"
    target = "multi-user.target" if system else "default.target"
    after = "podman.socket network-online.target" if system else "podman.socket"
    return f"""{_MARK}
[Unit]
Description=Fleet {_escaped(about)}
Wants={after}
After={after}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
{folder}ExecStart={command}
{environment}Restart=on-failure
RestartSec=5
WatchdogSec=120
# It is up once the fleet is, and images may have to be pulled first.
TimeoutStartSec=infinity
TimeoutStopSec=120
# Only the watcher ends with the unit: containers and Podman go on.
KillMode=process
SuccessExitStatus=130

[Install]
WantedBy={target}
"""


def next_steps(name: str, *, system: bool) -> list[str]:
    """The commands that turn the unit on."""
    scope = "" if system else " --user"
    steps = [f"systemctl{scope} daemon-reload", f"systemctl{scope} enable --now {name}"]
    return steps if system else [*steps, "loginctl enable-linger   # so that it runs while nobody is logged in"]


def _command(project: Project) -> list[str]:
    words = [_program(), "watch", "--project", str(project.directory), "--file", str(project.file)]
    return [*words, *_reading(project)]


def _gitops_command(project: Project, branch: Branch) -> list[str]:
    words = [_program(), "gitops", "--branch", branch.name]
    if branch.path:
        words += ["--path", branch.path]
    for name, value in branch.options:
        words += [name, value]
    return [*words, *_reading(project)]


def _program() -> str:
    beside = Path(sys.executable).with_name("fleet")
    return str(beside if beside.exists() else Path(sys.argv[0]).absolute())


def _reading(project: Project) -> list[str]:
    """The options by which the file is read, and where the log is."""
    words = ["--env", project.env] if project.env else []
    for name, value in sorted(project.variables.items()):
        words += ["--var", f"{name}={value}"]
    for path in project.var_files:
        words += ["--var-file", str(path.absolute())]
    for profile in project.profiles:
        words += ["--profile", profile]
    if project.database:
        words += ["--database", str(Path(project.database).absolute())]
    return words


def _quoted(word: str) -> str:
    """A word as systemd reads it."""
    escaped = _escaped(word.replace("\\", "\\\\").replace('"', '\\"'))
    return escaped if re.fullmatch(r"[A-Za-z0-9_./=:@,+%-]+", escaped) else f'"{escaped}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _write(path: Path, text: str) -> None:
    """Write the unit where there is none, or one of ours.

    Raises:
        Conflict: there is one that Fleet did not write.
        FleetError: it cannot be written.
    """
    try:
        if path.exists() and not path.read_text().startswith(_MARK):
            raise Conflict(f"{path} is there and Fleet did not write it", hint="fleet install-service --print")
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.write_text(text)
        beside.replace(path)
    except OSError as error:
        hint = "sudo fleet install-service --system" if isinstance(error, PermissionError) else ""
        raise FleetError(f"cannot write {path}: {error.strerror}", hint=hint) from error

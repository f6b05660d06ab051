"""`fleet install-service`: a systemd unit that keeps `fleet watch` running."""

from __future__ import annotations

import os
import re
import sys
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


@about_project
def install_service(
    project: Project,
    system: Annotated[
        bool, typer.Option("--system/--user", help="A unit of the machine instead of one of this user.")
    ] = False,
    show: Annotated[bool, typer.Option("--print", help="Print the unit and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a systemd unit that runs `fleet watch` for this project, and say how to turn it on.

    The unit tells systemd when the fleet is up (notify), is restarted when it hangs (watchdog), and leaves the containers
    running when it is stopped. After a reboot the fleet comes back in the order of its dependencies.

    \b
    Examples:
      fleet install-service
      fleet install-service --print
      sudo fleet install-service --system
    """
    name, text = unit_name(project), unit(project, system=system)
    if show and not as_json:
        typer.echo(text, nl=False)
        return
    path = unit_folder(system=system) / name
    if not show:
        _write(path, text)
    steps = next_steps(name, system=system)
    if as_json:
        print_json({"name": name, "path": str(path), "written": not show, "unit": text, "next": steps})
        return
    typer.echo(f"Wrote {path}. Turn it on with:")
    for step in steps:
        typer.echo(f"  {step}")


def unit_name(project: Project) -> str:
    """The unit's name: the folder's, and enough of the project's hash that no two projects share one."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", project.directory.name).strip("-").lower() or "fleet"
    return f"fleet-{words}-{project_hash(project.directory)[:_SHORT]}.service"


def unit_folder(*, system: bool) -> Path:
    """Where systemd looks for units that an administrator, or a user, has added."""
    if system:
        return Path("/etc/systemd/system")
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def unit(project: Project, *, system: bool) -> str:
    """The unit's text."""
    # Of these two settings only a command has variables.
    command = " ".join(_quoted(word.replace("$", "$$")) for word in _command(project))
    environment = "".join(
        f"Environment={_quoted(f'{name}={os.environ[name]}')}\n" for name in _CARRIED if os.environ.get(name)
    )
    target = "multi-user.target" if system else "default.target"
    after = "podman.socket network-online.target" if system else "podman.socket"
    return f"""{_MARK}
[Unit]
Description=Fleet watches {_escaped(str(project.directory))}
Wants={after}
After={after}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
WorkingDirectory={_escaped(str(project.directory))}
ExecStart={command}
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
    beside = Path(sys.executable).with_name("fleet")
    program = beside if beside.exists() else Path(sys.argv[0]).absolute()
    words = [str(program), "watch", "--project", str(project.directory), "--file", str(project.file)]
    if project.env:
        words += ["--env", project.env]
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

"""A Podman service of our own, for machines that have the program but no socket.

It listens in Fleet's data folder, ends by itself when nobody has used it for a while, and is shared by every fleet of
this user. On machines where the engine's defaults cannot work it gets a private configuration; the machine's own is
never touched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from reconciler.errors import RuntimeUnreachable
from reconciler.paths import data_dir
from reconciler.runtime.podman.client import Client

IDLE_SECONDS = 300
_PATIENCE = 30.0
_POLL = 0.02
# The kernel keeps 108 bytes for a socket's address.
_LONGEST_ADDRESS = 100
_CAP_SYS_RESOURCE = 1 << 24


class _OciRuntime(msgspec.Struct):
    name: str = ""


class _Host(msgspec.Struct, rename="camel"):
    oci_runtime: _OciRuntime = msgspec.field(default_factory=_OciRuntime)


class _Info(msgspec.Struct):
    host: _Host


def own_socket() -> str:
    """Where our own service listens, running or not."""
    path = str(data_dir() / "podman" / "podman.sock")
    if len(path) <= _LONGEST_ADDRESS:
        return path
    import tempfile

    short = hashlib.sha256(path.encode()).hexdigest()[:12]
    return f"{tempfile.gettempdir()}/fleet-{os.getuid()}/{short}.sock"


def ensure_service(program: str, environ: Mapping[str, str]) -> str:
    """Our own service, started if it does not answer; its socket. One process starts it, others wait.

    Raises:
        RuntimeUnreachable: it does not come up; with what it said.
    """
    socket = own_socket()
    with _only_one(Path(socket).parent):
        if not answers(socket):
            start_service(program, socket, environ, folder=data_dir() / "podman")
    return socket


def start_service(
    program: str, socket: str, environ: Mapping[str, str], *, folder: Path, idle_seconds: int = IDLE_SECONDS
) -> int:
    """Start a Podman service and wait until it answers; its process id.

    Args:
        program: path of `podman`.
        socket: where it is to listen.
        environ: for the service.
        folder: for its log and its private configuration.
        idle_seconds: after which it ends by itself, 0 for never.

    Raises:
        RuntimeUnreachable: it ended or did not answer in time; with what it said.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {**environ, **private_configuration(program, environ, folder)}
    log = folder / "service.log"
    arguments = [program, "system", "service", f"--time={idle_seconds}", f"unix://{socket}"]
    Path(socket).unlink(missing_ok=True)
    with _inside(folder):
        process = os.posix_spawn(
            program,
            arguments,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            # A group of its own: Ctrl-C at the terminal is meant for the command, not for the engine.
            setpgroup=0,
        )
    _wait_for(process, socket, log)
    return process


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in another folder for a moment.

    The monitors of the service's containers inherit where it was started and leave a file `oom` there when a container
    runs out of memory: that must not be the project's folder.
    """
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _wait_for(process: int, socket: str, log: Path) -> None:
    """Wait until it answers; one that does not in time is ended."""
    deadline = time.monotonic() + _PATIENCE
    while not answers(socket):
        ended = os.waitpid(process, os.WNOHANG)[0] != 0
        if not ended and time.monotonic() < deadline:
            time.sleep(_POLL)
            continue
        if not ended:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        said = log.read_text(errors="replace").strip().splitlines()
        raise RuntimeUnreachable(
            f"podman system service does not come up: {said[-1] if said else 'it says nothing'}",
            where=str(log),
            hint="fleet doctor says what is wrong and how to mend it",
        )


def answers(socket: str) -> bool:
    """Whether an engine answers at this socket."""
    client = Client(socket)
    try:
        return bool(client.ping())
    except RuntimeUnreachable:
        return False
    finally:
        client.close()


def private_configuration(program: str, environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Variables that make the engine work on an odd machine; empty where its defaults do, or where the user chose.

    crun refuses a mixed hierarchy of cgroups, and nobody may raise a limit without CAP_SYS_RESOURCE, which the
    engine's default limits would.
    """
    if environ.get("CONTAINERS_CONF") or (unified_cgroups() and may_raise_limits()):
        return {}
    lines = []
    if not may_raise_limits():
        lines += ["[containers]", 'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]']
    if (
        not unified_cgroups()
        and shutil.which("runc", path=environ.get("PATH"))
        and _runtime(program, environ) == "crun"
    ):
        lines += ["[engine]", 'runtime = "runc"']
    if not lines:
        return {}
    path = folder / "containers.conf"
    path.write_text("\n".join(lines) + "\n")
    return {"CONTAINERS_CONF": str(path)}


def unified_cgroups() -> bool:
    """Whether this machine has the second version of cgroups and nothing else."""
    return os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def may_raise_limits() -> bool:
    """Whether this process may raise resource limits. Without root nobody expects to, and the engine does not try."""
    if os.geteuid() != 0:
        return True
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return True
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) & _CAP_SYS_RESOURCE)


def machine_socket(program: str, environ: Mapping[str, str]) -> str:
    """The socket of the running Podman machine, on systems where containers need one.

    Raises:
        RuntimeUnreachable: there is none, or it does not run.
    """
    wanted = ["machine", "inspect", "--format", "{{.ConnectionInfo.PodmanSocket.Path}}"]
    done = subprocess.run([program, *wanted], capture_output=True, text=True, env=dict(environ), timeout=_PATIENCE)
    path = done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""
    if done.returncode or not path or not os.path.exists(path):
        raise RuntimeUnreachable(
            "the Podman machine does not run", hint="podman machine init (once), then podman machine start"
        )
    return path


def _runtime(program: str, environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        [program, "info", "--format", "json"], capture_output=True, env=dict(environ), timeout=_PATIENCE
    )
    try:
        return msgspec.json.decode(done.stdout, type=_Info).host.oci_runtime.name
    except msgspec.MsgspecError:
        return ""


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    import fcntl

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeUnreachable(f"the folder of Fleet's Podman service belongs to somebody else: {folder}")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

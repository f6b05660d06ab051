"""Real Podman for tests: a socket, a small image, and the removal of everything that a test has left behind."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import FleetError, NotFound
from reconciler.runtime.model import LABEL_PROJECT
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.client import segment
from reconciler.runtime.podman.discovery import SYSTEM_SOCKET
from reconciler.runtime.podman.service import answers, start_service
from reconciler.runtime.process.local import LocalProcesses

BUSYBOX = "localhost/fleet-busybox:1"
_STATIC = "/bin/busybox"
# `busybox --list` names the program itself, and a link of that name over the file would point to nothing.
_NOT_LINKED = frozenset({"busybox"})


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """A lock between the processes of one test run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def working_socket(shared: Path) -> str:
    """The socket that the environment names, the machine's, or that of a service started for this test run.

    Args:
        shared: a folder that all processes of the run know.

    Raises:
        FleetError: there is none and none can be started.
    """
    for candidate in (os.environ.get("FLEET_PODMAN_SOCKET", "").removeprefix("unix://"), SYSTEM_SOCKET):
        if candidate and answers(candidate):
            return candidate
    program = shutil.which("podman")
    if program is None:
        raise FleetError("these tests run real containers, and Podman is not installed", hint="make test installs it")
    socket = shared / "podman.sock"
    with one_at_a_time(shared / "podman.lock"):
        if not answers(str(socket)):
            # It ends by itself when the last process of the run has been silent for a while.
            start_service(program, str(socket), os.environ, folder=shared, idle_seconds=60)
    return str(socket)


def ensure_busybox(podman: Podman, shared: Path) -> str:
    """The reference of a 2 MB image with a shell, made from Debian's busybox-static where it is missing."""
    with one_at_a_time(shared / "busybox.lock"):
        if podman.image_id(BUSYBOX) is None:
            podman._client.act(
                "POST",
                "/images/import",
                "import the busybox image",
                query={"reference": BUSYBOX, "changes": "ENV PATH=/bin"},
                body=_busybox_tree(),
            )
    return BUSYBOX


def sweep(podman: Podman, project: str) -> None:
    """Remove every process, container, network, volume and secret that carries this project's label."""
    local = LocalProcesses()
    for process in local.observe(project).processes:
        local.stop(process.pid, process.process_id, 0)
    for container in podman.observe(project).containers:
        force_remove(podman, container.container_id)
    for network in podman.networks(project):
        podman._client.act("DELETE", f"/networks/{segment(network)}", "clean up", query={"force": True})
    for volume in podman.volumes(project):
        _gone(podman, f"/volumes/{segment(volume)}")
    for secret in podman.secrets(project):
        podman.remove_secret(secret)


def force_remove(podman: Podman, container: str) -> None:
    """Remove one container, running or not, with its anonymous volumes; one that is gone is no error."""
    _gone(podman, f"/containers/{segment(container)}", timeout=0, v=True)


def ownership(project: str, **more: str) -> dict[str, str]:
    """The ownership label of a project, and others whose names lack the `fleet.` in front."""
    return {LABEL_PROJECT: project, **{f"fleet.{name}": value for name, value in more.items()}}


def _gone(podman: Podman, path: str, **query: object) -> None:
    try:
        podman._client.act("DELETE", path, "clean up", query={"force": True, **query})
    except NotFound:
        return


def _busybox_tree() -> bytes:
    import subprocess

    applets = subprocess.run([_STATIC, "--list"], check=True, capture_output=True, text=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in ("bin", "etc", "tmp", "root", "proc", "sys", "dev", "run", "var", "home"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        archive.add(_STATIC, "bin/busybox")
        for applet in applets:
            if applet not in _NOT_LINKED:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
        for name, content in (("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", b"root:x:0:\n")):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

"""How long an apply takes beside the bare calls of the engine's socket, podman-compose and Ansible, measured in one run.

    python tests/bench/apply.py [--services 10 100] [--without-compose] [--without-ansible]

Everything runs the same busybox services on a bridge network. Wall-clock seconds; the first apply is measured once, what
does nothing is the best of several.

Ansible is none of this project's packages: it is measured where `ansible-playbook` is on the PATH (or where
FLEET_BENCH_ANSIBLE says) and finds the collection containers.podman (`ansible-galaxy collection install containers.podman`,
or a checkout of it below a folder that ANSIBLE_COLLECTIONS_PATH names). Where it is not, the output says so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reconciler.apply.model import ApplyOptions
from reconciler.cli.options import Project
from reconciler.control.cycle import converge
from reconciler.control.session import open_session
from reconciler.paths import project_hash
from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.service import private_configuration
from reconciler.spec.desired import NetworkSpec, ServiceSpec
from tests.support.podman import ensure_busybox, force_remove, sweep, working_socket

THREADS = 4
COMMAND = ("sleep", "3600")
FLEET = str(Path(sys.executable).with_name("fleet"))
COMPOSE = str(Path(sys.executable).with_name("podman-compose"))


def seconds(work: Callable[[], object], rounds: int = 1) -> float:
    """Of the fastest round."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def process(arguments: Sequence[str], folder: Path, environ: dict[str, str]) -> None:
    """A whole process, which must succeed."""
    done = subprocess.run(arguments, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def memory_of_children() -> int:
    """The most that any child process has used so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def bare(podman: Podman, image: str, count: int) -> float:
    """Create and start through the socket, with as many threads as an apply uses."""
    project = uuid.uuid4().hex[:12]
    labels = {LABEL_PROJECT: project}
    network = f"bench-{project}"
    podman.create_network(NetworkSpec(network, network), labels)

    def one(number: int) -> None:
        service = ServiceSpec(name=f"s{number}", image=image, command=COMMAND, stop_signal="SIGKILL")
        order = ContainerOrder(service, f"bare-{project}-{number}", image, labels, {network: (f"s{number}",)})
        podman.start(podman.create(order))

    with ThreadPoolExecutor(THREADS) as threads:
        took = seconds(lambda: list(threads.map(one, range(count))))
    sweep(podman, project)
    return took


class Yard:
    """A folder with the same services for Fleet and for podman-compose."""

    def __init__(self, folder: Path, image: str, count: int, socket: str) -> None:
        self.folder = folder
        self.count = count
        self.name = f"bench{uuid.uuid4().hex[:8]}"
        self.project = Project(file=folder / "fleet.yaml", directory=folder)
        self.environ = {**os.environ, "FLEET_DATA_DIR": str(folder / "data"), "FLEET_PODMAN_SOCKET": socket}
        self.environ |= private_configuration("podman", self.environ, folder)
        blocks = "\n".join(
            f"  s{number}: {{image: '{image}', command: [sleep, '3600'], stop_signal: SIGKILL}}"
            for number in range(count)
        )
        (folder / "fleet.yaml").write_text(f"version: 1\nname: {self.name}\nservices:\n{blocks}\n")
        (folder / "compose.yaml").write_text(f"name: {self.name}c\nservices:\n{blocks}\n")

    def fleet(self, *words: str) -> None:
        process([FLEET, *words], self.folder, self.environ)

    def compose(self, *words: str) -> None:
        process([COMPOSE, *words], self.folder, self.environ)

    def in_process(self) -> None:
        """One cycle of a process that runs already."""
        with self.session() as session:
            converge(session, how=ApplyOptions(parallel=THREADS))

    def session(self):  # type: ignore[no-untyped-def]
        return open_session(self.project, environ=self.environ)


@contextlib.contextmanager
def yard(image: str, count: int, socket: str) -> Iterator[Yard]:
    """A yard whose containers are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    os.environ["FLEET_DATA_DIR"] = str(folder / "data")
    try:
        yield Yard(folder, image, count, socket)
    finally:
        with Podman(socket) as podman:
            sweep(podman, project_hash(folder))
        shutil.rmtree(folder)


def measure(podman: Podman, image: str, socket: str, count: int, *, compose: bool, ansible: bool) -> None:
    """Everything for one size."""
    print(f"\n{count} services")
    with yard(image, count, socket) as place:
        calls = bare(podman, image, count)
        first = seconds(place.in_process)
        show("bare create and start, 4 threads", calls)
        show("first apply, in process", first, ("bare calls", calls))
        force = [one.container_id for one in podman.observe(project_hash(place.folder)).containers]
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda identity: force_remove(podman, identity), force))
        shutil.rmtree(place.folder / "data")
        show("first apply, whole process", seconds(lambda: place.fleet("apply")), ("bare calls", calls))

        listing = seconds(lambda: podman.observe(project_hash(place.folder)), 20)
        show("one list call", listing)
        with place.session() as session:
            cycle = seconds(lambda: converge(session), 20)
        show("no-op cycle, in process", cycle, ("list call", listing))
        noop = seconds(lambda: place.fleet("apply"), 7)
        show("no-op apply, whole process", noop, ("list call", listing))
        print(f"  most memory of a fleet process: {memory_of_children()} MB")
        if compose:
            against_compose(place, noop)
        if ansible:
            against_ansible(podman, place, image, noop)


def against_compose(place: Yard, noop: float) -> None:
    """The same services through podman-compose."""
    try:
        show("podman-compose up -d, first", seconds(lambda: place.compose("up", "-d")))
        theirs = seconds(lambda: place.compose("up", "-d"), 3)
        show("podman-compose up -d, no-op", theirs)
        print(f"  no-op apply is {theirs / noop:.1f} times faster than podman-compose's")
    finally:
        place.compose("down", "-t", "0")


PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - containers.podman.podman_network: {{name: {name}a}}
    - containers.podman.podman_container:
        name: "{name}a-{{{{ item }}}}"
        image: {image}
        command: [sleep, "3600"]
        network: ["{name}a"]
        stop_signal: 9
        state: started
      loop: "{{{{ range({count}) | list }}}}"
"""


def against_ansible(podman: Podman, place: Yard, image: str, noop: float) -> None:
    """The same services through Ansible's podman modules."""
    program = os.environ.get("FLEET_BENCH_ANSIBLE") or shutil.which("ansible-playbook")
    if program is None:
        print("  NOT MEASURED: Ansible is not here; see the beginning of tests/bench/apply.py")
        return
    (place.folder / "play.yaml").write_text(PLAYBOOK.format(name=place.name, image=image, count=place.count))
    environ = {**place.environ, "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False"}

    def play() -> None:
        process([program, "play.yaml"], place.folder, environ)

    try:
        show("Ansible, first", seconds(play))
        theirs = seconds(play, 2)
        show("Ansible, no-op", theirs)
        print(f"  no-op apply is {theirs / noop:.1f} times faster than Ansible's")
    except SystemExit as error:
        print(f"  NOT MEASURED: Ansible could not do it: {str(error).strip().splitlines()[-1]}")
    finally:
        for number in range(place.count):
            force_remove(podman, f"{place.name}a-{number}")
        podman.remove_network(f"{place.name}a")


def show(what: str, took: float, beside: tuple[str, float] | None = None) -> None:
    """One line, with its ratio to something else."""
    ratio = f"   {took / beside[1]:.2f} x {beside[0]}" if beside else ""
    print(f"  {what:<36}{took * 1000:>9.1f} ms{ratio}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--without-compose", action="store_true")
    parser.add_argument("--without-ansible", action="store_true")
    chosen = parser.parse_args()
    shared = Path(tempfile.gettempdir()) / "fleet-bench"
    shared.mkdir(exist_ok=True)
    socket = working_socket(shared)
    with Podman(socket) as podman:
        image = ensure_busybox(podman, shared)
        with yard(image, 1, socket) as place:
            # Imports are counted with whole processes; in this one they are over when measuring begins.
            place.in_process()
        for count in chosen.services:
            with_others = {"compose": not chosen.without_compose, "ansible": not chosen.without_ansible}
            measure(podman, image, socket, count, **with_others)
    print(f"\nload {', '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()

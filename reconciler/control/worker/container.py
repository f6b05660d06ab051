"""Commands in containers: each in a fresh one of the harness's image, with the specialist's folder mounted in it.

The container sees the folder as /workspace, its job as /fleet/input.json, and of the environment only what the specialist
declares and what belongs to the job. It carries no mark of ownership: it is nothing that a plan knows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from reconciler.control.worker.process import Launch
from reconciler.ids import new_id
from reconciler.runtime.podman.discovery import named_place, usual_places
from reconciler.work.harness import Command

WORKSPACE, SCRATCH = "/workspace", "/fleet"
LABEL = "fleet.worker"
_SECONDS = 30


class Containers:
    """The way into containers for one specialist.

    Args:
        environment: of the worker's commands; `declared` names what of it the container is to see.
    """

    def __init__(self, specialist_id: str, environment: Mapping[str, str], declared: Collection[str]) -> None:
        self._specialist_id = specialist_id
        self._environment = dict(environment)
        self._declared = sorted(name for name in declared if name in environment)
        # The engine that runs the fleet's services, where it can be reached; it has the images that were built for them.
        places = (place.path for place in usual_places(environment) if Path(place.path).exists())
        named = named_place(environment)
        socket = named.path if named is not None else next(places, "")
        self._podman = ("podman", "--url", f"unix://{socket}") if socket else ("podman",)

    def __call__(
        self, command: Command, folder: Path, scratch: Path, sortie_id: str
    ) -> tuple[Launch, Callable[[], None]]:
        """The command as it is to be run outside of the container, and what ends the container."""
        name = new_id("fleet-sortie").replace("_", "-")
        places = {"FLEET_INPUT": f"{SCRATCH}/input.json", "FLEET_OUTPUT": f"{SCRATCH}/output.json"}
        own = {**command.environment, **places}
        # Values go by the environment of podman itself, where a list of processes does not show them.
        variables = [word for variable in [*self._declared, *sorted(own)] for word in ("--env", variable)]
        argv = (
            *self._podman,
            *("run", "--rm", "--interactive", "--pull", "missing", "--name", name),
            *("--label", f"{LABEL}={self._specialist_id}", "--label", f"fleet.sortie={sortie_id}"),
            *("--security-opt", "label=disable", "--workdir", WORKSPACE),
            *("--volume", f"{folder}:{WORKSPACE}", "--volume", f"{scratch}:{SCRATCH}"),
            *variables,
            command.image,
            *command.argv,
        )
        launch = Launch(argv=argv, environment={**self._environment, **own}, folder=folder, stdin=command.stdin)
        return launch, lambda: self._remove(name)

    def sweep(self) -> None:
        """Remove what an earlier life of this specialist left running."""
        found = self._run("ps", "--all", "--quiet", "--filter", f"label={LABEL}={self._specialist_id}")
        for container in found.split():
            self._remove(container)

    def _remove(self, container: str) -> None:
        self._run("rm", "--force", "--time", "0", "--ignore", container)

    def _run(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [*self._podman, *words],
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            # That podman cannot be reached shows at the next command that needs it.
            return ""
        return done.stdout

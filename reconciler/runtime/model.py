"""What a runtime shows (Observed) and what it can be asked to do (ContainerRuntime).

Looking is one list call. A look that fails raises `RuntimeUnreachable`; it never returns an empty answer in place of an
unknown one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from reconciler.spec.desired import FileContent, NetworkSpec, Resources, ServiceSpec, VolumeSpec

ContainerState = Literal["created", "running", "paused", "exited", "removing", "unknown"]
Health = Literal["", "starting", "healthy", "unhealthy"]

LABEL_PROJECT = "fleet.project"
LABEL_FLEET = "fleet.fleet"
LABEL_RESOURCE = "fleet.resource"
LABEL_REPLICA = "fleet.replica"
LABEL_DIGEST = "fleet.digest"
LABEL_INTENT = "fleet.intent"
LABEL_PROTECT = "fleet.protect"


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """One container as the engine lists it. `started_at` and `exited_at` are Unix seconds, 0 when never."""

    container_id: str
    name: str
    state: ContainerState
    labels: Mapping[str, str]
    image: str
    image_id: str
    exit_code: int | None = None
    started_at: int = 0
    exited_at: int = 0
    health: Health = ""
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What one look at a runtime showed: this fleet's containers only, by ownership label."""

    containers: tuple[ObservedContainer, ...]


@dataclass(frozen=True, slots=True)
class ContainerOrder:
    """Everything needed to make one container.

    Attributes:
        service: its normalised definition; `service.environment` may hold uses of secrets.
        name: the engine's name for it.
        image: the reference or id to run.
        labels: ownership labels and the service's own.
        networks: engine names with the aliases to answer to.
        volumes: key of `volumes` to the engine's name.
        secrets: secret name to the engine's secret object (made beforehand with `put_secret`).
        env_file_values: what the env files hold, read at this moment.
    """

    service: ServiceSpec
    name: str
    image: str
    labels: Mapping[str, str]
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    env_file_values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerDetails:
    """What an inspection shows beyond the list; `ports` are (host_ip, host_port, container_port, protocol)."""

    container: ObservedContainer
    ports: tuple[tuple[str, int, int, str], ...]
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What the engine says of itself, for `fleet doctor`."""

    version: str
    api_version: str
    runtime: str
    cgroup_version: str
    network_backend: str
    rootless: bool
    socket: str


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """A hint that something happened; `action` is the engine's word (`died`, `remove`, `rename`, `health_status` …)."""

    action: str
    container_id: str
    name: str
    labels: Mapping[str, str]
    time: int


class ContainerRuntime(Protocol):
    """The verbs of a container engine. Each is one engine call, safe from any thread, and decides nothing.

    All raise `RuntimeUnreachable` when the engine does not answer, `NotFound` for an object that is not there,
    and `ActionFailed` with the engine's own words for anything it refuses.
    """

    def observe(self, project: str) -> Observed:
        """Every container, running or not, that carries this project's label."""

    def inspect(self, container: str) -> ContainerDetails: ...

    def find(self, name: str) -> ObservedContainer | None:
        """A container by exact name, owned or not; None when there is none."""

    def create(self, order: ContainerOrder) -> str:
        """Make the container without starting it; its id."""

    def start(self, container: str) -> None: ...

    def stop(self, container: str, grace_ms: int) -> None:
        """Stop, with a kill after the grace period; one that is stopped already is no error."""

    def restart(self, container: str, grace_ms: int) -> None: ...

    def unpause(self, container: str) -> None: ...

    def remove(self, container: str) -> None:
        """Remove a stopped container, without its named volumes; one that is gone already is no error."""

    def rename(self, container: str, name: str) -> None: ...

    def update(self, container: str, resources: Resources) -> None:
        """Change limits of a container in place."""

    def put_file(self, container: str, file: FileContent, data: bytes) -> None:
        """Write a file into a container, running or not."""

    def put_secret(self, name: str, value: bytes, labels: Mapping[str, str]) -> str:
        """Make the engine's secret object if it is not there; its name. The value is never readable back here."""

    def remove_secret(self, name: str) -> None: ...

    def secrets(self, project: str) -> tuple[str, ...]:
        """Names of this project's secret objects."""

    def create_network(self, network: NetworkSpec, labels: Mapping[str, str]) -> None:
        """Make the network; one of this name that carries the same project label is no error."""

    def remove_network(self, engine_name: str) -> None: ...

    def networks(self, project: str) -> tuple[str, ...]:
        """Engine names of this project's networks."""

    def network_users(self, engine_name: str) -> tuple[ObservedContainer, ...]:
        """Every container that is on a network, whoever made it, running or not."""

    def attach(self, container: str, engine_name: str, aliases: tuple[str, ...]) -> None:
        """Put a container on a network, with the names to answer to there."""

    def detach(self, container: str, engine_name: str) -> None:
        """Take a container off a network; one that is gone or not on it is no error."""

    def network_exists(self, engine_name: str) -> bool: ...

    def create_volume(self, volume: VolumeSpec, labels: Mapping[str, str]) -> None:
        """Make the volume; one that exists is no error and is left as it is."""

    def volumes(self, project: str) -> tuple[str, ...]:
        """Engine names of this project's volumes."""

    def volume_exists(self, engine_name: str) -> bool: ...

    def volume_labels(self, engine_name: str) -> Mapping[str, str] | None:
        """The labels of a volume, whoever made it; None when there is none of this name."""

    def image_id(self, reference: str) -> str | None:
        """The id that a reference points to locally; None when there is none."""

    def pull(self, reference: str) -> str:
        """Fetch an image; its id."""

    def build(self, reference: str, context: str, containerfile: str, args: Mapping[str, str], target: str) -> str:
        """Build an image and tag it; its id."""

    def run_healthcheck(self, container: str) -> Health:
        """Run the container's own health check once and return what the engine makes of it."""

    def exec(self, container: str, command: tuple[str, ...]) -> tuple[int, bytes]:
        """Run a command inside; its exit code and what it printed (both streams)."""

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        follow: bool = False,
        timestamps: bool = False,
        since: int | None = None,
    ) -> Iterator[tuple[Literal["stdout", "stderr"], bytes]]:
        """Lines as they were written, without their line ends."""

    def events(self, project: str, since: int | None = None) -> Iterator[ContainerEvent]:
        """The engine's event stream for this project's containers; ends when the engine goes away."""

    def info(self) -> EngineInfo: ...

"""Models of the `services`, `networks` and `volumes` sections."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.spec.models.base import (
    AnyText,
    AtLeastOne,
    Duration,
    Environment,
    Flag,
    HostPort,
    Limit,
    Listed,
    Mode,
    Name,
    Number,
    PortNumber,
    Reference,
    Replicas,
    SecretUse,
    Shape,
    Size,
    Text,
    TextTable,
    Whole,
    Words,
)

Gate: TypeAlias = Literal[
    "started", "healthy", "completed", "service_started", "service_healthy", "service_completed_successfully"
]
Policy: TypeAlias = (
    Annotated[str, Field(pattern=r"^(no|never|always|unless-stopped|on-failure(:\d{1,6})?|\$\{.*\})$")] | Literal[False]
)
Allowance: TypeAlias = Literal["privileged", "host-network", "host-pid", "host-ipc", "host-root", "engine-socket"]


class Port(Shape):
    """A published port in full."""

    target: PortNumber = Field(description="the port inside the container")
    published: HostPort | str | None = Field(None, description="the port here; left out, the engine picks one")
    host_ip: str | None = None
    protocol: Literal["tcp", "udp", "sctp"] | Reference | None = None


class TmpfsOptions(Shape):
    """Limits of a tmpfs."""

    size: Size | None = None
    mode: Mode | None = None


class MountPoint(Shape):
    """A volume, a bind or a tmpfs in full."""

    type: Literal["volume", "bind", "tmpfs"] | Reference | None = None
    source: str | None = None
    target: str
    read_only: Flag | None = None
    tmpfs: TmpfsOptions | None = None


class Config(Shape):
    """A file with a content that is part of the service's definition."""

    source: str | None = Field(None, description="a path, relative to the file it is written in")
    content: AnyText | None = Field(None, description="the text itself")
    target: str
    mode: Mode | None = None
    uid: Whole | None = None
    gid: Whole | None = None


class SecretMount(Shape):
    """A secret as a file; a target without a slash is a name under /run/secrets."""

    source: Name
    target: str | None = None
    mode: Mode | None = None
    uid: Whole | None = None
    gid: Whole | None = None


class BuildOptions(Shape):
    """How an image is built."""

    context: str
    containerfile: str | None = None
    dockerfile: str | None = Field(None, description="the same as containerfile")
    args: TextTable | None = None
    target: str | None = None


class HealthCheckOptions(Shape):
    """How it is seen that a service works."""

    test: list[AnyText] | str | None = Field(
        None, description="[CMD, …], [CMD-SHELL, text], [NONE], or one text for a shell"
    )
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: AtLeastOne | None = None
    start_period: Duration | None = None
    disable: Flag | None = None


class BackoffOptions(Shape):
    """How the waits between restarts grow."""

    initial: Duration | None = None
    max: Duration | None = None
    reset_after: Duration | None = None


class RestartOptions(Shape):
    """Who starts a container again that ended, and when."""

    policy: Policy | None = None
    supervisor: Literal["fleet", "engine"] | Reference | None = None
    max_attempts: Whole | None = None
    backoff: BackoffOptions | None = None


class UpdateOptions(Shape):
    """How replicas are replaced."""

    order: Literal["stop-first", "start-first"] | Reference | None = None
    max_unavailable: AtLeastOne | None = None
    auto_revert: Flag | None = Field(
        None, description="go back to the last good definition if the new one never gets healthy"
    )


class Limits(Shape):
    """Limits of a container; 0 means none."""

    cpus: Number | None = None
    memory: Size | None = None
    pids: Whole | None = None


class SoftHard(Shape):
    """Two limits."""

    soft: Limit | None = None
    hard: Limit | None = None


class Condition(Shape):
    """A dependency in Compose's words."""

    condition: Gate | Reference | None = None


class NetworkAliases(Shape):
    """The extra names of a service on a network."""

    aliases: Listed[str] | None = None


class Service(Shape):
    """One service: containers that run, or a job that runs to its end."""

    kind: Literal["service", "job"] | Reference | None = None
    job: Flag | None = Field(None, description="true: runs once to its end for each definition")
    provider: Literal["postgres"] | Reference | None = Field(
        None, description="a built-in template; other keys go over it"
    )
    port: HostPort | None = Field(None, description="the provider's port on this machine")
    password: SecretUse | None = Field(None, description="the provider's password, by reference")
    user: Text | None = Field(None, description="name, id or id:id; with a provider, its user")
    database: str | None = Field(None, description="the provider's first database")
    image: Text | None = None
    build: BuildOptions | str | None = None
    pull: Literal["missing", "always", "never", "if_not_present"] | Reference | None = None
    command: Words | None = None
    entrypoint: Words | None = None
    environment: Environment | None = None
    env_file: Listed[str] | None = Field(None, description="files of NAME=value lines; later ones win")
    ports: Listed[int | str | Port] | None = Field(None, description="80, 8080:80, 127.0.0.1:8080:80/udp, ranges")
    volumes: list[str | MountPoint] | Reference | None = Field(None, description="data:/var/lib/data, ./web:/srv:ro")
    tmpfs: Listed[str] | None = Field(None, description="/run, or /run:size=64m,mode=1777")
    networks: Listed[str] | dict[str, NetworkAliases | None] | None = None
    network_mode: Literal["host", "none", "bridge"] | Reference | None = None
    configs: list[str | Config] | Reference | None = Field(None, description="./web.conf:/etc/web.conf, or in full")
    secrets: list[str | SecretMount] | Reference | None = Field(None, description="secrets as files under /run/secrets")
    healthcheck: HealthCheckOptions | None = None
    container_name: str | None = None
    hostname: str | None = None
    working_dir: str | None = None
    read_only: Flag | None = None
    privileged: Flag | None = None
    init: Flag | None = None
    tty: Flag | None = None
    pid: Literal["host", "private"] | Reference | None = None
    ipc: Literal["host", "private"] | Reference | None = None
    cap_add: Listed[str] | None = None
    cap_drop: Listed[str] | None = None
    labels: TextTable | None = None
    extra_hosts: TextTable | None = None
    dns: Listed[str] | None = None
    sysctls: TextTable | None = None
    ulimits: dict[str, Limit | SoftHard] | None = None
    shm_size: Size | None = None
    stop_signal: str | int | None = None
    stop_grace_period: Duration | None = None
    restart: Policy | RestartOptions | None = None
    resources: Limits | None = None
    replicas: Replicas | None = None
    depends_on: dict[str, Gate | Reference | Condition] | Listed[str] | None = None
    update: UpdateOptions | None = None
    tags: Listed[Text] | None = None
    profiles: Listed[Text] | None = None
    protect: Flag | None = Field(None, description="true: no plan may destroy it, even after it has left the file")
    allow: Listed[Allowance] | None = Field(None, description="powers over this machine that are meant")
    notify: Listed[Text] | None = Field(None, description="handlers to run after a change")


class Network(Shape):
    """A network that services join."""

    name: str | None = Field(None, description="the engine's name for it")
    external: Flag | None = Field(None, description="used, but never made or removed")
    internal: Flag | None = None
    subnet: str | None = None


class Volume(Shape):
    """A named volume; apply never deletes one."""

    name: str | None = Field(None, description="the engine's name for it")
    external: Flag | None = Field(None, description="must be there already")

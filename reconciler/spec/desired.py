"""Desired: what people want, after loading.

Every value here is normalised: sugar expanded, variables filled in, templates applied, durations in milliseconds, sizes
in bytes, mappings sorted. Two files that mean the same give equal values. A field left at its default is left out of
the document form, so that a release which adds a field with a default changes no digest and plans nothing.

Secrets appear by name only, with a keyed digest of the value, never the value itself.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

from reconciler.decoders import known

Gate = Literal["started", "healthy", "completed"]
Role = Literal["replace", "update", "settings"]


class Value(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of everything in this module: immutable, compared by value, defaults left out of documents."""


class SecretUse(Value, frozen=True, tag="secret", tag_field="from"):
    """A secret's value, used where a string could stand."""

    secret: str


class PortMapping(Value, frozen=True):
    """`host_port` 0 means that the engine picks one; an empty `host_ip` means every address."""

    container_port: int
    host_port: int = 0
    host_ip: str = ""
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"


class Mount(Value, frozen=True):
    """A volume (source: a key of `volumes`), a bind (source: absolute host path) or a tmpfs (no source)."""

    kind: Literal["volume", "bind", "tmpfs"]
    target: str
    source: str = ""
    read_only: bool = False
    size: int = 0
    mode: int = 0


class FileContent(Value, frozen=True):
    """A file that is put into the container, with the digest of its content (`sha256:…`).

    Either `source` (absolute path, read when the container is made) or `content` (inline text) is set.
    """

    target: str
    digest: str
    source: str = ""
    content: str = ""
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


class SecretFile(Value, frozen=True):
    """A secret as a file inside the container."""

    secret: str
    target: str
    mode: int = 0o400
    uid: int = 0
    gid: int = 0


class EnvFile(Value, frozen=True):
    """An env file: its values are read when the container is made; only the keyed digest is kept."""

    source: str
    digest: str


class HealthCheck(Value, frozen=True):
    """`test` is `["CMD", …]`, `["CMD-SHELL", "…"]` or `["NONE"]`; the four durations are milliseconds."""

    test: tuple[str, ...]
    interval_ms: int = 30_000
    timeout_ms: int = 30_000
    retries: int = 3
    start_period_ms: int = 0


class Backoff(Value, frozen=True):
    """The Kubernetes curve by default: 10 s doubling to 5 min, forgotten after 10 min of running."""

    initial_ms: int = 10_000
    max_ms: int = 300_000
    reset_after_ms: int = 600_000


class Restart(Value, frozen=True):
    """Who restarts a container that ended, and when.

    `supervisor: fleet` leaves it to the reconcile loop with its back-off; `engine` passes the policy to Podman, for
    hosts on which no loop runs. `max_attempts` 0 means without end.
    """

    policy: Literal["no", "on-failure", "always", "unless-stopped"] = "always"
    supervisor: Literal["fleet", "engine"] = "fleet"
    max_attempts: int = 0
    backoff: Backoff = Backoff()


class Update(Value, frozen=True):
    """How replicas are replaced: which comes first, how many at a time, and whether a bad one goes back."""

    order: Literal["stop-first", "start-first"] = "stop-first"
    max_unavailable: int = 1
    auto_revert: bool = False


class Resources(Value, frozen=True):
    """Limits; 0 means none. `cpus` in processors, `memory` in bytes, `pids` as a count."""

    cpus: float = 0.0
    memory: int = 0
    pids: int = 0


def limits_of(document: dict[str, Any]) -> Resources:
    """Limits as the log has them; none where they cannot be read any more."""
    try:
        return msgspec.convert(document, known(Resources))
    except msgspec.ValidationError:
        return Resources()


class Ulimit(Value, frozen=True):
    name: str
    soft: int
    hard: int


class Build(Value, frozen=True):
    """`digest` covers every file of the context that the ignore file lets through, the arguments and the target."""

    context: str
    digest: str
    containerfile: str = ""
    args: dict[str, str] = {}
    target: str = ""


class NetworkUse(Value, frozen=True):
    """A network this service joins (a key of `networks`) with the extra names it answers to there."""

    network: str
    aliases: tuple[str, ...] = ()


class ServiceSpec(Value, frozen=True):
    """One declared service. `spec.roles` says which fields replace a container, which update it, which only guide Fleet."""

    name: str
    kind: Literal["service", "job"] = "service"
    provider: str = ""
    image: str = ""
    build: Build | None = None
    pull: Literal["missing", "always", "never"] = "missing"
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: dict[str, str | SecretUse] = {}
    env_files: tuple[EnvFile, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: tuple[NetworkUse, ...] = ()
    network_mode: Literal["", "host", "none"] = ""
    configs: tuple[FileContent, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    secret_digests: dict[str, str] = {}
    healthcheck: HealthCheck | None = None
    container_name: str = ""
    hostname: str = ""
    user: str = ""
    working_dir: str = ""
    read_only: bool = False
    privileged: bool = False
    init: bool = False
    tty: bool = False
    pid_mode: Literal["", "host"] = ""
    ipc_mode: Literal["", "host"] = ""
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    extra_hosts: dict[str, str] = {}
    dns: tuple[str, ...] = ()
    sysctls: dict[str, str] = {}
    ulimits: tuple[Ulimit, ...] = ()
    shm_size: int = 0
    stop_signal: str = ""
    restart: Restart = Restart()
    resources: Resources = Resources()
    replicas: int = 1
    depends_on: dict[str, Gate] = {}
    update: Update = Update()
    stop_grace_ms: int = 10_000
    tags: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    protect: bool = False
    allow: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()


class NetworkSpec(Value, frozen=True):
    """`engine_name` is the name Podman knows; an external network is used but never made or removed."""

    name: str
    engine_name: str
    external: bool = False
    internal: bool = False
    subnet: str = ""


class VolumeSpec(Value, frozen=True):
    """`engine_name` is the name Podman knows; an external volume must be there already."""

    name: str
    engine_name: str
    external: bool = False


class SecretSource(Value, frozen=True):
    """Where a secret's value comes from: exactly one of the three is set. `digest` is keyed (`hmac-v1:…`)."""

    name: str
    env: str = ""
    file: str = ""
    command: tuple[str, ...] = ()
    digest: str = ""


class Handler(Value, frozen=True):
    """What a `notify` asks for, once, at the end of an apply: a restart or a command inside a service."""

    name: str
    restart: str = ""
    service: str = ""
    command: tuple[str, ...] = ()


class Budget(Value, frozen=True):
    """Limits on a specialist, looked at before each start; 0 means none."""

    sorties_per_hour: int = 0
    wall_time_ms: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


class Harness(Value, frozen=True):
    """How a sortie becomes a command: `command` is the template of kind `command`, `tools` what an agent may use."""

    kind: Literal["shell", "command", "claude-code", "codex", "opencode", "container"] = "shell"
    command: tuple[str, ...] = ()
    image: str = ""
    model: str = ""
    permissions: str = ""
    tools: tuple[str, ...] = ()


class SpecialistSpec(Value, frozen=True):
    """One declared kind of agent worker; `working_dir` is an absolute path.

    `stop_grace_ms` is how long one that has to go may still work on the sortie that it holds.
    """

    name: str
    replicas: int = 1
    capabilities: tuple[str, ...] = ()
    harness: Harness = Harness()
    heartbeat_interval_ms: int = 20_000
    heartbeat_timeout_ms: int = 60_000
    budget: Budget = Budget()
    environment: dict[str, str | SecretUse] = {}
    secret_digests: dict[str, str] = {}
    working_dir: str = ""
    stop_grace_ms: int = 60_000
    restart: Restart = Restart()
    protect: bool = False
    tags: tuple[str, ...] = ()


class Review(Value, frozen=True):
    """Who looks at a sortie's result, and what for: a command whose exit code is the verdict, or a prompt for an agent."""

    kind: Literal["code", "design", "security", "general"] = "general"
    by: str = ""
    run: str = ""
    prompt: str = ""


class SortieSpec(Value, frozen=True):
    """One task of a mission. `depends_on` names sorties of the same mission; durations are milliseconds."""

    name: str
    title: str
    description: str = ""
    priority: Literal["low", "medium", "high", "critical"] = "medium"
    depends_on: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    assigned_to: str = ""
    run: str = ""
    prompt: str = ""
    files: tuple[str, ...] = ()
    retries: int = 0
    retry_delay_ms: int = 10_000
    timeout_ms: int = 0
    when: Literal["", "success", "failure", "always"] = ""
    review: Review | None = None


class MissionSpec(Value, frozen=True):
    """A DAG of sorties; `parallel` bounds how many run at once, 0 means without bound."""

    name: str
    title: str
    description: str = ""
    priority: Literal["low", "medium", "high", "critical"] = "medium"
    parallel: int = 0
    sorties: dict[str, SortieSpec] = {}
    tags: tuple[str, ...] = ()


class IgnoreDrift(Value, frozen=True):
    """A difference that is left alone: `resource` and `field` may hold `*`; `until` is ISO 8601 UTC or empty."""

    resource: str
    field: str = "*"
    why: str = ""
    until: str = ""


class FreezeWindow(Value, frozen=True):
    """No revision is applied from `start` for `duration_ms`; `start` is a five-field cron expression."""

    start: str
    duration_ms: int
    timezone: str = "UTC"
    why: str = ""


class Notification(Value, frozen=True):
    """A sink for chosen event types: a webhook URL (or the secret holding it) or a command."""

    events: tuple[str, ...]
    webhook: str = ""
    webhook_secret: str = ""
    command: tuple[str, ...] = ()


class ReconcileSettings(Value, frozen=True):
    interval_ms: int = 30_000
    self_heal: bool = True
    max_destroy: int = 3
    ignore_drift: tuple[IgnoreDrift, ...] = ()
    freeze: tuple[FreezeWindow, ...] = ()
    debounce_ms: int = 200


class Compaction(Value, frozen=True):
    enabled: bool = True
    threshold_events: int = 10_000
    threshold_age_hours: int = 168
    schedule: str = "0 3 * * *"


class Backup(Value, frozen=True):
    enabled: bool = False
    path: str = ""
    schedule: str = "0 4 * * *"
    keep: int = 7


class DatabaseSettings(Value, frozen=True):
    path: str = ""
    url: str = ""
    wal_autocheckpoint: int = 1_000
    busy_timeout_ms: int = 5_000
    cache_size_mb: int = 64
    durability: Literal["full", "normal"] = "full"
    compaction: Compaction = Compaction()
    backup: Backup = Backup()


class Desired(Value, frozen=True):
    """The whole fleet as declared, ready to be compared.

    Attributes:
        name: the fleet's name, lower case, used in engine names.
        project: the project's hash, the mark of ownership.
        moved: old resource address to new one (`service/a` to `service/b`).
        inactive: services that the file declares for profiles which are not chosen; what runs of them is left alone.
    """

    name: str
    project: str
    version: int = 1
    services: dict[str, ServiceSpec] = {}
    networks: dict[str, NetworkSpec] = {}
    volumes: dict[str, VolumeSpec] = {}
    secrets: dict[str, SecretSource] = {}
    handlers: dict[str, Handler] = {}
    specialists: dict[str, SpecialistSpec] = {}
    missions: dict[str, MissionSpec] = {}
    moved: dict[str, str] = {}
    inactive: tuple[str, ...] = ()
    notifications: tuple[Notification, ...] = ()
    reconcile: ReconcileSettings = ReconcileSettings()
    database: DatabaseSettings = DatabaseSettings()


AnyValue = TypeVar("AnyValue", bound=Value)


def make(kind: type[AnyValue], /, **fields: Any) -> AnyValue:
    """A value whose fields that equal their defaults are the defaults themselves.

    Documents leave out defaults by identity, so that a value put together from text has to be made this way: else two
    equal values could have two documents, and two digests.
    """
    defaults = _DEFAULTS.get(kind)
    if defaults is None:
        ending = kind.__struct_fields__[len(kind.__struct_fields__) - len(kind.__struct_defaults__) :]
        defaults = _DEFAULTS[kind] = dict(zip(ending, kind.__struct_defaults__, strict=True))
    chosen = {name: value for name, value in fields.items() if name not in defaults or not _same(value, defaults[name])}
    return kind(**chosen)


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


_DEFAULTS: dict[type[Value], dict[str, Any]] = {}


def to_document(value: Value) -> dict[str, Any]:
    """The plain JSON form, defaults left out."""
    document: dict[str, Any] = msgspec.to_builtins(value)
    return document


def desired_from_document(document: dict[str, Any]) -> Desired:
    """The value that `to_document` was given; fields this release does not know are passed over.

    Raises:
        msgspec.ValidationError: when the document is not of this shape.
    """
    return msgspec.convert(document, known(Desired))


def service_from_document(document: dict[str, Any]) -> ServiceSpec:
    """One service from its document form."""
    return msgspec.convert(document, known(ServiceSpec))

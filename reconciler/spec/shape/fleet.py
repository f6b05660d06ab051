"""The whole file: its sections, read in an order in which each finds what it needs, put together as `Desired`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from reconciler.spec.checks import Draft, check_fleet
from reconciler.spec.desired import (
    DatabaseSettings,
    Desired,
    NetworkSpec,
    ReconcileSettings,
    SecretSource,
    SecretUse,
    ServiceSpec,
    SpecialistSpec,
    VolumeSpec,
    make,
)
from reconciler.spec.inputs import LoadOptions, secret_digest
from reconciler.spec.reading import Reader, Reading, T, text, whole
from reconciler.spec.shape.names import names_in, section
from reconciler.spec.shape.networks import DEFAULT_NETWORK, default_network, network, volume
from reconciler.spec.shape.providers import POSTGRES_VOLUME
from reconciler.spec.shape.service import ServiceDraft, read_service
from reconciler.spec.shape.settings import (
    database,
    handler,
    moved,
    notifications,
    reconcile,
    secret_source,
)
from reconciler.spec.shape.work import mission, specialist
from reconciler.spec.structures import unknown_key
from reconciler.spec.tree import Entry, Mapping, is_null
from reconciler.spec.wording import quoted

VERSION = 1
SECTIONS = (
    "version",
    "name",
    "include",
    "variables",
    "secrets",
    "services",
    "networks",
    "volumes",
    "handlers",
    "specialists",
    "missions",
    "moved",
    "notifications",
    "reconcile",
    "database",
)
FLEET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")

_COMPOSE_SECTIONS = {
    "configs": "write the file in the service: configs: [./web.conf:/etc/web.conf]",
    "project": "write name:",
    "profiles": "write profiles: in the service",
}


@dataclass(slots=True)
class _Built:
    """Sections whose values are not needed by any check."""

    reconcile: ReconcileSettings | None
    database: DatabaseSettings | None
    secrets: dict[str, SecretSource]


def read_fleet(root: Mapping, reading: Reading, options: LoadOptions, project_hash: str) -> Desired:
    """The fleet that a tree means; what is wrong is reported, and the value is then of no use."""
    for key, entry in root.entries.items():
        if key not in SECTIONS:
            unknown_key(entry, key, "", reading, SECTIONS, _COMPOSE_SECTIONS)
    _check_version(root, reading)
    _check_database(root, reading)
    reading.fleet = _fleet_name(root, reading)
    draft = _draft(root, reading, options.profiles)
    _check_profiles(draft.services, options.profiles, reading)
    check_fleet(draft, reading)
    built = _Built(
        _one(root, "reconcile", reconcile, reading),
        _one(root, "database", database, reading),
        section(root, "secrets", reading, secret_source),
    )
    if reading.problems.found:
        return make(Desired, name=reading.fleet, project=project_hash)
    return _desired(draft, built, reading, options, project_hash)


def _one(root: Mapping, key: str, read: Reader[T], reading: Reading) -> T | None:
    entry = root.entries.get(key)
    return None if entry is None or is_null(entry.value) else read(entry.value, key, reading)


def _check_database(root: Mapping, reading: Reading) -> None:
    """The log is found before includes and overlays are read, so that they cannot say where it is."""
    entry = root.entries.get("database")
    if entry is None or not isinstance(entry.value, Mapping):
        return
    for key in ("path", "url"):
        inner = entry.value.entries.get(key)
        if inner is not None and inner.source.path != reading.file:
            message = f"the log's place can be said in {reading.file.name} only, which is read first"
            reading.wrong(inner, f"database.{key}", message, "or with --database or FLEET_DATABASE_URL")


def _check_version(root: Mapping, reading: Reading) -> None:
    entry = root.entries.get("version")
    if entry is None or is_null(entry.value):
        return
    found = whole()(entry.value, "version", reading)
    if found is not None and found != VERSION:
        reading.wrong(entry.value, "version", f"this release reads version {VERSION} of the file, not {found}")


def _fleet_name(root: Mapping, reading: Reading) -> str:
    """The name that is written, else the folder's."""
    entry = root.entries.get("name")
    if entry is None or is_null(entry.value):
        cleaned = re.sub(r"[^a-z0-9_-]+", "-", reading.project.name.lower()).strip("-_")[:40]
        return cleaned or "fleet"
    written = text(entry.value, "name", reading)
    if written is None:
        return "fleet"
    if not FLEET_NAME.fullmatch(written):
        near = re.sub(r"[^a-z0-9_-]+", "-", written.lower()).strip("-_")[:40]
        hint = f"did you mean {quoted(near)}?" if near else "lower-case letters, digits, _ and -, at most 41"
        reading.wrong(entry.value, "name", f"{quoted(written)} cannot be the name of a fleet", hint)
        return "fleet"
    return written


def _draft(root: Mapping, reading: Reading, profiles: Iterable[str]) -> Draft:
    def service(name: str, entry: Entry, path: str, reading: Reading) -> ServiceDraft | None:
        return read_service(name, entry, path, reading, profiles)

    services = section(root, "services", reading, service)
    networks = section(root, "networks", reading, network)
    volumes = section(root, "volumes", reading, volume)
    uses = [use.network for found in services.values() for use in found.spec.networks]
    if DEFAULT_NETWORK in uses:
        networks.setdefault(DEFAULT_NETWORK, default_network(reading))
    if any(found.spec.provider for found in services.values()):
        volumes.setdefault(POSTGRES_VOLUME, make(VolumeSpec, name=POSTGRES_VOLUME, engine_name=POSTGRES_VOLUME))
    return Draft(
        root=root,
        services=services,
        networks=dict(sorted(networks.items())),
        volumes=dict(sorted(volumes.items())),
        handlers=section(root, "handlers", reading, handler),
        specialists=section(root, "specialists", reading, specialist),
        missions=section(root, "missions", reading, mission),
        notifications=_one(root, "notifications", notifications, reading) or [],
        moved=_one(root, "moved", moved, reading) or {},
        declared={key: names_in(root, key) for key in SECTIONS},
    )


def _check_profiles(services: dict[str, ServiceDraft], profiles: Iterable[str], reading: Reading) -> None:
    known = {profile for service in services.values() for profile in service.spec.profiles}
    for profile in sorted(set(profiles) - known):
        if not reading.problems.incomplete:
            from reconciler.errors import Problem

            hint = reading.problems.hint(profile, known) or "profiles: in a service names them"
            reading.problems.add(Problem("--profile", 0, 0, "", f"no service has the profile {quoted(profile)}", hint))


def _desired(draft: Draft, built: _Built, reading: Reading, options: LoadOptions, project_hash: str) -> Desired:
    services = {name: found.spec for name, found in draft.services.items() if found.active}
    secrets = _with_digests(draft, built.secrets, services, reading, options)
    digests = {name: secret.digest for name, secret in secrets.items()}
    return make(
        Desired,
        name=reading.fleet,
        project=project_hash,
        services={name: _service_with(spec, digests) for name, spec in services.items()},
        networks=_used_networks(draft),
        volumes=_used_volumes(draft),
        secrets=secrets,
        handlers=draft.handlers,
        specialists={name: _specialist_with(spec, digests) for name, spec in draft.specialists.items()},
        missions=draft.missions,
        moved=draft.moved,
        inactive=tuple(sorted(name for name, found in draft.services.items() if not found.active)),
        notifications=tuple(sink for sink, _, _ in draft.notifications),
        reconcile=built.reconcile or ReconcileSettings(),
        database=built.database or DatabaseSettings(),
    )


def _used_networks(draft: Draft) -> dict[str, NetworkSpec]:
    """All declared networks; the fleet's own only where a service joins it, be its profile active or not."""
    uses = {use.network for service in draft.services.values() for use in service.spec.networks}
    return {name: found for name, found in draft.networks.items() if name != DEFAULT_NETWORK or name in uses}


def _used_volumes(draft: Draft) -> dict[str, VolumeSpec]:
    """All declared volumes, and a provider's own where a service mounts it."""
    mounts = [mount for service in draft.services.values() for mount in service.spec.mounts]
    uses = {mount.source for mount in mounts if mount.kind == "volume"}
    return {name: found for name, found in draft.volumes.items() if name in draft.declared["volumes"] or name in uses}


def _secrets_of(environment: dict[str, str | SecretUse]) -> set[str]:
    return {value.secret for value in environment.values() if isinstance(value, SecretUse)}


def _service_secrets(spec: ServiceSpec) -> set[str]:
    return _secrets_of(spec.environment) | {found.secret for found in spec.secrets}


def _service_with(spec: ServiceSpec, digests: dict[str, str]) -> ServiceSpec:
    used = {name: digests[name] for name in sorted(_service_secrets(spec))}
    return msgspec.structs.replace(spec, secret_digests=used) if used else spec


def _specialist_with(spec: SpecialistSpec, digests: dict[str, str]) -> SpecialistSpec:
    used = {name: digests[name] for name in sorted(_secrets_of(spec.environment))}
    return msgspec.structs.replace(spec, secret_digests=used) if used else spec


def _with_digests(
    draft: Draft,
    secrets: dict[str, SecretSource],
    services: dict[str, ServiceSpec],
    reading: Reading,
    options: LoadOptions,
) -> dict[str, SecretSource]:
    """The secrets with digests of the values that something uses; one that does not resolve is a warning here."""
    used = set().union(*(_service_secrets(spec) for spec in services.values()))
    used |= set().union(*(_secrets_of(spec.environment) for spec in draft.specialists.values()))
    used |= {sink.webhook_secret for sink, _, _ in draft.notifications if sink.webhook_secret}
    result = {}
    for name, source in secrets.items():
        if name in used:
            digest, error = secret_digest(source, project=reading.project, environ=options.environ, key=options.key)
            if error is not None:
                reading.warn(*draft.spot("secrets", name), str(error), error.hint)
            source = msgspec.structs.replace(source, digest=digest)
            reading.inputs.secret(source)
        result[name] = source
    return result

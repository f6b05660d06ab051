"""Orders: everything a container is made with, gathered from the definition and the moment."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reconciler.apply.means import Means
from reconciler.errors import ActionFailed
from reconciler.plan.naming import container_name
from reconciler.runtime.model import LABEL_DIGEST, LABEL_PROTECT, LABEL_REPLICA, ContainerOrder
from reconciler.spec.desired import Desired, FileContent, SecretUse, ServiceSpec

_DIGEST_SIZE = 16


def used_secrets(spec: ServiceSpec) -> tuple[str, ...]:
    """Names of the secrets that a service uses, in variables or as files."""
    in_variables = {value.secret for value in spec.environment.values() if isinstance(value, SecretUse)}
    return tuple(sorted(in_variables | {file.secret for file in spec.secrets}))


def secret_object(project: str, spec: ServiceSpec, secret: str) -> str:
    """The engine's name for a secret's value. Another value is another object, since objects cannot be changed."""
    digest = spec.secret_digests.get(secret, "")
    return f"fleet-{project}-{secret}-{hashlib.sha256(digest.encode()).hexdigest()[:_DIGEST_SIZE]}"


def order(means: Means, service: str, replica: int, *, name: str, digest: str, intent: str) -> ContainerOrder:
    """The order for one container of a service; its secrets are with the engine when this returns.

    Args:
        name: the engine's name to make it under.
        intent: label of the intent that asked for it.

    Raises:
        FleetError: a secret or an env file cannot be read.
    """
    spec, desired = means.service(service), means.desired
    secrets = {}
    for secret in used_secrets(spec):
        secrets[secret] = secret_object(desired.project, spec, secret)
        means.make_secret_object(secrets[secret], secret)
    labels = {
        **spec.labels,
        **means.labels(f"service/{service}", intent),
        LABEL_REPLICA: str(replica),
        LABEL_DIGEST: digest,
    }
    if spec.protect:
        labels[LABEL_PROTECT] = "true"
    return ContainerOrder(
        service=spec,
        name=name,
        image=spec.image,
        labels=labels,
        networks={
            desired.networks[name].engine_name: aliases for name, aliases in answers_to(desired, spec, replica).items()
        },
        volumes={
            mount.source: desired.volumes[mount.source].engine_name for mount in spec.mounts if mount.kind == "volume"
        },
        secrets=secrets,
        env_file_values=means.env_files(spec),
    )


def answers_to(desired: Desired, spec: ServiceSpec, replica: int) -> dict[str, tuple[str, ...]]:
    """The networks of a service with the names that a replica answers to there.

    The container's own name is among them: while it is made to take another's place it has a temporary one, and the
    engine's DNS does not follow a rename.
    """
    own = (spec.name, container_name(desired.name, spec, replica))
    return {use.network: tuple(dict.fromkeys((*own, *use.aliases))) for use in spec.networks}


def file_bytes(file: FileContent) -> bytes:
    """The content of a config file, checked to be what was planned.

    Raises:
        ActionFailed: it cannot be read, or it was edited since the plan was made.
    """
    if not file.source:
        return file.content.encode()
    try:
        data = Path(file.source).read_bytes()
    except OSError as error:
        raise ActionFailed(f"the config {file.source} cannot be read: {error.strerror}") from None
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != file.digest:
        raise ActionFailed(f"the config {file.source} was edited after the plan was made", hint="run the command again")
    return data


def put_files(means: Means, container_id: str, spec: ServiceSpec) -> None:
    """Write a service's config files into its container; what is there already is written again."""
    for file in spec.configs:
        means.runtime.put_file(container_id, file, file_bytes(file))

"""Providers: built-in templates for well-known services. What the file says goes over what the template says.

`postgres` is the database that `fleet services up` starts: one container, one volume, published on this machine only,
ready when it answers over TCP (during the first start a server that nobody else can reach runs on the socket alone).
"""

from __future__ import annotations

from typing import Any

from reconciler.spec.desired import Mount, PortMapping, SecretUse, make
from reconciler.spec.reading import Field, Reading, matching, whole
from reconciler.spec.shape.environment import secret_use
from reconciler.spec.shape.names import NAME
from reconciler.spec.structures import has
from reconciler.spec.tree import Mapping, Node, Scalar, child, kind_of
from reconciler.spec.wording import quoted

PROVIDERS = ("postgres",)

POSTGRES_IMAGE = "postgres:16"
POSTGRES_CONTAINER = "fleettools-pg"
POSTGRES_VOLUME = "fleettools-pg-data"
POSTGRES_PORT = 5432
POSTGRES_DATA = "/var/lib/postgresql/data"
POSTGRES_USER = "postgres"
_READY = {"interval_ms": 2_000, "timeout_ms": 2_000, "retries": 30}


def _password(node: Node, path: str, reading: Reading) -> SecretUse | None:
    if isinstance(node, Mapping):
        return secret_use(node, path, reading)
    if not (isinstance(node, Scalar) and not isinstance(node.value, str | int | float | bool | None)):
        what = "the password itself" if isinstance(node, Scalar) else kind_of(node)
        hint = "declare it under secrets: and write password: {secret: name}"
        reading.wrong(node, path, f"this is {what} where a secret's name is wanted", hint)
    return None


_identifier = matching(NAME, "a name that PostgreSQL takes", "letters, digits, _ and -")

# Keys that only a provider knows; `user` is the database's user there and the container's everywhere else.
PROVIDER_FIELDS = {
    "port": Field("provider_port", whole(0, 65_535)),
    "password": Field("provider_password", _password),
    "database": Field("provider_database", _identifier),
}


def apply_postgres(values: dict[str, Any], node: Mapping, path: str, reading: Reading) -> dict[str, Any]:
    """The template with what the file says over it.

    Args:
        values: attributes that the file gives; the provider's own keys among them.
        node: the service's mapping.
        path: its path.
        reading: where to report.
    """
    own = {name: values.pop(name, None) for name in ("user", *(field.attribute for field in PROVIDER_FIELDS.values()))}
    database_user = own["user"] or POSTGRES_USER
    if not NAME.fullmatch(database_user):
        reading.wrong(node.entries["user"].value, child(path, "user"), f"{quoted(database_user)} is no PostgreSQL user")
    if has(node, "port") and has(node, "ports"):
        reading.wrong(node.entries["port"], child(path, "port"), "port and ports say the same thing; write one of them")
    port = POSTGRES_PORT if own["provider_port"] is None else own["provider_port"]
    published = make(PortMapping, container_port=POSTGRES_PORT, host_port=port, host_ip="127.0.0.1")
    test: tuple[str, ...] = ("CMD", "pg_isready", "-h", "127.0.0.1", "-U", database_user)
    if own["provider_database"]:
        test += ("-d", own["provider_database"])
    template = {
        "image": POSTGRES_IMAGE,
        "container_name": POSTGRES_CONTAINER,
        "ports": [(published, node.entries.get("port", node), child(path, "port"))],
    }
    merged = {**template, **values}
    if "build" in values and "image" not in values:
        del merged["image"]
    merged["healthcheck"] = {"test": test, **_READY, **values.get("healthcheck", {})}
    merged["environment"] = _environment(own, values.get("environment", {}), node, path, reading)
    merged["mounts"] = _mounts(values.get("mounts", []), node, path)
    return merged


def _environment(
    own: dict[str, Any], given: dict[str, Any], node: Mapping, path: str, reading: Reading
) -> dict[str, str | SecretUse]:
    merged: dict[str, str | SecretUse] = {}
    if own["user"]:
        merged["POSTGRES_USER"] = own["user"]
    if own["provider_database"]:
        merged["POSTGRES_DB"] = own["provider_database"]
    if own["provider_password"]:
        merged["POSTGRES_PASSWORD"] = own["provider_password"]
    elif not has(node, "password") and not any(name.startswith("POSTGRES_PASSWORD") for name in given):
        merged["POSTGRES_HOST_AUTH_METHOD"] = "trust"
        if "POSTGRES_HOST_AUTH_METHOD" not in given:
            reading.warn(
                node,
                path,
                "this database has no password, so that everybody on this machine can use it",
                "declare a secret and write password: {secret: name}",
            )
    return dict(sorted({**merged, **given}.items()))


def _mounts(given: list[tuple[Mount, Node, str]], node: Node, path: str) -> list[tuple[Mount, Node, str]]:
    """The data volume, unless the file mounts something there or mounts that volume elsewhere."""
    for mount, _, _ in given:
        if mount.target == POSTGRES_DATA or (mount.kind, mount.source) == ("volume", POSTGRES_VOLUME):
            return given
    return [(make(Mount, kind="volume", target=POSTGRES_DATA, source=POSTGRES_VOLUME), node, path), *given]

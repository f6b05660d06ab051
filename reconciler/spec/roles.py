"""Which field of a service does what when it changes, and the digest of a definition.

`replace`: part of the container itself, so a change needs a new one. `update`: the engine can change it in place.
`settings`: guides Fleet only; a change is recorded and touches no container.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from reconciler.spec.desired import Role, ServiceSpec, SpecialistSpec, to_document

SCHEME = "v1"

_UPDATE = frozenset({"resources"})
_SETTINGS = frozenset(
    {
        "provider",
        "pull",
        "replicas",
        "depends_on",
        "update",
        "stop_grace_ms",
        "tags",
        "profiles",
        "protect",
        "allow",
        "notify",
        "restart",
    }
)

ROLES: dict[str, Role] = {
    field: "update" if field in _UPDATE else "settings" if field in _SETTINGS else "replace"
    for field in ServiceSpec.__struct_fields__
}


SPECIALIST_SETTINGS = frozenset({"replicas", "stop_grace_ms", "restart", "protect", "tags"})
"""Fields of a specialist that guide Fleet only; every other one is part of its processes."""


def specialist_digest(spec: SpecialistSpec) -> str:
    """The digest of what makes a process of this specialist the one that is wanted."""
    return digest_of({name: value for name, value in to_document(spec).items() if name not in SPECIALIST_SETTINGS})


def fields_with(role: Role, document: dict[str, Any]) -> dict[str, Any]:
    """The part of a service's document whose fields have this role.

    A restart policy that the engine carries out is part of the container, one that Fleet carries out is a setting.
    """
    chosen = {field: value for field, value in document.items() if ROLES.get(field, "replace") == role}
    restart = document.get("restart", {})
    if restart.get("supervisor") == "engine":
        if role == "replace":
            chosen["restart"] = restart
        else:
            chosen.pop("restart", None)
    return chosen


def digest_of(document: Any, scheme: str = SCHEME) -> str:
    """`v1:` and 32 hex digits of SHA-256 over the canonical JSON (keys sorted, no spaces)."""
    canonical = msgspec.json.encode(document, order="sorted")
    return f"{scheme}:{hashlib.sha256(canonical).hexdigest()[:32]}"


def definition_digest(service: ServiceSpec) -> str:
    """The digest of what makes a container of this service the one that is wanted."""
    return digest_of(fields_with("replace", to_document(service)))

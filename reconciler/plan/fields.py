"""Which fields of a definition differ, by meaning: typed values are compared, so that defaults and units never show.

What is left out of the comparison, and why:

- the order of lists whose order means nothing (ports, mounts, networks, capabilities, tags …): entries are paired by what
  they are about (a port by its container port, a mount by its target);
- where a file lies (`configs[].source`, `build.context`): the digest of its content counts, and a project may move;
- a digest that is empty on either side: without the key of this project a secret's digest is unknown, and unknown is not
  changed;
- the service's own name: `moved:` changes it, and what runs stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from reconciler.plan.masking import masked
from reconciler.plan.model import FieldChange
from reconciler.spec.desired import Build, EnvFile, FileContent, SecretUse, ServiceSpec, SpecialistSpec
from reconciler.spec.roles import ROLES, SPECIALIST_SETTINGS

CONTENT_CHANGED = "content changed"

# What a change asks for. `rename` is a role of the plan alone: the engine can rename a container, so the declared name
# replaces none.
ChangeRole = Literal["replace", "update", "settings", "rename"]
ContentKind = Literal["", "config", "secret", "env file", "build context"]


class Changed(NamedTuple):
    """One difference, what it asks for, and whose content changed where it is one of content."""

    role: ChangeRole
    change: FieldChange
    content: ContentKind = ""


# A definition that the log lost, or that this release cannot read any more: where it differs cannot be said.
UNKNOWN = Changed("replace", FieldChange("definition", "unknown", "as declared"))

_Found = tuple[FieldChange, ContentKind]
_Compare = Callable[[str, Any, Any], Iterator[_Found]]


def compare(old: ServiceSpec, new: ServiceSpec) -> tuple[Changed, ...]:
    """Every difference between two definitions, in the order of the fields."""
    found: list[Changed] = []
    for field in ServiceSpec.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before != after and field != "name":
            role = _role(field, old, new)
            walk = _FIELDS.get(field, _values)
            found += [Changed(role, masked(change), content) for change, content in walk(field, before, after)]
    return tuple(found)


def compare_specialists(old: SpecialistSpec, new: SpecialistSpec) -> tuple[Changed, ...]:
    """The same for two definitions of a specialist."""
    found: list[Changed] = []
    for field in SpecialistSpec.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            role: ChangeRole = "settings" if field in SPECIALIST_SETTINGS else "replace"
            walk = _SPECIALIST_FIELDS.get(field, _values)
            found += [Changed(role, masked(change), content) for change, content in walk(field, before, after)]
    return tuple(found)


def changes_of(changed: Sequence[Changed]) -> tuple[FieldChange, ...]:
    """The bare differences, as a reason carries them."""
    return tuple(one.change for one in changed)


def values_changed(path: str, old: Any, new: Any) -> tuple[FieldChange, ...]:
    """The differences between two values of the same type."""
    return tuple(change for change, _ in _values(path, old, new))


def _role(field: str, old: ServiceSpec, new: ServiceSpec) -> ChangeRole:
    """A restart policy that the engine carries out is part of the container."""
    if field == "container_name":
        return "rename"
    if field == "restart" and "engine" in (old.restart.supervisor, new.restart.supervisor):
        return "replace"
    return ROLES[field]


def _plain(value: Any) -> Any:
    # By way of JSON, since a plan that was saved has lists where values have tuples.
    return msgspec.json.decode(msgspec.json.encode(value))


def _values(path: str, old: Any, new: Any) -> Iterator[_Found]:
    """Down to the leaves of structs and mappings; everything else is one value."""
    if old == new:
        return
    if isinstance(old, msgspec.Struct) and type(old) is type(new) and not isinstance(old, SecretUse):
        for name in old.__struct_fields__:
            yield from _values(f"{path}.{name}", getattr(old, name), getattr(new, name))
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _values(f"{path}.{key}", old.get(key), new.get(key))
    else:
        yield FieldChange(path, _plain(old), _plain(new)), ""


def _set(path: str, old: Sequence[str], new: Sequence[str]) -> Iterator[_Found]:
    before, after = sorted(set(old)), sorted(set(new))
    if before != after:
        yield FieldChange(path, before, after), ""


def _paired(identity: Callable[[Any], Any], walk: _Compare = _values) -> _Compare:
    """Compare two lists as sets of entries, each known by its identity; paths carry the place in the new list."""

    def compare_lists(path: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[_Found]:
        gone = [one for one in enumerate(old) if one[1] not in new]
        come = [one for one in enumerate(new) if one[1] not in old]
        pairs: list[tuple[int, Any, Any]] = []
        for index, entry in list(come):
            match = next((one for one in gone if identity(one[1]) == identity(entry)), None)
            if match is not None:
                gone.remove(match)
                come.remove((index, entry))
                pairs.append((index, match[1], entry))
        for (_, before), (index, after) in zip(gone, come, strict=False):
            pairs.append((index, before, after))
        pairs += [(index, None, after) for index, after in come[len(gone) :]]
        pairs += [(index, before, None) for index, before in gone[len(come) :]]
        for index, before, after in sorted(pairs, key=lambda one: one[0]):
            same = before is not None and after is not None and identity(before) == identity(after)
            yield from (walk if same else _whole)(f"{path}[{index}]", before, after)

    return compare_lists


def _whole(path: str, old: Any, new: Any) -> Iterator[_Found]:
    yield FieldChange(path, _plain(old), _plain(new)), ""


def _digest_differs(old: str, new: str) -> bool:
    return bool(old and new and old != new)


def _file(path: str, old: FileContent, new: FileContent) -> Iterator[_Found]:
    for name in ("mode", "uid", "gid"):
        yield from _values(f"{path}.{name}", getattr(old, name), getattr(new, name))
    if _digest_differs(old.digest, new.digest):
        yield FieldChange(f"{path}.content", None, CONTENT_CHANGED), "config"


def _network(path: str, old: Any, new: Any) -> Iterator[_Found]:
    yield from _set(f"{path}.aliases", old.aliases, new.aliases)


def _env_files(path: str, old: Sequence[EnvFile], new: Sequence[EnvFile]) -> Iterator[_Found]:
    """Later files override earlier ones, so the order counts."""
    for index in range(max(len(old), len(new))):
        place = f"{path}[{index}]"
        if index >= len(old):
            yield FieldChange(place, None, new[index].source), ""
        elif index >= len(new):
            yield FieldChange(place, old[index].source, None), ""
        elif _digest_differs(old[index].digest, new[index].digest):
            yield FieldChange(place, None, CONTENT_CHANGED), "env file"


def _secret_digests(_: str, old: dict[str, str], new: dict[str, str]) -> Iterator[_Found]:
    for name in sorted(old.keys() & new.keys()):
        if _digest_differs(old[name], new[name]):
            yield FieldChange(f"secrets.{name}", None, CONTENT_CHANGED), "secret"


def _build(path: str, old: Build | None, new: Build | None) -> Iterator[_Found]:
    """The digest covers the arguments and the target too: it is told only where they do not explain it."""
    if old is None or new is None:
        yield (
            FieldChange(
                path,
                old.context if old is not None else None,
                new.context if new is not None else None,
            ),
            "",
        )
        return
    told = [
        one
        for name in ("containerfile", "args", "target")
        for one in _values(f"{path}.{name}", getattr(old, name), getattr(new, name))
    ]
    yield from told
    if not told and _digest_differs(old.digest, new.digest):
        yield FieldChange(f"{path}.context", None, CONTENT_CHANGED), "build context"


_FIELDS: dict[str, _Compare] = {
    "ports": _paired(lambda port: (port.container_port, port.protocol)),
    "mounts": _paired(lambda mount: mount.target),
    "configs": _paired(lambda config: config.target, _file),
    "secrets": _paired(lambda secret: secret.target),
    "networks": _paired(lambda use: use.network, _network),
    "ulimits": _paired(lambda limit: limit.name),
    "env_files": _env_files,
    "secret_digests": _secret_digests,
    "build": _build,
    **dict.fromkeys(("cap_add", "cap_drop", "tags", "profiles", "allow", "notify"), _set),
}

_SPECIALIST_FIELDS: dict[str, _Compare] = {
    "secret_digests": _secret_digests,
    **dict.fromkeys(("capabilities", "tags"), _set),
}

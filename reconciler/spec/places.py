"""Where things stand in the fleet's files: by resource address (`service/web`) or by path (`services.web.ports[0]`).

The tree is walked when somebody asks, since most loads end without a question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.spec.tree import Mapping as Tree
from reconciler.spec.tree import Placed, walk


class Place(NamedTuple):
    """A position; line and column are 1-based."""

    file: str
    line: int
    column: int


SECTIONS = {
    "service": "services",
    "network": "networks",
    "volume": "volumes",
    "secret": "secrets",
    "handler": "handlers",
    "specialist": "specialists",
    "mission": "missions",
}

# Desired fields that are written under another key.
_KEYS = {
    "mounts": "volumes",
    "env_files": "env_file",
    "pid_mode": "pid",
    "ipc_mode": "ipc",
    "stop_grace_ms": "stop_grace_period",
    "secret_digests": "secrets",
    "heartbeat_interval_ms": "heartbeat.interval",
    "heartbeat_timeout_ms": "heartbeat.timeout",
    "engine_name": "name",
}


class Places(Mapping[str, Place]):
    """Addresses and paths to positions; walks the tree at the first question."""

    def __init__(self, root: Tree) -> None:
        self._root = root
        self._found: dict[str, Place] | None = None

    def _all(self) -> dict[str, Place]:
        if self._found is None:
            self._found = {path: _place(at) for path, at in walk(self._root)}
            for kind, section in SECTIONS.items():
                for name in self._names(section):
                    self._found[f"{kind}/{name}"] = self._found[f"{section}.{name}"]
            for mission in self._names("missions"):
                for path in [path for path in self._found if path.startswith(f"missions.{mission}.sorties.")]:
                    if path.count(".") == 3:
                        self._found[f"sortie/{mission}/{path.rpartition('.')[2]}"] = self._found[path]
        return self._found

    def _names(self, section: str) -> list[str]:
        entry = self._root.entries.get(section)
        return list(entry.value.entries) if entry is not None and isinstance(entry.value, Tree) else []

    def field(self, address: str, field: str) -> Place | None:
        """The place of a desired field (`ports`, `resources.memory`) of a resource: of the nearest key in the file."""
        found = self._all()
        kind, _, name = address.partition("/")
        base = (
            f"missions.{name.replace('/', '.sorties.')}" if kind == "sortie" else f"{SECTIONS.get(kind, kind)}.{name}"
        )
        parts = [_KEYS.get(part, part.removesuffix("_ms")) for part in field.split(".")]
        while parts:
            place = found.get(f"{base}.{'.'.join(parts)}")
            if place is not None:
                return place
            parts.pop()
        return found.get(address)

    def __getitem__(self, key: str) -> Place:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _place(at: Placed) -> Place:
    return Place(at.source.shown, at.line, at.column)

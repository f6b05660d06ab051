"""Which files a fleet depends on, and a mark that changes when any of them does.

The mark asks the file system only for times, sizes and numbers of files, so it can be taken every second; whether a change
means anything is found out by reading. It is right for every way of saving, since it asks what is there and not what
happened. What it does not cover, build contexts with all that is in them, is told by the file system's own notices and
found by the next look.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.spec.inputs import list_pattern

_FILES = ("files", "contents", "env_files", "links")
Mark = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """The files, patterns and build contexts that matter."""

    files: frozenset[Path] = frozenset()
    patterns: tuple[str, ...] = ()
    contexts: frozenset[Path] = field(default=frozenset())

    def mark(self) -> Mark:
        """What stands for the present state of the files."""
        listed = tuple(tuple(list_pattern(pattern)) for pattern in self.patterns)
        return (*((str(path), _stat(path)) for path in sorted(self.files)), listed)

    def folders(self) -> frozenset[Path]:
        """Folders in which something happens when one of the files changes, by whatever way of saving."""
        found: set[Path] = set()
        for path in self.files:
            found.update(_folders(path))
        for pattern in self.patterns:
            found.update(Path(match).parent for match in list_pattern(pattern))
            fixed = pattern.split("*")[0].split("?")[0].split("[")[0]
            found.add(Path(os.path.dirname(fixed)))
        return frozenset(folder for folder in found if folder.is_dir())


def watched(inputs: Mapping[str, Any], *, file: Path, project: Path, more: Iterable[str] = ()) -> Watched:
    """What to watch for the inputs of a reading.

    Args:
        more: files beside those, such as the ones that are wrong.
    """
    files = {file, *(project / name for name in more if name)}
    for part in _FILES:
        files.update(project / name for name in inputs.get(part, {}))
    files.update(project / secret["file"] for secret in inputs.get("secrets", {}).values() if secret.get("file"))
    patterns = tuple(sorted(str(project / pattern) for pattern in inputs.get("globs", {})))
    contexts = frozenset(project / name.rpartition(":")[0] for name in inputs.get("contexts", {}))
    return Watched(frozenset(files), patterns, contexts)


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _folders(path: Path) -> set[Path]:
    """The folder of a path, of each link on the way and of where it leads; of what is missing, the nearest one above."""
    found: set[Path] = set()
    whole = Path(os.path.abspath(path))
    for place in (whole, *whole.parents):
        if place.is_symlink():
            found.add(place.parent)
    for start in (whole, Path(os.path.realpath(path))):
        found.add(next((folder for folder in start.parents if folder.is_dir()), start.parent))
    return found

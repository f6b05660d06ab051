"""A project as people name it: which file, which folder, and how the file is to be read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE_NAMES = ("fleet.yaml", "fleet.yml")


@dataclass(frozen=True, slots=True)
class Project:
    """Which project something is about, and how its file is to be read.

    Attributes:
        file: the fleet file; it may be missing, which is the loader's to say.
        directory: the project's folder, whose resolved path names its data.
        database: where the log is, if somebody said so; empty for its usual place.
        remote: the server of a fleet on another machine; empty for one on this.
    """

    file: Path
    directory: Path
    env: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    var_files: tuple[Path, ...] = ()
    profiles: tuple[str, ...] = ()
    database: str = ""
    remote: str = ""


def find_file(start: Path) -> Path:
    """The nearest fleet file in `start` or a folder above it; where it would be when there is none."""
    for folder in (start, *start.parents):
        for name in FILE_NAMES:
            if (folder / name).exists():
                return folder / name
    return start / FILE_NAMES[0]


def project_at(place: Path) -> Project:
    """The project of a fleet file, or of a folder: its own file, or the nearest one in a folder above."""
    place = Path(os.path.abspath(place))
    file = find_file(place) if place.is_dir() else place
    return Project(file=file, directory=file.parent.resolve())

"""Loading: a fleet's files to one typed value, or every problem in them with its place.

    text → positioned tree → includes joined, overlay laid over → variables filled in → read section by section →
    checked as a whole → Desired

Nothing is started and nothing written; secrets are looked up only when there is a key for their digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors import Problem, SpecInvalid
from reconciler.paths import project_hash
from reconciler.spec.desired import Desired
from reconciler.spec.filling import fill
from reconciler.spec.gather import gather
from reconciler.spec.inputs import Inputs, LoadOptions, settled
from reconciler.spec.places import Place, Places
from reconciler.spec.problems import Problems
from reconciler.spec.reading import Reading
from reconciler.spec.shape.fleet import read_fleet
from reconciler.spec.variables import collect

__all__ = ["FileRead", "LoadOptions", "Loaded", "Place", "load"]


@dataclass(frozen=True, slots=True)
class FileRead:
    """One YAML file that was read: its path, relative to the project where it lies in it, and `sha256:…`."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid fleet.

    Attributes:
        desired: what it means.
        files: the YAML files that were read.
        inputs: everything that the result depends on, as a JSON document for `inputs.unchanged`.
        places: resource address (`service/web`) or path (`services.web.ports[0]`) to position.
        warnings: what a person should know although the files are right.
    """

    desired: Desired
    files: tuple[FileRead, ...]
    inputs: dict[str, Any]
    places: Mapping[str, Place]
    warnings: tuple[Problem, ...]


def load(file: Path, *, project: Path, options: LoadOptions | None = None) -> Loaded:
    """The fleet that a file declares.

    Args:
        file: the main file.
        project: the project's folder; includes stay inside it.
        options: overlay, variables, profiles, environment and the key of digests.

    Raises:
        SpecInvalid: with every problem of every file.
    """
    options = options if options is not None else LoadOptions()
    file, project = settled(file, project)
    problems = Problems()
    inputs = Inputs(file, project, options)
    root, has_references = gather(file, options.env, project, inputs, problems)
    if root is None:
        raise SpecInvalid(problems.found)
    variables = collect(root, options, inputs, problems)
    if has_references:
        root = fill(root, variables, problems)
    reading = Reading(problems, inputs, project, file, key=options.key)
    desired = read_fleet(root, reading, options, project_hash(project))
    if problems.found:
        raise SpecInvalid(problems.found)
    read = tuple(FileRead(path, digest) for path, digest in sorted(inputs.files.items()) if digest)
    return Loaded(desired, read, inputs.document(), Places(root), tuple(problems.warnings))

"""A build's context: which files of a folder go to the engine, and where its instructions are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import ActionFailed
from reconciler.runtime.podman.archive import context_archive

_INSTRUCTIONS = ("Containerfile", "Dockerfile")
_OUTSIDE = ".fleet-containerfile"


def build_context(folder: Path, containerfile: str, doing: str) -> tuple[str, Iterator[bytes]]:
    """The name of the instructions inside the archive, and the archive.

    Raises:
        ActionFailed: the folder or the instructions are not there.
    """
    if not folder.is_dir():
        raise ActionFailed(f"could not {doing}: there is no folder {folder}")
    path = _instructions(folder, containerfile, doing)
    files = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*"))]
    return str(path.relative_to(folder)), context_archive(folder, files)


def _instructions(folder: Path, containerfile: str, doing: str) -> Path:
    for name in (containerfile,) if containerfile else _INSTRUCTIONS:
        if (folder / name).is_file():
            return folder / name
    wanted = containerfile or " or ".join(_INSTRUCTIONS)
    raise ActionFailed(f"could not {doing}: there is no {wanted} in {folder}")

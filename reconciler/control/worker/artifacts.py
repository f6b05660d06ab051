"""What attempts leave behind on disk: artifacts by the digest of their content, and what each attempt printed.

Paths come from a command's output, so each is looked at before it is followed: it has to be a regular file inside the
folder that the specialist works in.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from reconciler.control.worker.office import Artifact
from reconciler.events.store.files import make_private_folder

MAX_BYTES = 256 * 1024 * 1024
_PIECE = 1_048_576
_SCHEME = "sha256"


class Refused(Exception):
    """A path that is no artifact; says why."""


def artifact_file(folder: Path, digest: str) -> Path:
    """Where the content with a digest lies below a project's data folder."""
    _, _, hexadecimal = digest.partition(":")
    return folder / "artifacts" / _SCHEME / hexadecimal[:2] / hexadecimal


def log_file(folder: Path, sortie_id: str, attempt: int, *, review: str = "") -> Path:
    """Where the output of an attempt, or of a review, lies below a project's data folder."""
    name = f"{review}.log" if review else f"{attempt}.log"
    return folder / "output" / sortie_id / name


def keep(paths: Iterable[str], *, work: Path, folder: Path) -> tuple[list[Artifact], list[str]]:
    """Keep the content of files.

    Args:
        paths: as a command named them, relative to where it worked or absolute.
        work: where it worked; nothing outside is kept.
        folder: the project's data folder.

    Returns:
        What was kept, with paths relative to `work`; and why the rest was not.
    """
    kept: dict[str, Artifact] = {}
    problems: list[str] = []
    for path in paths:
        try:
            artifact = _keep(path, work, folder)
        except Refused as refused:
            problems.append(str(refused))
        except OSError as error:
            problems.append(f"{path} cannot be kept: {error.strerror}")
        else:
            kept[artifact.path] = artifact
    return list(kept.values()), problems


def _keep(path: str, work: Path, folder: Path) -> Artifact:
    root = work.resolve()
    try:
        real = (root / path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise Refused(f"{path} is not there") from None
    if not real.is_relative_to(root):
        raise Refused(f"{path} lies outside {root}")
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as source:
        found = os.fstat(source.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{path} is no file")
        if found.st_size > MAX_BYTES:
            raise Refused(f"{path} is larger than {MAX_BYTES} bytes")
        store = private(folder / "artifacts")
        with tempfile.NamedTemporaryFile(dir=store, delete=False) as copy:
            digest, size = hashlib.sha256(), 0
            while piece := source.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                copy.write(piece)
    name = f"{_SCHEME}:{digest.hexdigest()}"
    target = artifact_file(folder, name)
    private(target.parent)
    os.replace(copy.name, target)
    return Artifact(real.relative_to(root).as_posix(), name, size)


def write_log(file: Path, content: bytes) -> None:
    """Keep what an attempt printed."""
    private(file.parent)
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)


def private(folder: Path) -> Path:
    """A folder for this user's eyes only, made if it is not there."""
    make_private_folder(folder)
    return folder

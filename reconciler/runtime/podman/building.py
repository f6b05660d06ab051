"""A build's context as the engine takes it: one archive, streamed, of the files that the build's digest covers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import ActionFailed
from reconciler.runtime.podman.archive import END, file_entry
from reconciler.spec.contents import CONTAINERFILES, Member, context_members
from reconciler.spec.source import Unreadable

# Instructions may lie beside their context; inside the archive they need a name that no file of the context has.
_BROUGHT_IN = ".fleet-containerfile"


def build_context(folder: Path, containerfile: str, doing: str) -> tuple[str, Iterator[bytes]]:
    """The name of the instructions inside the archive, and the archive.

    Args:
        folder: the context.
        containerfile: its instructions, relative to it; empty for the usual names.
        doing: what this is for, as it follows "could not".

    Raises:
        ActionFailed: the folder or the instructions are not there or cannot be read; reading the archive raises it too.
    """
    try:
        members = context_members(folder, containerfile)
    except Unreadable as problem:
        raise ActionFailed(f"could not {doing}: {folder} {problem}") from problem
    names = {member.path for member in members}
    wanted = containerfile or next(name for name in CONTAINERFILES if name in names)
    outside = wanted.startswith(("/", "../"))
    return _BROUGHT_IN if outside else wanted, _archive(members, wanted if outside else "", doing)


def _archive(members: list[Member], brought_in: str, doing: str) -> Iterator[bytes]:
    for member in members:
        name = _BROUGHT_IN if member.path == brought_in else member.path
        try:
            yield from file_entry(member.full, name)
        except OSError as error:
            raise ActionFailed(f"could not {doing}: {member.full} cannot be read ({error.strerror})") from error
    yield END

"""What errors of the disk mean for whoever tends the log."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import LogUnusable

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


@contextmanager
def on_disk(outcome: str, where: Path) -> Iterator[None]:
    """Let no `OSError` out of this block untranslated.

    Args:
        outcome: what did not happen then, such as `nothing was moved`.

    Raises:
        LogUnusable: in place of one.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        raise LogUnusable(
            f"{'the disk is full' if full else f'the disk failed ({error.strerror})'}: {outcome}",
            where=str(error.filename or where),
            hint="free some space and try again" if full else "check the disk and who owns the folder",
        ) from error

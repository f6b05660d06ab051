"""What a check finds, and what it may look at."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Level = Literal["ok", "note", "warning", "broken"]

# Where administration programs are that an ordinary user's PATH leaves out.
_MORE_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: its name, `podman` or `network`.
        level: `note` is worth knowing, `warning` will hurt some day, `broken` keeps Fleet from working.
        what: a sentence.
        mend: what to do about it; empty for what is well.
    """

    check: str
    level: Level
    what: str
    mend: str = ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The machine as the checks see it.

    Attributes:
        root: where the file system begins; tests lay out another one.
        platform: as `sys.platform`.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    root: Path = Path("/")
    uid: int = field(default_factory=os.geteuid)
    user: str = field(default_factory=_user)
    platform: str = sys.platform

    def path(self, absolute: str) -> Path:
        """A place of the file system."""
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str) -> str:
        """The text of a file; empty when it cannot be read."""
        try:
            return self.path(absolute).read_text(errors="replace")
        except OSError:
            return ""

    def program(self, name: str) -> str | None:
        """Path of a program, those of administrators included; None when it is not installed."""
        places = os.pathsep.join((self.environ.get("PATH", os.defpath), *(str(self.path(p)) for p in _MORE_PLACES)))
        return shutil.which(name, path=places)

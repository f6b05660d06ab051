"""Who began this, through which door, and from which commit.

The commit is told only where it is true: the fleet file is tracked and is byte for byte what that commit holds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.control.ci.server import BuildServer
from reconciler.events.envelope import Cause, Source

_GIT_SECONDS = 5


def cause_of(file: Path, *, source: Source = "cli", environ: Mapping[str, str] = os.environ) -> Cause:
    """The cause of what this process is about to record."""
    return Cause(actor=actor(environ), source=source, commit=commit_of(file))


@dataclass(frozen=True, slots=True)
class Origin:
    """What the commit says beside its id; empty where it does not."""

    author: str = ""
    branch: str = ""


def cause_in_ci(file: Path, server: BuildServer, *, source: Source, environ: Mapping[str, str]) -> Cause:
    """The cause of what a build server's run is about to record.

    The server's word for the commit counts where there is no checkout to ask, as in an unpacked archive.
    """
    who = environ.get("FLEET_ACTOR") or server.actor or actor(environ)
    commit = commit_of(file) if in_repository(file) else server.commit
    agent = f"{server.kind} {server.url}".strip() if server.kind != "git" else ""
    return Cause(actor=who, source=source, commit=commit, user_agent=agent)


def origin_of(file: Path, commit: str, *, branch: str = "") -> Origin:
    """Who wrote a commit, and on which branch it lies.

    Args:
        branch: what a build server says; its checkouts lie on none.
    """
    if not commit:
        return Origin(branch=branch)
    author = _git(file, "log", "-1", "--format=%an", commit) or ""
    return Origin(author, branch or _git(file, "symbolic-ref", "--short", "-q", "HEAD") or "")


def in_repository(file: Path) -> bool:
    """Whether the file lies in a checkout."""
    return any((folder / ".git").exists() for folder in file.resolve().parents)


def actor(environ: Mapping[str, str] = os.environ) -> str:
    """`FLEET_ACTOR`, else the operating system's name for the user."""
    named = environ.get("FLEET_ACTOR")
    if named:
        return named
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container may run under a number that no user has.
        return environ.get("USER") or f"uid {os.getuid()}"


def commit_of(file: Path) -> str:
    """The full id of HEAD when it holds this file exactly as it is on disk; empty otherwise, and without git."""
    if not in_repository(file):
        return ""
    clean = _git(file, "status", "--porcelain", "--ignored", "--", file.name)
    if clean is None or clean:
        return ""
    return _git(file, "rev-parse", "--verify", "HEAD") or ""


def _git(file: Path, *arguments: str) -> str | None:
    """What git prints; None when it refuses or is not there."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            ("git", "-C", str(file.resolve().parent), *arguments),
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None

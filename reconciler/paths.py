"""Where a project's data lives on this machine."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path


def project_hash(project: Path) -> str:
    """First 12 hex digits of SHA-256 over the absolute, resolved project path."""
    return hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:12]


def data_dir() -> Path:
    """`FLEET_DATA_DIR`, else the platform's user data directory (`~/.local/share/fleet` on Linux)."""
    configured = os.environ.get("FLEET_DATA_DIR")
    if configured:
        return Path(configured).expanduser().resolve()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fleet"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "fleet"


def project_data_dir(project: Path) -> Path:
    """The folder of one project's database, keys and sockets; made 0700 by whoever writes there first."""
    return data_dir() / project_hash(project)

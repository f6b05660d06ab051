"""Stand-ins for three agents: executables that take the flags and speak the formats that those document.

What a stand-in does wrong is named by `STAND_IN_FAULT`; without one it does its task. Each writes how it was called, and
what it was told, to the file that `STAND_IN_CALLS` names.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "bin"


def with_stand_ins(environment: dict[str, str], calls: Path, fault: str = "") -> dict[str, str]:
    """An environment in which the agents' names mean the stand-ins."""
    path = f"{FOLDER}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return {**environment, "PATH": path, "STAND_IN_FAULT": fault, "STAND_IN_CALLS": str(calls)}

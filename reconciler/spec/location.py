"""Which file holds a project's event log.

In order: the command's own flag, `FLEET_DATABASE_URL`, `database:` in fleet.yaml, the project's folder under the data
directory. The log must be found before the file is loaded (an unchanged file is not loaded at all), so only a file
that has a `database:` block is read for it, and a file that cannot be read decides nothing here: the loader reports it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.errors import FleetError
from reconciler.paths import project_data_dir
from reconciler.spec.source import MAX_FILE_BYTES, Unreadable, read_regular

DATABASE_NAME = "squawk.db"

_DATABASE_BLOCK = re.compile(rb"^database\s*:", re.MULTILINE)
_NEXT_BLOCK = re.compile(rb"^[^\s#}\]]", re.MULTILINE)
_URL_SCHEME = re.compile(r"^(\w+)(\+\w+)?://")


def database_path(project: Path, file: Path, *, flag: str = "", environ: Mapping[str, str]) -> Path:
    """The absolute path of the SQLite file.

    Raises:
        FleetError: for a URL of another kind of database.
    """
    if flag:
        return _from_text(flag, Path.cwd())
    if environ.get("FLEET_DATABASE_URL"):
        return _from_text(environ["FLEET_DATABASE_URL"], Path.cwd())
    declared = _declared(file)
    if declared:
        return _from_text(declared, project)
    return project_data_dir(project) / DATABASE_NAME


def _from_text(text: str, base: Path) -> Path:
    scheme = _URL_SCHEME.match(text)
    if scheme is None:
        return (base / Path(text).expanduser()).resolve()
    if scheme[1] != "sqlite":
        raise FleetError(
            f"the event log cannot live in a {scheme[1]} database",
            hint="give a path or sqlite:///path (four slashes for an absolute one)",
        )
    rest = text[scheme.end() :]
    return (base / rest.removeprefix("/")).resolve()


def _declared(file: Path) -> str:
    """`database.path` or `database.url` of the file, when it has that block; variables are not allowed in it."""
    try:
        data = read_regular(file, limit=MAX_FILE_BYTES)
    except Unreadable:
        return ""
    begin = _DATABASE_BLOCK.search(data)
    if begin is None:
        return ""
    # The rest of a large file need not be parsed for this, unless the block leans on it (an alias, say).
    end = _NEXT_BLOCK.search(data, begin.end())
    block = data[begin.start() : end.start() if end else len(data)]
    document = _parsed(block) or _parsed(data)
    settings = document.get("database") if isinstance(document, dict) else None
    if not isinstance(settings, dict):
        return ""
    chosen = settings.get("url") or settings.get("path") or ""
    return chosen if isinstance(chosen, str) else ""


def _parsed(data: bytes) -> Any:
    import yaml

    try:
        return yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None

"""The files of a project and which of them import which, for proposing sorties. Read-only, and quick: half a second for
a few thousand files.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

_MOST_FILES = 20_000
_MOST_BYTES = 200_000
_GIT_SECONDS = 5
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "build", "dist", "target", "vendor"})
_PYTHON = re.compile(rb"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+([\w, \t(*]+)|import[ \t]+([\w., \t]+))", re.M)
_SCRIPT = re.compile(rb"""(?:from|import|require\()\s*['"](\.{1,2}/[^'"]+)['"]""")
_SCRIPT_ENDINGS = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte")


def files_of(folder: Path) -> list[str]:
    """The project's files as relative POSIX paths: what git knows or would add, else whatever lies there."""
    found = _from_git(folder)
    return sorted(found if found is not None else _walk(folder))[:_MOST_FILES]


def imports_of(folder: Path, files: Iterable[str]) -> dict[str, set[str]]:
    """Each file to the project's files that it imports, for Python, JavaScript and TypeScript."""
    known = set(files)
    modules = {_module(path): path for path in sorted(known) if path.endswith(".py")}
    found: dict[str, set[str]] = {}
    for path in sorted(known):
        if path.endswith(".py"):
            found[path] = set(_python(path, _text(folder / path), modules)) - {path}
        elif path.endswith(_SCRIPT_ENDINGS):
            found[path] = set(_script(path, _text(folder / path), known)) - {path}
    return found


def _from_git(folder: Path) -> list[str] | None:
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [name for name in dict.fromkeys(names) if name and not _hidden(name) and (folder / name).is_file()]


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _walk(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in _SKIPPED)
        for name in names:
            if not name.startswith("."):
                yield (Path(place) / name).relative_to(folder).as_posix()


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return b""


def _module(path: str) -> str:
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    if parts[0] == "src" and len(parts) > 1:
        parts.pop(0)
    return ".".join(parts)


def _python(path: str, text: bytes, modules: dict[str, str]) -> Iterator[str]:
    package = _module(path).split(".")
    if not path.endswith("/__init__.py"):
        package = package[:-1]
    for source, names, plain in _PYTHON.findall(text):
        for name in plain.decode().split(","):
            yield from _found(name.split(" as ")[0].strip(), modules)
        if source:
            word = source.decode()
            level = len(word) - len(word.lstrip("."))
            base = package[: len(package) - level + 1] if level else []
            stem = ".".join([*base, *(one for one in word.lstrip(".").split(".") if one)])
            yield from _found(stem, modules)
            for name in re.findall(r"\w+", names.decode()):
                yield from _found(f"{stem}.{name}", modules)


def _found(name: str, modules: dict[str, str]) -> Iterator[str]:
    if name in modules:
        yield modules[name]


def _script(path: str, text: bytes, known: set[str]) -> Iterator[str]:
    for word in _SCRIPT.findall(text):
        target = os.path.normpath(str(PurePosixPath(path).parent / word.decode("utf-8", "replace")))
        endings = ("", *_SCRIPT_ENDINGS, *(f"/index{ending}" for ending in _SCRIPT_ENDINGS))
        stem = target.removesuffix(".js")
        for candidate in dict.fromkeys(f"{base}{ending}" for base in (target, stem) for ending in endings):
            if candidate in known:
                yield candidate
                break

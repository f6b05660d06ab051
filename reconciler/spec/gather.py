"""From one file to the whole tree: includes joined, then the overlay of an environment laid over them.

Joining is strict: what two files define under one name is an error that shows both places. Laying over is a deep merge,
with one rule a kind: mappings are merged key by key, anything else (lists too) is replaced as a whole, and null takes a
key away. Included files stay inside the project, symbolic links counted.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import Problem
from reconciler.spec.compose import compose
from reconciler.spec.inputs import Inputs, list_pattern
from reconciler.spec.problems import Problems
from reconciler.spec.source import Unreadable, read_source, shown_path
from reconciler.spec.tree import Entry, Mapping, Node, Scalar, Sequence, child, is_null, kind_of
from reconciler.spec.wording import quoted, visible

# Sections whose keys are names: files add to them.
NAMED_SECTIONS = frozenset(
    {"services", "networks", "volumes", "secrets", "variables", "handlers", "specialists", "missions", "moved"}
)
LISTED_SECTIONS = frozenset({"notifications"})
MAX_FILES = 1_000

_JOINED = NAMED_SECTIONS | LISTED_SECTIONS

_ENVIRONMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PATTERN_SIGNS = frozenset("*?[")


@dataclass(slots=True)
class _Gathering:
    project: Path
    inputs: Inputs
    problems: Problems
    root: Path
    done: set[Path] = field(default_factory=set)
    has_references: bool = False


def gather(file: Path, env: str, project: Path, inputs: Inputs, problems: Problems) -> tuple[Mapping | None, bool]:
    """The merged tree of a fleet, None when the main file cannot be used; and whether any of its files holds a `$`."""
    work = _Gathering(project, inputs, problems, file)
    base = _read(file, work)
    if base is not None:
        base.entries = {key: _own_copy(entry) if key in _JOINED else entry for key, entry in base.entries.items()}
    overlay = _overlay(file, env, work) if env else None
    if base is None:
        return None, False
    if not base.entries:
        # An editor that truncates before it writes leaves this for a moment: it must not mean that everything is to go.
        hint = "a fleet without services says so with services: {}"
        problems.add(Problem(shown_path(file), 0, 0, "", "this is empty", hint))
    chosen = overlay if overlay is not None and "include" in overlay.entries else base
    _include(chosen.entries.get("include"), base, [file], work)
    for tree in (base, overlay):
        if tree is not None:
            tree.entries.pop("include", None)
    return (base if overlay is None else lay_over(base, overlay, problems)), work.has_references


def overlay_path(file: Path, env: str) -> Path:
    """Where the overlay of an environment lies: `fleet.prod.yaml` beside `fleet.yaml`."""
    return file.with_name(f"{file.stem}.{env}{file.suffix}")


def _read(path: Path, work: _Gathering) -> Mapping | None:
    work.done.add(Path(os.path.realpath(path)))
    try:
        source = read_source(path)
    except Unreadable as error:
        work.inputs.file(path, "")
        message = f"this {error}" if os.path.lexists(path) else "there is no such file"
        hint = "fleet init writes a first one" if path == work.root and not os.path.lexists(path) else ""
        work.problems.add(Problem(shown_path(path), error.line, error.column, "", message, hint))
        work.problems.incomplete = True
        return None
    work.inputs.file(path, source.digest)
    work.has_references |= "$" in source.text
    return compose(source, work.problems)


def _overlay(file: Path, env: str, work: _Gathering) -> Mapping | None:
    if not _ENVIRONMENT.fullmatch(env):
        work.problems.add(
            Problem("--env", 0, 0, "", f"{quoted(env)} cannot be an environment", "letters, digits, _ and -")
        )
        return None
    path = overlay_path(file, env)
    if not path.exists():
        work.inputs.file(path, "")
        there = sorted(found.name for found in file.parent.glob(f"{file.stem}.*{file.suffix}"))
        hint = f"there are: {', '.join(there)}" if there else "an overlay lies beside the fleet's file"
        message = f"there is no overlay {quoted(path.name)} for the environment {quoted(env)}"
        work.problems.add(Problem(shown_path(file), 0, 0, "", message, hint))
        return None
    return _read(path, work)


def _include(entry: Entry | None, into: Mapping, chain: list[Path], work: _Gathering) -> None:
    """Read what an `include` names and join it into the tree, files before the files that they include."""
    if entry is None or is_null(entry.value):
        return
    nodes = entry.value.items if isinstance(entry.value, Sequence) else [entry.value]
    for index, node in enumerate(nodes):
        path = child("include", index) if isinstance(entry.value, Sequence) else "include"
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            work.problems.wrong(node, path, f"this is {kind_of(node)} where a path or pattern is wanted")
            continue
        if "${" in node.text:
            work.problems.wrong(
                node, path, "variables cannot be used here", "includes are read before variables have values"
            )
            continue
        for target in _targets(node, path, chain, work):
            if len(work.done) >= MAX_FILES:
                work.problems.wrong(node, path, f"more than {MAX_FILES:,} files are included")
                return
            included = _read(target, work)
            if included is None:
                continue
            below = included.entries.pop("include", None)
            join(into, included, work.problems)
            _include(below, into, [*chain, target], work)


def _targets(node: Scalar, path: str, chain: list[Path], work: _Gathering) -> list[Path]:
    """The files that one entry of an include stands for and that were not read yet."""
    import glob

    if set(node.text) & _PATTERN_SIGNS:
        if node.text.count("**") > 1:
            work.problems.wrong(node, path, "a pattern holds ** once at most")
            return []
        pattern = os.path.normpath(os.path.join(glob.escape(str(node.source.folder)), node.text))
        matches = list_pattern(pattern)
        work.inputs.listing(pattern, matches)
        wanted = [Path(match) for match in matches if not _is_own(Path(match), work)]
        allowed = all(_may_be_read(target, node, path, work) for target in wanted)
        return [target for target in wanted if not _done(target, work)] if allowed else []
    target = Path(os.path.normpath(node.source.folder / node.text))
    if not _may_be_read(target, node, path, work):
        return []
    for position, earlier in enumerate(chain):
        if os.path.realpath(earlier) == os.path.realpath(target):
            names = " → ".join(shown_path(step) for step in [*chain[position:], target])
            work.problems.wrong(node, path, f"the files include each other in a circle: {names}")
            return []
    if not target.exists():
        work.inputs.file(target, "")
        work.problems.wrong(node, path, f"there is no file {quoted(node.text)}")
        work.problems.incomplete = True
        return []
    return [] if _done(target, work) else [target]


def _done(target: Path, work: _Gathering) -> bool:
    return Path(os.path.realpath(target)) in work.done


def _is_own(match: Path, work: _Gathering) -> bool:
    """Whether a pattern met the main file or one of its overlays, which are never included."""
    root = work.root
    return match.parent == root.parent and match.suffix == root.suffix and match.name.startswith(f"{root.stem}.")


def _may_be_read(target: Path, node: Scalar, path: str, work: _Gathering) -> bool:
    try:
        str(target).encode()
        real = Path(os.path.realpath(target))
    except (UnicodeEncodeError, ValueError, OSError):
        work.problems.wrong(node, path, "this names a file whose name is not UTF-8 text")
        return False
    if not real.is_relative_to(os.path.realpath(work.project)):
        message = f"{quoted(node.text)} leads out of the project, to {visible(str(real))}"
        work.problems.wrong(node, path, message, "includes stay inside of it")
        return False
    return True


def join(into: Mapping, other: Mapping, problems: Problems) -> None:
    """Add what an included file defines; what both define is reported with both places."""
    for key, entry in other.entries.items():
        present = into.entries.get(key)
        if key.startswith("x-"):
            continue
        if key in {"version", "name"} and present is not None and _same_scalar(present.value, entry.value):
            continue
        if present is None or is_null(present.value):
            into.entries[key] = _own_copy(entry) if key in _JOINED else entry
        elif key in NAMED_SECTIONS and isinstance(present.value, Mapping) and isinstance(entry.value, Mapping):
            for name, definition in entry.value.entries.items():
                _define(present.value, name, definition, child(key, name), problems)
        elif key in LISTED_SECTIONS and isinstance(present.value, Sequence) and isinstance(entry.value, Sequence):
            present.value.items.extend(entry.value.items)
        elif not is_null(entry.value):
            _twice(entry, present, key, f"{quoted(key)} is set in two files", problems)


def _own_copy(entry: Entry) -> Entry:
    """The entry with a collection of its own, since the next files add to it and an alias may share the first one."""
    value = entry.value
    if isinstance(value, Mapping):
        value = Mapping(value.source, value.line, value.column, dict(value.entries))
    elif isinstance(value, Sequence):
        value = Sequence(value.source, value.line, value.column, list(value.items))
    return Entry(entry.source, entry.line, entry.column, value)


def _define(into: Mapping, name: str, definition: Entry, path: str, problems: Problems) -> None:
    first = into.entries.get(name)
    if first is None:
        into.entries[name] = definition
    else:
        _twice(definition, first, path, f"{quoted(name)} is defined twice", problems)


def _twice(second: Entry, first: Entry, path: str, message: str, problems: Problems) -> None:
    problems.wrong(second, path, message, f"the first is at {first.source.shown}:{first.line}:{first.column}")


def _same_scalar(one: Node, other: Node) -> bool:
    return isinstance(one, Scalar) and isinstance(other, Scalar) and one.value == other.value


def lay_over(base: Mapping, overlay: Mapping, problems: Problems, path: str = "") -> Mapping:
    """The base with an overlay's keys over it, as a new tree."""
    entries = dict(base.entries)
    for key, entry in overlay.entries.items():
        below = entries.get(key)
        if below is None:
            if not is_null(entry.value):
                entries[key] = entry
        elif is_null(entry.value):
            del entries[key]
        elif isinstance(below.value, Mapping) and isinstance(entry.value, Mapping):
            merged = lay_over(below.value, entry.value, problems, child(path, key))
            entries[key] = Entry(below.source, below.line, below.column, merged)
        else:
            entries[key] = entry
            _check_forms(below, entry, child(path, key), problems)
    return Mapping(base.source, base.line, base.column, entries)


def _check_forms(below: Entry, above: Entry, path: str, problems: Problems) -> None:
    """A list against a mapping is two spellings of one thing; replacing would lose what the person meant to add to."""
    if {type(below.value), type(above.value)} == {Mapping, Sequence}:
        problems.wrong(
            above,
            path,
            f"the overlay has {kind_of(above.value)} where {below.source.shown}:{below.line} has {kind_of(below.value)}",
            "write both as mappings to merge them, both as lists to replace",
        )

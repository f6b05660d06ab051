"""Compose files read into one tree: overrides laid over, `include` joined, `extends` followed.

Errors here are errors of the Compose file itself, each with its place; nothing is converted from a file that is broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.errors import NotFound, SpecInvalid
from reconciler.spec.compose import compose
from reconciler.spec.composefile.merging import canonical, lay_over
from reconciler.spec.composefile.notes import Notes
from reconciler.spec.composefile.variables import Variables, evaluated
from reconciler.spec.problems import Problems, did_you_mean
from reconciler.spec.source import Unreadable, read_source, shown_path
from reconciler.spec.tree import Entry, Mapping, Node, Placed, Scalar, child, is_null
from reconciler.spec.tree import Sequence as Items
from reconciler.spec.wording import quoted

_SECTIONS = ("services", "networks", "volumes", "configs", "secrets")
_OVERRIDES = ("compose.override.yaml", "compose.override.yml", "docker-compose.override.yml")
_DEPTH = 32


class Reader:
    """Reads the Compose files of one project."""

    def __init__(self, variables: Variables, notes: Notes) -> None:
        self.problems = Problems()
        self._variables = variables
        self._notes = notes
        self._trees: dict[Path, Mapping] = {}

    def project(self, files: Sequence[Path]) -> Mapping:
        """The whole project: every later file over the ones before it.

        Raises:
            NotFound: a file is not there.
            SpecInvalid: with every problem of every file.
        """
        root: Node | None = None
        for file in files:
            tree = self._canonical(self._included(self._tree(file, files[0].parent), file, 0))
            root = tree if root is None else lay_over(root, tree)
        assert isinstance(root, Mapping)
        root = self._extended(root)
        if self.problems.found:
            raise SpecInvalid(self.problems.found)
        self._say_override(files, root)
        return root

    def _tree(self, file: Path, folder: Path) -> Mapping:
        """One file with its interpolations turned into ours; `folder` is what its paths are relative to."""
        file = file.resolve()
        if file not in self._trees:
            try:
                source = replace(read_source(file), folder=folder.resolve())
            except Unreadable as error:
                raise NotFound(f"the Compose file {shown_path(file)} {error}") from None
            tree = compose(source, self.problems)
            if tree is None:
                raise SpecInvalid(self.problems.found)
            filled = self._variables.fill(tree, "")
            assert isinstance(filled, Mapping)
            self._trees[file] = filled
        return self._trees[file]

    def _canonical(self, root: Mapping) -> Mapping:
        services = root.entries.get("services")
        if services is None or not isinstance(services.value, Mapping):
            return root
        changed = {
            name: Entry(entry.source, entry.line, entry.column, canonical(entry.value))
            for name, entry in services.value.entries.items()
        }
        inner = Mapping(services.value.source, services.value.line, services.value.column, changed)
        entry = Entry(services.source, services.line, services.column, inner)
        return Mapping(root.source, root.line, root.column, {**root.entries, "services": entry})

    def _included(self, root: Mapping, file: Path, depth: int) -> Mapping:
        """The tree with what its `include` names; a file's own words go over those of what it includes."""
        entry = root.entries.get("include")
        if entry is None or is_null(entry.value):
            return root
        if depth > _DEPTH:
            self.problems.wrong(entry, "include", "the files include each other")
            return root
        below: Node | None = None
        for path, folder, at in self._include_paths(entry.value, file):
            try:
                tree = self._tree(path, folder)
            except NotFound as error:
                self.problems.wrong(at, "include", str(error))
                continue
            tree = self._canonical(self._included(tree, path, depth + 1))
            sections = {key: tree.entries[key] for key in _SECTIONS if key in tree.entries}
            part = Mapping(tree.source, tree.line, tree.column, sections)
            below = part if below is None else lay_over(below, part)
        return root if below is None else self._over(below, root)

    def _over(self, below: Node, root: Mapping) -> Mapping:
        merged = lay_over(below, self._canonical(root))
        assert isinstance(merged, Mapping)
        return merged

    def _include_paths(self, node: Node, file: Path) -> Iterator[tuple[Path, Path, Placed]]:
        for item in node.items if isinstance(node, Items) else [node]:
            entries = item.entries if isinstance(item, Mapping) else {}
            for key in entries:
                if key not in ("path", "project_directory"):
                    self._notes.dropped(entries[key], f"include.{key}", "an include has a path only")
            paths = entries["path"].value if "path" in entries else item
            for one in paths.items if isinstance(paths, Items) else [paths]:
                path = (file.parent / evaluated(one)).resolve()
                given = entries.get("project_directory")
                yield path, (file.parent / evaluated(given.value)) if given else path.parent, one

    def _extended(self, root: Mapping) -> Mapping:
        services = root.entries.get("services")
        if services is None or not isinstance(services.value, Mapping):
            return root
        for name, entry in services.value.entries.items():
            entry.value = self._base(entry.value, services.value, name, ())
        return root

    def _base(self, service: Node, siblings: Mapping, name: str, chain: tuple[str, ...]) -> Node:
        """A service with what it extends under it."""
        entry = service.entries.get("extends") if isinstance(service, Mapping) else None
        if entry is None or not isinstance(service, Mapping):
            return service
        path = f"{child('services', name)}.extends"
        wanted, others, mark = self._extends(entry.value, siblings, path)
        if mark in chain:
            self.problems.wrong(entry, path, f"services extend each other in a circle: {' → '.join((*chain, mark))}")
            return service
        if others is None:
            return service
        base = others.entries.get(wanted)
        if base is None:
            hint = did_you_mean(wanted, others.entries)
            self.problems.wrong(entry, path, f"there is no service {quoted(wanted)} to extend", hint)
            return service
        below = self._base(canonical(base.value), others, wanted, (*chain, mark))
        own = {key: inner for key, inner in service.entries.items() if key != "extends"}
        return lay_over(below, Mapping(service.source, service.line, service.column, own))

    def _extends(self, node: Node, siblings: Mapping, path: str) -> tuple[str, Mapping | None, str]:
        if not isinstance(node, Mapping):
            return evaluated(node), siblings, f"{node.source.shown} {evaluated(node)}"
        service = node.entries.get("service")
        name = evaluated(service.value) if service else ""
        file = node.entries.get("file")
        if file is None:
            return name, siblings, f"{node.source.shown} {name}"
        target = (node.source.folder / evaluated(file.value)).resolve()
        try:
            tree = self._tree(target, target.parent)
        except NotFound as error:
            self.problems.wrong(file.value, f"{path}.file", str(error))
            return name, None, name
        services = tree.entries.get("services")
        found = services.value if services is not None and isinstance(services.value, Mapping) else None
        return name, found or Mapping(tree.source, 1, 1, {}), f"{shown_path(target)} {name}"

    def _say_override(self, files: Sequence[Path], root: Mapping) -> None:
        """Compose takes an override file by itself; here it has to be named."""
        for name in _OVERRIDES:
            beside = files[0].parent / name
            if beside.exists() and beside.resolve() not in self._trees:
                at = Scalar(root.source, 1, 1, "", None)
                self._notes.dropped(at, name, f"it lies beside the file; lay it over with a second --from {name}")

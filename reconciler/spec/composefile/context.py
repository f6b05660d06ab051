"""What every part of a conversion shares: notes, variables, where paths lead, and the small readers of values."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.spec.composefile.notes import Notes
from reconciler.spec.composefile.variables import Type, Variables, evaluated, literal
from reconciler.spec.tree import Mapping, Node, Scalar, Sequence, child, is_null, kind_of, plain_value
from reconciler.units import format_duration, parse_duration

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(slots=True)
class Context:
    """One conversion.

    Attributes:
        project: the Compose project's name, which its volumes begin with.
        folder: where the fleet's file will lie.
        names: for each section, what its names become (a `.` cannot stand in ours).
        secrets: secrets that the fleet's file gets beside those of the Compose file.
        volumes: volumes that stood without a name in the Compose file.
    """

    project: str
    folder: Path
    notes: Notes
    variables: Variables
    root: Mapping
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, Any] = field(default_factory=dict)
    volumes: dict[str, Any] = field(default_factory=dict)

    def section(self, key: str) -> Mapping:
        """A top-level section; empty when there is none."""
        entry = self.root.entries.get(key)
        if entry is not None and isinstance(entry.value, Mapping):
            return entry.value
        return Mapping(self.root.source, self.root.line, self.root.column, {})

    def name(self, section: str, written: str) -> str:
        """What a name of a section is called in the fleet's file."""
        return self.names.get(section, {}).get(written, written)

    def rename(self, section: str) -> None:
        """Find names for everything in a section; those that cannot stay are noted."""
        known = self.names.setdefault(section, {})
        taken: set[str] = set()
        for written, entry in self.section(section).entries.items():
            new = written if _NAME.fullmatch(written) else re.sub(r"[^A-Za-z0-9_-]+", "-", written).strip("-_")[:60]
            while (folded := new.lower().replace("_", "-")) in taken:
                new = f"{new}-2"
            taken.add(folded)
            known[written] = new
            if new != written:
                self.notes.changed(entry, child(section, written), f"it is called {new} here")

    def path(self, node: Node) -> str:
        """A path as the fleet's file says it: relative to that file where it was relative."""
        template, now = (node.text, evaluated(node)) if isinstance(node, Scalar) else ("", "")
        if now.startswith(("/", "~")):
            return template
        if node.source.folder == self.folder:
            return template if now in (".", "..") or now.startswith(("./", "../")) else f"./{template}"
        relative = os.path.relpath(node.source.folder / now, self.folder)
        return literal(relative if relative.startswith("..") else f"./{relative}")

    def real_path(self, node: Node) -> Path:
        """Where a path leads on this machine."""
        return Path(os.path.normpath(node.source.folder / Path(evaluated(node)).expanduser()))

    def text(self, node: Node) -> str:
        """A scalar as a template."""
        return node.text if isinstance(node, Scalar) else ""

    def number(self, node: Node, kind: Type = "integer") -> Any:
        """A number, or the template of one."""
        if isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return node.value
        template = self.text(node)
        if "${" in template:
            return self.variables.typed(template, kind)
        return plain_value(template.strip())

    def boolean(self, node: Node) -> Any:
        """A boolean, or the template of one."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        template = self.text(node)
        if "${" in template:
            return self.variables.typed(template, "boolean")
        return template.strip().lower() in ("true", "yes", "on", "1")

    def duration(self, node: Node) -> str:
        """A duration in units that we have; Compose also knows microseconds."""
        template, now = self.text(node), evaluated(node)
        try:
            milliseconds = parse_duration(now)
        except ValueError:
            parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|us|m|s)", now)
            factor = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1, "us": 0.001}
            milliseconds = max(round(sum(float(number) * factor[unit] for number, unit in parts)), 1)
            return format_duration(milliseconds)
        return template if "${" in template else format_duration(milliseconds)

    def texts(self, node: Node) -> list[str]:
        """A list of templates; one scalar is a list of one."""
        if is_null(node):
            return []
        return [self.text(item) for item in (node.items if isinstance(node, Sequence) else [node])]

    def command(self, node: Node) -> Any:
        """A command as text or a list, as it is written."""
        return self.texts(node) if isinstance(node, Sequence) else self.text(node)

    def entries(self, node: Node, path: str) -> dict[str, Node]:
        """The keys of a mapping; anything else is noted and has none."""
        if isinstance(node, Mapping):
            return {key: entry.value for key, entry in node.entries.items() if not key.startswith("x-")}
        if not is_null(node):
            self.notes.dropped(node, path, f"this is {kind_of(node)} where a mapping is wanted")
        return {}

    def long_form(self, node: Node, path: str, key: str) -> dict[str, Node]:
        """The keys of a mapping, or of the mapping that a scalar is short for."""
        return self.entries(node, path) if isinstance(node, Mapping) else {key: node}

    def table(self, node: Node, path: str) -> dict[str, Any]:
        """A mapping of texts; null is the empty text."""
        return {name: self.text(value) for name, value in self.entries(node, path).items()}

    def leave(self, entries: dict[str, Node], path: str, known: set[str], why: str = "there is no counterpart") -> None:
        """Note the keys that are not among the known ones."""
        for key, node in entries.items():
            if key not in known:
                self.notes.dropped(node, child(path, key), why)

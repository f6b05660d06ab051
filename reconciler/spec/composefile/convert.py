"""The conversion as a whole: Compose files in, the fleet's document and everything worth saying out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors import FleetError
from reconciler.spec.composefile.context import Context
from reconciler.spec.composefile.files import Reader
from reconciler.spec.composefile.notes import Note, Notes
from reconciler.spec.composefile.service import ServiceConversion
from reconciler.spec.composefile.variables import Variables, evaluated
from reconciler.spec.env_files import read_env_file
from reconciler.spec.source import shown_path
from reconciler.spec.tree import Node, child, is_null

_SECTIONS = frozenset({"services", "networks", "volumes", "configs", "secrets", "name", "version", "include"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """A fleet's file before it is written down.

    Attributes:
        document: its sections; text in it is a template, in which `${X}` is a variable.
        notes: what could not be taken over, or only otherwise, by place.
        sources: the Compose files as the person knows them.
        written: what each service is called in the Compose file.
    """

    document: dict[str, Any]
    notes: tuple[Note, ...]
    sources: tuple[str, ...]
    written: Table[str, str]

    def notes_of(self, service: str) -> tuple[Note, ...]:
        """The remarks about one of the fleet's services."""
        start = child("services", self.written[service])
        return tuple(n for n in self.notes if n.path == start or n.path.startswith((f"{start}.", f"{start}[")))


def convert(
    files: Sequence[Path], *, folder: Path, environ: Table[str, str] | None = None, name: str = ""
) -> Conversion:
    """A fleet that plans the same containers as these Compose files.

    Args:
        files: the Compose file, and those that are laid over it.
        folder: where the fleet's file will lie.
        environ: values of the variables that the files use; those of `.env` stand behind them.
        name: the fleet's name; the Compose project's when left out.

    Raises:
        NotFound: a file is not there.
        SpecInvalid: a file is broken.
    """
    notes = Notes()
    given = dict(os.environ if environ is None else environ)
    dotenv = _dotenv(files[0].resolve().parent)
    project = _project_name(files[0], given, dotenv)
    variables = Variables({**given, "COMPOSE_PROJECT_NAME": project}, dotenv, notes)
    root = Reader(variables, notes).project(files)
    written = root.entries.get("name")
    if written is not None and not is_null(written.value):
        project = evaluated(written.value)
    ctx = Context(project, folder.resolve(), notes, variables, root)
    for section in ("services", "networks", "volumes", "secrets"):
        ctx.rename(section)
    for key, entry in root.entries.items():
        if key not in _SECTIONS and not key.startswith("x-"):
            notes.dropped(entry, key, "there is no such section here")
    document = _document(ctx, name or _fleet_name(project))
    sources = tuple(shown_path(file) for file in files)
    return Conversion(document, notes.found, sources, {new: old for old, new in ctx.names["services"].items()})


def _dotenv(folder: Path) -> dict[str, str]:
    """`.env` beside the Compose file, whose values stand behind the environment's."""
    try:
        return read_env_file(folder / ".env")
    except FleetError:
        return {}


def _project_name(file: Path, environ: Table[str, str], dotenv: Table[str, str]) -> str:
    """As Compose finds it where the file names none: from the environment, else from the folder."""
    given = environ.get("COMPOSE_PROJECT_NAME") or dotenv.get("COMPOSE_PROJECT_NAME")
    return given or re.sub(r"[^a-z0-9_-]+", "", file.resolve().parent.name.lower()).lstrip("_-") or "default"


def _fleet_name(project: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", project.lower()).strip("-_")[:40] or "fleet"


def _document(ctx: Context, name: str) -> dict[str, Any]:
    ctx.secrets.update(_secrets(ctx))
    services = {}
    for written, entry in ctx.section("services").entries.items():
        if not written.startswith("x-"):
            services[ctx.name("services", written)] = ServiceConversion(written, entry.value, ctx).convert()
    networks, volumes = _networks(ctx), {**_volumes(ctx), **ctx.volumes}
    document: dict[str, Any] = {
        "version": 1,
        "name": name,
        "variables": ctx.variables.document(ctx.secrets, services, networks, volumes),
        "secrets": ctx.secrets,
        "services": services,
        "networks": networks,
        "volumes": volumes,
    }
    return {key: value for key, value in document.items() if value or key == "services"}


def _external(entries: dict[str, Node], name: str, path: str, ctx: Context) -> dict[str, Any] | None:
    """`external: true`, or the older `external: {name: x}`; None when it is not external."""
    if "external" not in entries:
        return None
    node = entries["external"]
    older = ctx.entries(node, path) if hasattr(node, "entries") else {}
    if not older and ctx.boolean(node) is False:
        return None
    named = entries.get("name") or older.get("name")
    return {"external": True, "name": ctx.text(named) if named is not None else name}


def _networks(ctx: Context) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in ctx.section("networks").entries.items():
        path = child("networks", name)
        entries = ctx.entries(entry.value, path)
        external = _external(entries, name, path, ctx)
        if external is not None:
            found[ctx.name("networks", name)] = external
            continue
        network: dict[str, Any] = {"name": ctx.text(entries["name"])} if "name" in entries else {}
        if "internal" in entries:
            network["internal"] = ctx.boolean(entries["internal"])
        if "ipam" in entries:
            network |= _subnet(entries["ipam"], f"{path}.ipam", ctx)
        if "driver" in entries and evaluated(entries["driver"]) not in ("bridge", ""):
            ctx.notes.dropped(entries["driver"], f"{path}.driver", "networks here are bridges")
        if "attachable" in entries:
            ctx.notes.needless(entries["attachable"], f"{path}.attachable", "every network of one machine is")
        ctx.leave(entries, path, {"name", "internal", "ipam", "driver", "attachable", "external"})
        found[ctx.name("networks", name)] = network
    return found


def _subnet(node: Node, path: str, ctx: Context) -> dict[str, str]:
    entries = ctx.entries(node, path)
    if "driver" in entries and evaluated(entries["driver"]) == "default":
        del entries["driver"]
    ctx.leave(entries, path, {"config"})
    subnet: dict[str, str] = {}
    for index, item in enumerate(getattr(entries.get("config"), "items", ())):
        inner = ctx.entries(item, child(f"{path}.config", index))
        ctx.leave(inner, child(f"{path}.config", index), {"subnet"})
        if "subnet" in inner and subnet:
            ctx.notes.dropped(inner["subnet"], f"{path}.config", "a network has one subnet here")
        elif "subnet" in inner:
            subnet = {"subnet": ctx.text(inner["subnet"])}
    return subnet


def _volumes(ctx: Context) -> dict[str, Any]:
    """Volumes under the names that Compose gave them, so that their data stays where it is."""
    found: dict[str, Any] = {}
    for name, entry in ctx.section("volumes").entries.items():
        path = child("volumes", name)
        entries = ctx.entries(entry.value, path)
        external = _external(entries, name, path, ctx)
        if external is None:
            named = ctx.text(entries["name"]) if "name" in entries else f"{ctx.project}_{name}"
            if "driver" in entries and evaluated(entries["driver"]) not in ("local", ""):
                ctx.notes.dropped(entries["driver"], f"{path}.driver", "volumes here are local")
            ctx.leave(entries, path, {"name", "driver", "external"})
        found[ctx.name("volumes", name)] = external or {"name": named}
    return found


def _secrets(ctx: Context) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in ctx.section("secrets").entries.items():
        path = child("secrets", name)
        entries = ctx.entries(entry.value, path)
        ctx.leave(entries, path, {"file", "environment", "external", "name"})
        if "file" in entries:
            found[ctx.name("secrets", name)] = {"file": ctx.path(entries["file"])}
        elif "environment" in entries:
            found[ctx.name("secrets", name)] = {"env": evaluated(entries["environment"])}
        else:
            ctx.notes.dropped(entry, path, "an external secret; say where its value comes from: env, file or command")
    return found

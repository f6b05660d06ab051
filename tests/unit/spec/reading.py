"""The whole way from text to Desired without a file on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.errors import Problem
from reconciler.spec.compose import compose
from reconciler.spec.desired import Desired, ServiceSpec, to_document
from reconciler.spec.filling import fill
from reconciler.spec.inputs import Inputs, LoadOptions
from reconciler.spec.problems import Problems
from reconciler.spec.reading import Reading
from reconciler.spec.shape.fleet import read_fleet
from reconciler.spec.source import Source
from reconciler.spec.tree import Mapping as Tree
from reconciler.spec.variables import collect

PROJECT = Path("/project/shop")


@dataclass
class Read:
    desired: Desired
    problems: list[Problem]
    warnings: list[Problem] = field(default_factory=list)
    tree: Tree | None = None

    @property
    def lines(self) -> list[str]:
        return [str(problem) for problem in self.problems]


def source(text: str, name: str = "fleet.yaml") -> Source:
    return Source(name, PROJECT / name, PROJECT, text, "sha256:0")


def read(
    text: str,
    *,
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    profiles: tuple[str, ...] = (),
) -> Read:
    """What a text means; nothing on disk is looked at, except where the text names it."""
    problems = Problems()
    options = LoadOptions(variables=variables or {}, environ=environ or {"HOME": "/home/me"}, profiles=profiles)
    inputs = Inputs(PROJECT / "fleet.yaml", PROJECT, options)
    root = compose(source(text), problems)
    if root is None:
        return Read(Desired(name="", project=""), problems.found)
    root = fill(root, collect(root, options, inputs, problems), problems)
    desired = read_fleet(root, Reading(problems, inputs, PROJECT, PROJECT / "fleet.yaml"), options, "0" * 12)
    return Read(desired, problems.found, problems.warnings, root)


def desired(text: str, **options: Any) -> Desired:
    """The fleet that a right text means."""
    found = read(text, **options)
    assert not found.problems, found.lines
    return found.desired


def service(text: str, **options: Any) -> ServiceSpec:
    """The service `web` whose keys these are; it has an image unless the text gives one."""
    image = "" if "image:" in text or "build:" in text or "provider:" in text else "    image: x:1\n"
    body = "\n".join(f"    {line}" for line in text.strip("\n").splitlines())
    around = "secrets: {token: {env: TOKEN}}\nvolumes: {data: }\nnetworks: {back: , front: }\nhandlers: {h: {restart: web}}\n"
    found = desired(f"name: shop\n{around}services:\n  web:\n{image}{body}\n", **options)
    return found.services["web"]


def given(text: str, **options: Any) -> dict[str, Any]:
    """The document of that service without what every service has."""
    document: dict[str, Any] = json.loads(json.dumps(to_document(service(text, **options))))
    del document["name"]
    if document["image"] == "x:1":
        del document["image"]
    if document.get("networks") == [{"network": "default"}]:
        del document["networks"]
    return document

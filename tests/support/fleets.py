"""Fleets written short: documents of Desired with the names filled in."""

from __future__ import annotations

from typing import Any

from reconciler.spec.desired import Desired, desired_from_document

Document = dict[str, Any]

NAME = "shop"
PROJECT = "3f5a1c0de94b"
IMAGE = "localhost/web:1"


def fleet(document: Document) -> Desired:
    """The fleet that a short document means.

    Services and specialists are given by name, services with an image where none is said; networks and volumes that services use are declared
    where the document does not do so; engine names are `shop-<name>`.
    """
    services = {name: _service(name, one or {}) for name, one in document.get("services", {}).items()}
    networks = {use["network"]: None for one in services.values() for use in one.get("networks", ())}
    volumes = {
        mount["source"]: None
        for one in services.values()
        for mount in one.get("mounts", ())
        if mount["kind"] == "volume"
    }
    return desired_from_document(
        {
            "name": NAME,
            "project": PROJECT,
            **document,
            "services": services,
            "networks": _shared(networks | document.get("networks", {})),
            "volumes": _shared(volumes | document.get("volumes", {})),
            "handlers": _named(document.get("handlers", {})),
            "specialists": {
                name: {"name": name, **(one or {})} for name, one in document.get("specialists", {}).items()
            },
            "missions": {name: _mission(name, one) for name, one in document.get("missions", {}).items()},
        }
    )


def _service(name: str, written: Document) -> Document:
    return {"name": name, "image": IMAGE, **written}


def _mission(name: str, written: Document) -> Document:
    """Titles are the names where none is said, and a sortie is written as null."""
    sorties = {one: {"name": one, "title": one, **(inner or {})} for one, inner in written.get("sorties", {}).items()}
    return {"name": name, "title": name, **written, "sorties": sorties}


def _shared(written: Document) -> Document:
    return {
        name: {"name": name, "engine_name": f"{NAME}-{name}", **(one or {})} for name, one in sorted(written.items())
    }


def _named(written: Document) -> Document:
    return {name: {"name": name, **one} for name, one in written.items()}


def merged(document: Any, patch: Any) -> Any:
    """The document with a patch merged in; null takes a key away."""
    if not isinstance(patch, dict) or not isinstance(document, dict):
        return patch
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key, {}), value)
    return result

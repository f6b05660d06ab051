"""The effective file: what was loaded, written as one fleet.yaml with everything joined, filled in and expanded.

Loading it again gives the same fleet. Defaults are left out; paths are absolute; secrets stand by reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.spec.desired import Desired, ServiceSpec, SpecialistSpec, Value, to_document
from reconciler.spec.tree import plain_value
from reconciler.units import format_duration, format_size

_KEYS = {
    "mounts": "volumes",
    "env_files": "env_file",
    "pid_mode": "pid",
    "ipc_mode": "ipc",
    "stop_grace_ms": "stop_grace_period",
    "debounce_ms": "debounce",
    "busy_timeout_ms": "busy_timeout_ms",
}
_LITERAL_NUMBERS = frozenset({"busy_timeout_ms"})
_SIZES = frozenset({"memory", "size", "shm_size"})


def effective(desired: Desired) -> dict[str, Any]:
    """The document of a fleet.yaml that means this fleet."""
    document: dict[str, Any] = {"version": desired.version, "name": desired.name}
    sections: dict[str, dict[str, Any]] = {
        "secrets": {name: _named(secret, "digest") for name, secret in desired.secrets.items()},
        "services": {name: _service(service) for name, service in desired.services.items()},
        "networks": {name: _engine_named(network) for name, network in desired.networks.items()},
        "volumes": {name: _engine_named(volume) for name, volume in desired.volumes.items()},
        "handlers": {name: _named(handler) for name, handler in desired.handlers.items()},
        "specialists": {name: _specialist(specialist) for name, specialist in desired.specialists.items()},
        "missions": {name: _mission(_named(mission)) for name, mission in desired.missions.items()},
        "moved": dict(desired.moved),
        "reconcile": _written(to_document(desired.reconcile)),
    }
    document.update({name: _escaped(section) for name, section in sections.items() if section})
    if desired.notifications:
        document["notifications"] = [_escaped(_notification(to_document(sink))) for sink in desired.notifications]
    database = _written(to_document(desired.database))
    return {**document, "database": database} if database else document


def to_yaml(document: dict[str, Any]) -> str:
    """The document as YAML that reads back as it is."""
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """Quotes what the core schema would not read as text."""

    def represent_text(dumper: Any, text: str) -> Any:
        style = None if isinstance(plain_value(text), str) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else style)

    Dumper.add_representer(str, represent_text)
    text: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _named(value: Value, *without: str) -> dict[str, Any]:
    document = to_document(value)
    for key in ("name", *without):
        document.pop(key, None)
    written: dict[str, Any] = _written(document)
    return written


def _engine_named(value: Value) -> dict[str, Any]:
    document = to_document(value)
    return {"name": document.pop("engine_name"), **{key: inner for key, inner in document.items() if key != "name"}}


def _service(service: ServiceSpec) -> dict[str, Any]:
    document = _named(service, "secret_digests")
    document["networks"] = {use.pop("network"): use for use in document.get("networks", [])}
    if not document["networks"] or service.network_mode:
        del document["networks"]
    reshape: dict[str, Callable[[Any], Any]] = {
        "env_file": lambda files: [file["source"] for file in files],
        "build": lambda build: {key: inner for key, inner in build.items() if key != "digest"},
        "ports": lambda ports: [_port(port) for port in ports],
        "volumes": lambda mounts: [_mount(mount) for mount in mounts],
        "configs": lambda configs: [_file(config) for config in configs],
        "secrets": lambda secrets: [_file({"source": secret.pop("secret"), **secret}) for secret in secrets],
        "ulimits": lambda limits: {limit.pop("name"): limit for limit in limits},
    }
    for key, change in reshape.items():
        if key in document:
            document[key] = change(document[key])
    return _with_references(document)


def _specialist(specialist: SpecialistSpec) -> dict[str, Any]:
    document = to_document(specialist)
    heartbeat = {
        key: format_duration(document.pop(f"heartbeat_{key}_ms"))
        for key in ("interval", "timeout")
        if f"heartbeat_{key}_ms" in document
    }
    for key in ("name", "secret_digests"):
        document.pop(key, None)
    if heartbeat:
        document["heartbeat"] = heartbeat
    return _with_references(_written(document))


def _mission(document: dict[str, Any]) -> dict[str, Any]:
    """Sorties with their own priority, which would else be their mission's."""
    for sortie in document.get("sorties", {}).values():
        del sortie["name"]
        sortie.setdefault("priority", "medium")
    return document


def _with_references(document: dict[str, Any]) -> dict[str, Any]:
    environment = document.get("environment", {})
    for name, value in environment.items():
        if isinstance(value, dict):
            environment[name] = {"secret": value["secret"]}
    return document


def _port(port: dict[str, Any]) -> str:
    address = port.get("host_ip", "")
    address = f"[{address}]:" if ":" in address else f"{address}:" if address else ""
    host = port.get("host_port", 0)
    published = f"{address}{host or ''}:" if address or host else ""
    protocol = f"/{port['protocol']}" if "protocol" in port else ""
    return f"{published}{port['container_port']}{protocol}"


def _mount(mount: dict[str, Any]) -> dict[str, Any]:
    options = {key: mount.pop(key) for key in ("size", "mode") if key in mount}
    if "mode" in options:
        options["mode"] = f"{options['mode']:04o}"
    result = {"type": mount.pop("kind"), **mount}
    return {**result, "tmpfs": options} if options else result


def _file(file: dict[str, Any]) -> dict[str, Any]:
    document = {key: inner for key, inner in file.items() if key != "digest"}
    if "mode" in document:
        document["mode"] = f"{document['mode']:04o}"
    return document


def _notification(document: dict[str, Any]) -> dict[str, Any]:
    if "webhook_secret" in document:
        document["webhook"] = {"secret": document.pop("webhook_secret")}
    return document


def _written(value: Any, key: str = "") -> Any:
    """Keys as they are called in the file, durations and sizes as people write them."""
    if isinstance(value, dict):
        return {_key(name): _written(inner, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        if key.endswith("_ms") and key not in _LITERAL_NUMBERS:
            return format_duration(value)
        if key in _SIZES:
            return format_size(value)
    return value


def _key(name: str) -> str:
    return _KEYS.get(name) or name.removesuffix("_ms")


def _escaped(value: Any) -> Any:
    """Text in which no variable is found again."""
    if isinstance(value, str):
        return value.replace("$", "$$") if "${" in value or "$$" in value else value
    if isinstance(value, dict):
        return {name: _escaped(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value

"""One service of a Compose file as a service of a fleet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.errors import FleetError
from reconciler.spec.composefile import running, storage
from reconciler.spec.composefile.context import Context
from reconciler.spec.composefile.keys import NEEDLESS, NO_COUNTERPART
from reconciler.spec.composefile.variables import evaluated, literal
from reconciler.spec.env_files import read_env_file
from reconciler.spec.problems import did_you_mean
from reconciler.spec.tree import Mapping, Node, Scalar, Sequence, child, is_null
from reconciler.spec.wording import quoted

_TEXTS = ("image", "container_name", "hostname", "user", "working_dir", "stop_signal", "shm_size")
_BOOLEANS = ("read_only", "privileged", "init", "tty")
_LISTS = ("dns", "cap_add", "cap_drop", "profiles")
# Keys that are read together with another one.
_ELSEWHERE = frozenset({"cpus", "cpu_quota", "mem_limit", "pids_limit", "deploy", "label_file", "links", "extends"})
_PULL = ("always", "never", "missing", "if_not_present")
_BUILD = frozenset({"context", "dockerfile", "args", "target"})
_ORDER = (
    *("image", "build", "pull", "container_name", "hostname", "user", "working_dir", "entrypoint", "command"),
    *("environment", "env_file", "ports", "networks", "network_mode", "volumes", "tmpfs", "configs", "secrets"),
    *("depends_on", "healthcheck", "restart", "replicas", "resources", "update", "stop_signal", "stop_grace_period"),
)


class ServiceConversion:
    """Converts one service; `out` is what it becomes, in the order in which people read it."""

    def __init__(self, name: str, node: Node, ctx: Context) -> None:
        self.written = name
        self.path = child("services", name)
        self.name = ctx.name("services", name)
        self.ctx = ctx
        self.notes = ctx.notes
        self.entries = ctx.entries(node, self.path)
        self.node = node
        self.out: dict[str, Any] = {}
        self.allow: set[str] = set()

    def convert(self) -> dict[str, Any]:
        """The service in our keys; everything else is noted."""
        for key, value in self.entries.items():
            path = child(self.path, key)
            if key in _ELSEWHERE or (is_null(value) and key not in ("command", "entrypoint")):
                continue
            found = self._plain(key, value)
            if found is None:
                reader = _READERS.get(key)
                if reader is None:
                    self._without(key, value, path)
                    continue
                found = reader(self, value, path)
            if found is not None and found != {}:
                self.out[key] = found
        self._together()
        order = {key: place for place, key in enumerate(_ORDER)}
        return dict(sorted(self.out.items(), key=lambda item: order.get(item[0], len(order))))

    def _plain(self, key: str, value: Node) -> Any:
        """The keys that mean the same on both sides."""
        if key in _TEXTS:
            return self.ctx.text(value)
        if key in _BOOLEANS:
            return self.ctx.boolean(value)
        if key in _LISTS:
            return self.ctx.texts(value)
        return None

    def _without(self, key: str, value: Node, path: str) -> None:
        if key in NO_COUNTERPART:
            if not (key == "cpu_period" and "cpu_quota" in self.entries):
                self.notes.dropped(value, path, NO_COUNTERPART[key])
        elif key in NEEDLESS:
            self.notes.needless(value, path, NEEDLESS[key])
        else:
            hint = did_you_mean(key, (*_READERS, *_TEXTS, *_BOOLEANS, *_LISTS, *NO_COUNTERPART, *NEEDLESS, *_ELSEWHERE))
            near = f"; {hint}" if hint.startswith("did") else ""
            self.notes.dropped(value, path, f"{quoted(key)} is no key of a Compose service{near}")

    def _together(self) -> None:
        """What several keys say together."""
        ctx, entries = self.ctx, self.entries
        limits = running.resources(entries, ctx)
        if limits:
            self.out["resources"] = limits
        self.out["restart"] = running.restart(entries.get("restart"), f"{self.path}.restart", ctx)
        if "deploy" in entries and not is_null(entries["deploy"]):
            running.deploy(entries["deploy"], f"{self.path}.deploy", self.out, ctx)
            if not self.out.get("resources", True):
                del self.out["resources"]
        if "label_file" in entries:
            self._label_files(entries["label_file"])
        if "links" in entries:
            self._links(entries["links"])
        if self.out.get("privileged") not in (None, False):
            self.allow.add("privileged")
        if self.allow:
            self.out["allow"] = sorted(self.allow)
        self._answer_to_old_name()

    def _answer_to_old_name(self) -> None:
        """A service that had to be renamed is found under its old name as well."""
        if self.name == self.written or "network_mode" in self.out:
            return
        networks = self.out.get("networks") or ["default"]
        if isinstance(networks, list):
            networks = {name: {} for name in networks}
        for use in networks.values():
            use["aliases"] = [*use.get("aliases", ()), self.written]
        self.out["networks"] = networks

    def _label_files(self, node: Node) -> None:
        labels: dict[str, str] = {}
        for item in node.items if isinstance(node, Sequence) else [node]:
            try:
                found = read_env_file(self.ctx.real_path(item))
            except FleetError as error:
                self.notes.dropped(item, f"{self.path}.label_file", str(error))
                continue
            labels |= {name: literal(value) for name, value in found.items()}
        if labels:
            self.notes.changed(node, f"{self.path}.label_file", "its labels stand in the fleet's file now")
            self.out["labels"] = labels | self.out.get("labels", {})

    def _links(self, node: Node) -> None:
        """A link is an order of start, and perhaps another name, which is then a name for everybody."""
        depends_on = self.out.setdefault("depends_on", {})
        for item in node.items if isinstance(node, Sequence) else [node]:
            name, _, alias = evaluated(item).partition(":")
            if name not in self.ctx.section("services").entries:
                self.notes.dropped(item, f"{self.path}.links", f"there is no service {name}")
                continue
            depends_on.setdefault(self.ctx.name("services", name), "started")
            if alias and alias != name:
                why = f"write {name}: networks: {{…: {{aliases: [{alias}]}}}}"
                self.notes.dropped(item, f"{self.path}.links", f"the name {alias} for {name}; {why}")
        if not depends_on:
            del self.out["depends_on"]

    def environment(self, node: Node, path: str) -> dict[str, Any]:
        """Values as they are written; one that is passed on from the shell becomes a declared variable."""
        found: dict[str, Any] = {}
        for name, value in self.ctx.entries(node, path).items():
            below = child(path, name)
            template: str | None = self.ctx.text(value)
            if is_null(value):
                template = self.ctx.variables.bare(name, value, below)
                if template is None:
                    self.notes.changed(value, below, "it is not set here, so that it is left out, as in Compose")
                    continue
            hidden = self.ctx.variables.hidden_name(template or "")
            found[name] = self._secret_of(hidden, value, below) if hidden else template
        return found

    def _secret_of(self, env: str, node: Node, path: str) -> dict[str, str]:
        """A secret that reads its value out of `.env` at the moment it is needed."""
        name = env.lower()
        if name not in self.ctx.secrets:
            self.ctx.secrets[name] = {"command": ["sed", "-n", f"s/^{env}=//p", ".env"]}
        self.notes.changed(node, path, f"it is the secret {name}, read from .env when a container is made")
        return {"secret": name}

    def env_file(self, node: Node, path: str) -> list[str]:
        """The files that are there; Compose substitutes inside of them, Fleet does not."""
        found = []
        for item in node.items if isinstance(node, Sequence) else [node]:
            entries = self.ctx.long_form(item, path, "path")
            self.ctx.leave(entries, path, {"path", "required"})
            file = entries["path"]
            real = self.ctx.real_path(file)
            if "required" in entries and self.ctx.boolean(entries["required"]) is False and not real.exists():
                self.notes.changed(file, path, f"{evaluated(file)} is optional and not there, so that it is left out")
                continue
            self._check_env_file(file, path)
            found.append(self.ctx.path(file))
        return found

    def _check_env_file(self, file: Node, path: str) -> None:
        try:
            values = read_env_file(self.ctx.real_path(file))
        except FleetError as error:
            self.notes.changed(file, path, str(error))
            return
        if any("$" in value for value in values.values()):
            self.notes.changed(file, path, f"{evaluated(file)} holds a $, in whose place Compose puts a value")

    def build(self, node: Node, path: str) -> dict[str, Any]:
        """The context, the file, arguments and target."""
        entries = self.ctx.entries(node, path)
        self.ctx.leave(entries, path, set(_BUILD), "there is no counterpart in a build")
        here = Scalar(node.source, node.line, node.column, ".", ".")
        found: dict[str, Any] = {"context": self.ctx.path(entries.get("context", here))}
        if "dockerfile" in entries:
            found["containerfile"] = self.ctx.text(entries["dockerfile"])
        if "args" in entries:
            found["args"] = self.environment(entries["args"], f"{path}.args")
        if "target" in entries:
            found["target"] = self.ctx.text(entries["target"])
        return found

    def ports(self, node: Node, path: str) -> list[Any]:
        """Published ports; a range of host ports for one container port has no counterpart."""
        found: list[Any] = []
        for index, item in enumerate(node.items if isinstance(node, Sequence) else [node]):
            below = child(path, index)
            port = self._long_port(item, below) if isinstance(item, Mapping) else self._short_port(item, below)
            found.append(port)
        return found

    def _short_port(self, item: Node, path: str) -> str:
        template, now = self.ctx.text(item), evaluated(item)
        outside, _, inside = now.rpartition(":")
        if "-" in outside.rpartition(":")[2] and "-" not in inside:
            self.notes.dropped(item, path, f"one of several host ports for {inside}; the engine picks one")
            return inside
        return template

    def _long_port(self, item: Mapping, path: str) -> dict[str, Any]:
        entries = self.ctx.entries(item, path)
        self.ctx.leave(entries, path, {"target", "published", "host_ip", "protocol"})
        found: dict[str, Any] = {}
        for key in ("target", "published"):
            if key in entries:
                found[key] = self.ctx.number(entries[key])
        if isinstance(found.get("published"), str) and "-" in evaluated(entries["published"]):
            self.notes.dropped(entries["published"], f"{path}.published", "a range; the engine picks a port")
            del found["published"]
        return found | {key: self.ctx.text(entries[key]) for key in ("host_ip", "protocol") if key in entries}

    def networks(self, node: Node, path: str) -> Any:
        """Names, with aliases where there are any."""
        found: dict[str, Any] = {}
        for name, value in self.ctx.entries(node, path).items():
            below = child(path, name)
            entries = self.ctx.entries(value, below)
            self.ctx.leave(entries, below, {"aliases"}, "fixed addresses and the like have no counterpart")
            aliases = {"aliases": self.ctx.texts(entries["aliases"])} if "aliases" in entries else {}
            found[self.ctx.name("networks", name)] = aliases
        return found if any(found.values()) else list(found)

    def network_mode(self, node: Node, path: str) -> str | None:
        """The host's network or none; a shared one has no counterpart."""
        mode = evaluated(node)
        if mode not in ("host", "none"):
            why = "services of one fleet know each other by name" if mode == "bridge" else "there is no counterpart"
            self.notes.dropped(node, path, f"network_mode {mode}: {why}")
            return None
        if mode == "host":
            self.allow.add("host-network")
            if "ports" in self.entries:
                self.notes.needless(self.entries["ports"], f"{self.path}.ports", "the host's network publishes all")
        return mode

    def namespace(self, node: Node, path: str) -> str | None:
        """`pid` and `ipc`: the host's, or its own."""
        key, mode = path.rpartition(".")[2], evaluated(node)
        if mode == "host":
            self.allow.add(f"host-{key}")
            return mode
        if mode not in ("private", ""):
            self.notes.dropped(node, path, f"{mode} has no counterpart; host has")
        return None

    def pull_policy(self, node: Node, path: str) -> None:
        """When an image is pulled."""
        policy = evaluated(node)
        if policy in _PULL:
            self.out["pull"] = "missing" if policy == "if_not_present" else policy
        elif policy == "build":
            self.notes.needless(node, path, "what has a build is built")
        else:
            self.notes.dropped(node, path, f"{policy} has no counterpart; pull: always looks at every apply")

    def scale(self, node: Node, path: str) -> None:
        """The number of replicas."""
        self.out["replicas"] = self.ctx.number(node)

    def extra_hosts(self, node: Node, path: str) -> dict[str, str]:
        """Names with one address each."""
        found: dict[str, str] = {}
        for name, value in self.ctx.entries(node, path).items():
            addresses = self.ctx.texts(value)
            for other in addresses[1:]:
                self.notes.dropped(value, child(path, name), f"a second address ({other}) has no counterpart")
            if addresses:
                found[name] = addresses[0]
        return found


Reader = Callable[[ServiceConversion, Node, str], Any]

_READERS: dict[str, Reader] = {
    "build": ServiceConversion.build,
    "command": lambda service, node, path: None if is_null(node) else service.ctx.command(node),
    "configs": lambda service, node, path: storage.configs(node, path, service.ctx),
    "depends_on": lambda service, node, path: running.depends_on(node, path, service.ctx),
    "entrypoint": lambda service, node, path: None if is_null(node) else service.ctx.command(node),
    "env_file": ServiceConversion.env_file,
    "environment": ServiceConversion.environment,
    "extra_hosts": ServiceConversion.extra_hosts,
    "healthcheck": lambda service, node, path: running.healthcheck(node, path, service.ctx),
    "ipc": ServiceConversion.namespace,
    "labels": lambda service, node, path: service.ctx.table(node, path),
    "network_mode": ServiceConversion.network_mode,
    "networks": ServiceConversion.networks,
    "pid": ServiceConversion.namespace,
    "ports": ServiceConversion.ports,
    "pull_policy": ServiceConversion.pull_policy,
    "restart": lambda service, node, path: None,
    "scale": ServiceConversion.scale,
    "secrets": lambda service, node, path: storage.secrets(node, path, service.ctx),
    "stop_grace_period": lambda service, node, path: service.ctx.duration(node),
    "sysctls": lambda service, node, path: service.ctx.table(node, path),
    "tmpfs": lambda service, node, path: storage.tmpfs(node, path, service.ctx),
    "ulimits": lambda service, node, path: running.ulimits(node, path, service.ctx),
    "volumes": lambda service, node, path: storage.volumes(node, path, service.name, service.ctx, service.allow),
}

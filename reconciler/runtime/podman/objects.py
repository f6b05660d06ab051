"""The engine's verbs for what containers use: networks, volumes and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reconciler.errors import ActionFailed, NotFound
from reconciler.runtime.model import LABEL_PROJECT, ObservedContainer
from reconciler.runtime.podman import wire
from reconciler.runtime.podman.client import Client, filters, segment
from reconciler.spec.desired import NetworkSpec, VolumeSpec


class Objects:
    """Verbs about networks, volumes and secrets, over one client."""

    _client: Client

    def create_network(self, network: NetworkSpec, labels: Mapping[str, str]) -> None:
        """Make a bridge network on which containers find each other by name.

        Raises:
            ActionFailed: the engine refused, or one of this name is there that this project does not own.
        """
        name, doing = network.engine_name, f"create network {network.engine_name}"
        body: dict[str, Any] = {
            "name": name,
            "driver": "bridge",
            "dns_enabled": True,
            "internal": network.internal,
            "labels": dict(labels),
        }
        if network.subnet:
            body["subnets"] = [{"subnet": network.subnet}]
        try:
            self._client.act("POST", "/networks/create", doing, body=body)
        except ActionFailed:
            if not self.network_exists(name):
                raise
            there = self._client.look(f"/networks/{segment(name)}/json", wire.Named, f"inspect network {name}")
            if (there.labels or {}).get(LABEL_PROJECT, "") != labels.get(LABEL_PROJECT):
                raise ActionFailed(
                    f"could not {doing}: one of this name is there, and it does not belong to this project",
                    hint=f"podman network inspect {name}",
                ) from None

    def remove_network(self, engine_name: str) -> None:
        """Remove a network that no container uses; one that is gone already is no error."""
        try:
            self._client.act("DELETE", f"/networks/{segment(engine_name)}", f"remove network {engine_name}")
        except NotFound:
            return

    def networks(self, project: str) -> tuple[str, ...]:
        """Engine names of this project's networks."""
        query = {"filters": filters(label=f"{LABEL_PROJECT}={project}")}
        found = self._client.look_through("/networks/json", wire.Named, "list this fleet's networks", query)
        return tuple(sorted(network.name for network in found))

    def network_users(self, engine_name: str) -> tuple[ObservedContainer, ...]:
        """Every container that is on a network, whoever made it, running or not."""
        query = {"all": "true", "filters": filters(network=engine_name)}
        doing = f"list the containers of network {engine_name}"
        found = self._client.look_through("/containers/json", wire.Listed, doing, query)
        return tuple(wire.observed(one) for one in found)

    def attach(self, container: str, engine_name: str, aliases: tuple[str, ...]) -> None:
        """Put a container on a network, with the names to answer to there."""
        body = {"container": container, "aliases": list(aliases)}
        doing = f"put container {container} on network {engine_name}"
        self._client.act("POST", f"/networks/{segment(engine_name)}/connect", doing, body=body)

    def detach(self, container: str, engine_name: str) -> None:
        """Take a container off a network; one that is gone or not on it is no error."""
        doing = f"take container {container} off network {engine_name}"
        try:
            self._client.act(
                "POST", f"/networks/{segment(engine_name)}/disconnect", doing, body={"Container": container}
            )
        except NotFound:
            return
        except ActionFailed as refused:
            if "not connected" not in refused.what:
                raise

    def network_exists(self, engine_name: str) -> bool:
        """Whether there is a network of this name, owned or not."""
        return self._client.exists(f"/networks/{segment(engine_name)}/exists", f"look for network {engine_name}")

    def create_volume(self, volume: VolumeSpec, labels: Mapping[str, str]) -> None:
        """Make a volume; one that exists is left as it is."""
        name = volume.engine_name
        body = {"Name": name, "Label": dict(labels), "Labels": dict(labels)}
        try:
            self._client.act("POST", "/volumes/create", f"create volume {name}", body=body)
        except ActionFailed:
            if not self.volume_exists(name):
                raise

    def volumes(self, project: str) -> tuple[str, ...]:
        """Engine names of this project's volumes."""
        query = {"filters": filters(label=f"{LABEL_PROJECT}={project}")}
        found = self._client.look_through("/volumes/json", wire.ListedVolume, "list this fleet's volumes", query)
        return tuple(sorted(volume.name for volume in found))

    def volume_exists(self, engine_name: str) -> bool:
        """Whether there is a volume of this name, owned or not."""
        return self._client.exists(f"/volumes/{segment(engine_name)}/exists", f"look for volume {engine_name}")

    def volume_labels(self, engine_name: str) -> Mapping[str, str] | None:
        """The labels of a volume, whoever made it; None when there is none of this name."""
        try:
            found = self._client.look(
                f"/volumes/{segment(engine_name)}/json", wire.ListedVolume, f"inspect volume {engine_name}"
            )
        except NotFound:
            return None
        return found.labels or {}

    def put_secret(self, name: str, value: bytes, labels: Mapping[str, str]) -> str:
        """Make a secret object; one of this name is left as it is. The value travels in the request's body only."""
        query = {"name": name, "labels": msgspec.json.encode(dict(labels)).decode()}
        try:
            self._client.act("POST", "/secrets/create", f"create secret {name}", query=query, body=value)
        except ActionFailed as refused:
            if "secret name in use" not in refused.what:
                raise
        return name

    def remove_secret(self, name: str) -> None:
        """Remove a secret object; one that is gone already is no error."""
        try:
            self._client.act("DELETE", f"/secrets/{segment(name)}", f"remove secret {name}")
        except NotFound:
            return

    def secrets(self, project: str) -> tuple[str, ...]:
        """Names of this project's secret objects."""
        found = self._client.look_through("/secrets/json", wire.ListedSecret, "list this fleet's secrets")
        owned = (secret.spec.name for secret in found if self._labels(secret).get(LABEL_PROJECT, "") == project)
        return tuple(sorted(owned))

    def _labels(self, secret: wire.ListedSecret) -> dict[str, str]:
        """A secret's labels, which the list of Podman 4 leaves out."""
        if secret.spec.labels is not None:
            return secret.spec.labels
        name = secret.spec.name
        try:
            alone = self._client.look(f"/secrets/{segment(name)}/json", wire.ListedSecret, f"inspect secret {name}")
        except NotFound:
            return {}
        return alone.spec.labels or {}

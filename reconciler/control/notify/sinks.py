"""Sinks: what a notification is given to. One try at a time; what went wrong is told without any secret in it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from reconciler.errors import FleetError
from reconciler.events.document import event_document, event_name
from reconciler.events.envelope import Event
from reconciler.events.sentences import sentence
from reconciler.spec.desired import Desired, Notification
from reconciler.spec.secrets import resolve

WEBHOOK_SECONDS = 5
COMMAND_SECONDS = 30
_ANSWER_BYTES = 65_536


class NotTaken(FleetError):
    """A sink did not take a notification this time."""

    code = "not_taken"


class Sink(Protocol):
    """Takes an event, or says why not."""

    def give(self, event: Event) -> None:
        """One try.

        Raises:
            NotTaken: it did not take it.
        """


def sink_of(one: Notification, desired: Desired, *, project: Path, environ: Mapping[str, str]) -> Sink:
    """The sink that a declaration means.

    Args:
        environ: where a secret's value may come from, and what a command finds.
    """
    if one.command:
        return Command(one.command, project, environ)
    return Webhook(one, desired, project, environ)


def message(event: Event) -> dict[str, Any]:
    """The event as everybody outside sees it, with its sentence."""
    return {**event_document(event), "text": sentence(event)}


class Webhook:
    """An address that is posted to. It may be a secret, so it is in no message."""

    def __init__(self, declared: Notification, desired: Desired, project: Path, environ: Mapping[str, str]) -> None:
        self._declared = declared
        self._desired = desired
        self._project = project
        self._environ = environ

    def give(self, event: Event) -> None:
        address = urlsplit(self._address())
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        if address.scheme not in ("http", "https") or not address.hostname:
            raise NotTaken("the webhook is no http or https address")
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        key = event_name(event.event_id)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "fleet"}
        try:
            connection = kind(address.hostname, address.port, timeout=WEBHOOK_SECONDS)
            try:
                connection.request("POST", path, json.dumps(message(event)).encode(), headers)
                answer = connection.getresponse()
                answer.read(_ANSWER_BYTES)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotTaken(f"the webhook cannot be reached: {type(error).__name__}") from None
        if not 200 <= answer.status < 300:
            raise NotTaken(f"the webhook answered {answer.status}")

    def _address(self) -> str:
        name = self._declared.webhook_secret
        if not name:
            return self._declared.webhook
        source = self._desired.secrets.get(name)
        if source is None:
            raise NotTaken(f"there is no secret {name}")
        try:
            return resolve(source, project=self._project, environ=self._environ).decode()
        except (FleetError, UnicodeDecodeError) as error:
            raise NotTaken(f"the webhook's address is not known: {error}") from None


class Command:
    """A program that gets the event as JSON on its standard input, and its id and sentence in its environment."""

    def __init__(self, command: tuple[str, ...], project: Path, environ: Mapping[str, str]) -> None:
        self._command = command
        self._project = project
        self._environ = environ

    def give(self, event: Event) -> None:
        told = {
            "FLEET_EVENT_ID": event_name(event.event_id),
            "FLEET_EVENT_TYPE": event.event_type,
            "FLEET_EVENT_TEXT": sentence(event),
        }
        program = os.path.basename(self._command[0])
        try:
            done = subprocess.run(
                self._command,
                cwd=self._project,
                env={**self._environ, **told},
                input=json.dumps(message(event)).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotTaken(f"{program} did not end within {COMMAND_SECONDS} s") from None
        except (OSError, ValueError) as error:
            raise NotTaken(f"{program} cannot be run: {getattr(error, 'strerror', None) or error}") from None
        if done.returncode:
            raise NotTaken(f"{program} ended with exit code {done.returncode}")

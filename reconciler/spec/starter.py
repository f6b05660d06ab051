"""A first fleet.yaml: small, valid, and with a comment at everything that a newcomer asks about."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEMA_PATH = "./schemas/fleet.schema.json"

_HEAD = """\
# yaml-language-server: $schema={schema}
#
# What you want to run. `fleet plan` shows what would happen, `fleet apply` makes it so, `fleet why web` says why.
version: 1
name: {name}
"""

_NOTHING = """
# Containers. Begin with one:
#
#   services:
#     web:
#       image: docker.io/library/nginx:1
#       ports: ["8080:80"]
services: {}
"""

_SECRETS = """
# Secrets are named here and never written down: from the environment (env:), a file (file:) or a command (command:).
secrets:
  pg_password: {env: PG_PASSWORD} # export PG_PASSWORD=… before `fleet apply`
"""

_POSTGRES = """
  # A PostgreSQL from the built-in template: image, volume, port on localhost and readiness come with it.
  postgres:
    provider: postgres
    port: 5432
    password: {secret: pg_password}
"""

_WEB = """
  web:
    image: {image}
    ports: ["{port}:{inside}"] # host port : container port
"""

_WEB_DEPENDS = """\
    depends_on: {postgres: healthy} # or started, or completed for a job
    environment: {DATABASE_HOST: postgres} # services find each other by name
"""

_WEB_MORE = """\
    # healthcheck: {test: [CMD, wget, -qO-, "http://localhost/"], interval: 5s, retries: 5}
    # replicas: 2
    # resources: {cpus: 0.5, memory: 256m}
"""

_AGENTS = """
# Agents that work on missions. `shell` runs the command of a sortie; claude-code, codex and opencode run a prompt.
specialists:
  builder:
    replicas: 1
    capabilities: [shell]
    harness: {kind: shell}

# Missions are graphs of sorties: a sortie begins when what it depends on is done.
missions:
  hello:
    title: A first mission
    sorties:
      greet: {title: Say hello, requires: [shell], run: "echo hello"}
      farewell: {title: Say goodbye, depends_on: [greet], requires: [shell], run: "echo goodbye"}
"""


@dataclass(frozen=True, slots=True)
class Start:
    """What a first file is to hold.

    Attributes:
        image: of a web service; empty for none.
        port: its port on this machine.
        inside: its port in the container.
    """

    name: str
    postgres: bool = False
    image: str = ""
    port: int = 8080
    inside: int = 80
    agents: bool = False
    schema: str = SCHEMA_PATH


def name_of(folder: str) -> str:
    """A fleet's name from a folder's."""
    return re.sub(r"[^a-z0-9_-]+", "-", folder.lower()).strip("-_")[:40] or "fleet"


def starter(start: Start) -> str:
    """The text of the file."""
    text = _HEAD.format(name=start.name, schema=start.schema)
    if start.postgres:
        text += _SECRETS
    if start.postgres or start.image:
        text += "\nservices:" + (_POSTGRES if start.postgres else "")
        if start.image:
            text += _WEB.format(image=start.image, port=start.port, inside=start.inside)
            text += (_WEB_DEPENDS if start.postgres else "") + _WEB_MORE
    else:
        text += _NOTHING
    return text + (_AGENTS if start.agents else "")

"""A client for Fleet's HTTP interface, for programs with and without an event loop.

    with Client("http://127.0.0.1:4765", token=token) as client:
        mission = client.send(calls.missions.create(title="Add login"))
        for sortie in client.pages(calls.sorties.list_(status="pending")):
            ...

Calls are values that either client sends; their answers are the values of `documents`. A refusal is raised as the error
that it was on the server.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.client.address import Address as Address
    from reconciler.client.address import from_environment as from_environment
    from reconciler.client.call import Call as Call
    from reconciler.client.call import Page as Page
    from reconciler.client.clients import AsyncClient as AsyncClient
    from reconciler.client.clients import Client as Client
    from reconciler.client.errors import Refused as Refused
    from reconciler.client.errors import ServerUnreachable as ServerUnreachable
    from reconciler.client.retrying import Retries as Retries

_HOMES = {
    "Address": "address",
    "from_environment": "address",
    "Call": "call",
    "Page": "call",
    "AsyncClient": "clients",
    "Client": "clients",
    "Refused": "errors",
    "ServerUnreachable": "errors",
    "Retries": "retrying",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'reconciler.client' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"reconciler.client.{home}"), name)

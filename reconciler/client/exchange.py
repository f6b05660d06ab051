"""What goes over the wire for a call, and what its answer means. Pure: both clients send what this makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from reconciler import __version__
from reconciler.client.address import Address
from reconciler.client.call import Call, Page
from reconciler.client.errors import ServerUnreachable, error_of
from reconciler.decoders import known
from reconciler.errors import FleetError
from reconciler.ids import uuid7

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_JSON = "application/json"


def headers_of(address: Address) -> dict[str, str]:
    """What every request carries."""
    found = {"accept": _JSON, "user-agent": f"fleet/{__version__}"}
    if address.token:
        found["authorization"] = f"Bearer {address.token}"
    return found


def request_of(call: Call[Any], timeout_s: float) -> dict[str, Any]:
    """The arguments of httpx's `request` for a call; made once, so that each attempt carries the same key."""
    headers: dict[str, str] = {}
    content = b""
    if call.body is not None:
        headers["content-type"] = _JSON
        content = msgspec.json.encode(call.body)
    if call.method == "POST":
        headers["idempotency-key"] = uuid7().hex
    if call.if_match is not None:
        headers["if-match"] = f'"{call.if_match}"'
    return {
        "method": call.method,
        "url": call.path,
        "params": {name: _text(value) for name, value in call.params.items() if value is not None},
        "headers": headers,
        "content": content,
        "timeout": timeout_s + call.patience_s,
    }


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def answer_of(call: Call[T], response: httpx.Response) -> T:
    """What the answer says.

    Raises:
        FleetError: the server's refusal, as the error that it was there.
        ServerUnreachable: what answered is no Fleet.
    """
    if response.status_code >= 400:
        raise _refusal(response)
    if call.answer is None:
        return cast("T", None)
    try:
        document = msgspec.json.decode(response.content)
        return cast("T", _read(call, document))
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise ServerUnreachable(
            f"the answer to {call.method} {call.path} cannot be read: {error}", hint="is this a Fleet of this release?"
        ) from None


def _read(call: Call[T], document: Any) -> Any:
    if call.answer is Page:
        raise TypeError("a page needs the type of its items")
    kind = getattr(call.answer, "__origin__", None)
    if kind is Page:
        (item,) = call.answer.__args__
        items = msgspec.convert(document[call.inside], known(list[item]))  # type: ignore[valid-type]
        return Page(items=items, total=int(document["total"]), next=document.get("next"))
    return msgspec.convert(document[call.inside] if call.inside else document, known(call.answer))


def _refusal(response: httpx.Response) -> FleetError:
    try:
        problem = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        problem = None
    if not isinstance(problem, dict):
        return ServerUnreachable(f"what answers at {response.url} is no Fleet (HTTP status {response.status_code})")
    return error_of(response.status_code, problem)

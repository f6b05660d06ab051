"""`fleet mcp`: let an agent of any maker join the fleet, over the Model Context Protocol."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import Project, about_project

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from reconciler.mcp.presence import Presence

TOKEN = "FLEET_MCP_TOKEN"


@about_project
def mcp(
    project: Project,
    name: Annotated[
        str, typer.Option("--name", help="Join under this name, as the same one after a restart.", metavar="NAME")
    ] = "",
    capability: Annotated[
        list[str], typer.Option("--capability", "-c", help="What the agent can do (repeatable).", metavar="WORD")
    ] = [],
    specialist: Annotated[
        str,
        typer.Option("--specialist", help="Tools for a specialist that is there already.", metavar="SPECIALIST"),
    ] = "",
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP instead of standard input and output.")] = False,
    host: Annotated[str, typer.Option("--host", help="Where to listen.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="On which port; 0 is any free one.", min=0, max=65535, metavar="N")
    ] = 4778,
) -> None:
    """Be the tools of one agent: claim, progress, block, complete, review, squawk, reserve, checkpoint, status.

    An agent's program starts this by itself and talks to it over standard input and output. The agent is registered as a
    specialist of its own while that runs, acts only in its own name, and hands back what it holds when it leaves. Over
    HTTP the same is there for whoever has the token of FLEET_MCP_TOKEN; without that one is made up and printed.

    \b
    Examples:
      fleet mcp --capability python
      fleet mcp --name claude -c python -c review
      fleet mcp --name codex --http --port 4778
      fleet mcp --specialist builder-1
      claude mcp add fleet -- fleet mcp --capability python
    """
    if name and specialist:
        raise typer.BadParameter("either a new specialist or one that is there", param_hint="--specialist")
    from reconciler.control.session import open_session
    from reconciler.mcp.opening import open_seat
    from reconciler.mcp.server import build

    with (
        open_session(project, source="worker") as session,
        open_seat(session, name=name, capabilities=capability, specialist=specialist) as (seat, presence),
    ):
        server = build(seat)
        if http:
            _over_http(server, host, port)
        else:
            _end_on_signals(presence)
            server.run("stdio")


def _over_http(server: MCPServer, host: str, port: int) -> None:
    import secrets

    from reconciler.mcp.http import PATH, listen, serve

    token = os.environ.get(TOKEN, "")
    listener = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(f"fleet: MCP at http://{shown}:{listener.getsockname()[1]}{PATH}", file=sys.stderr, flush=True)
    if not token:
        token = secrets.token_urlsafe(32)
        print(f"  Authorization: Bearer {token}", file=sys.stderr, flush=True)
    # The server ends in good order on SIGTERM, and then sends it to us again: there is still leaving to do.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    serve(server, listener, token)


def _end_on_signals(presence: Presence | None) -> None:
    """Leave in good order on SIGTERM and SIGINT, though a thread waits for input that may never come."""

    def end() -> None:
        if presence is not None:
            presence.leave()
        os._exit(0)

    def handle(number: int, frame: FrameType | None) -> None:
        # The thread that was interrupted may hold a lock that leaving needs.
        threading.Thread(target=end, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)

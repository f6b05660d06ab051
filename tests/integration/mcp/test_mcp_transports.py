"""`fleet mcp` as an agent's program starts it: over standard input and output, and over HTTP for who has the token."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import msgspec
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from reconciler.control.desk import reading
from reconciler.projections.store import Store

ROOT = Path(__file__).resolve().parents[3]
FLEET = Path(sys.executable).parent / "fleet"
TOKEN = "a-token-of-this-test"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {"FLEET_DATA_DIR": str(tmp_path / "data"), "FLEET_ACTOR": "ada", "FLEET_MCP_TOKEN": TOKEN}
    return {**os.environ, **own, "PATH": f"{FLEET.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def start(project: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [FLEET, "mcp", *words, "--database", project / "log.db"],
            cwd=project,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def lines_of_configuration() -> Iterator[tuple[str, list[str]]]:
    folder = ROOT / "examples" / "agents"
    claude = msgspec.json.decode((folder / "mcp.json").read_bytes())["mcpServers"]["fleet"]
    codex = tomllib.loads((folder / "config.toml").read_text())["mcp_servers"]["fleet"]
    opencode = msgspec.json.decode((folder / "opencode.json").read_bytes())["mcp"]["fleet"]
    yield "claude-code", [claude["command"], *claude["args"]]
    yield "codex", [codex["command"], *codex["args"]]
    yield "opencode", opencode["command"]


def test_every_line_of_configuration_is_the_same_command() -> None:
    commands = [command for _, command in lines_of_configuration()]
    assert commands == [["fleet", "mcp", "--capability", "python", "--capability", "review"]] * 3


def test_an_agent_joins_by_its_line_of_configuration_and_leaves(
    project: Path, environment: dict[str, str], store: Store
) -> None:
    command, *arguments = next(lines_of_configuration())[1]
    arguments += ["--name", "ann", "--database", str(project / "log.db")]
    parameters = StdioServerParameters(command=command, args=arguments, env=environment, cwd=project)
    seen: dict[str, Any] = {}

    async def story() -> None:
        async with Client(stdio_client(parameters)) as client:
            seen["tools"] = {one.name for one in (await client.list_tools()).tools}
            seen["status"] = (await client.call_tool("status", {})).structured_content
            wrong = await client.call_tool("complete", {"summary": "done"})
            seen["wrong"] = (wrong.is_error, wrong.content[0].text)  # type: ignore[union-attr]

    anyio.run(story)
    assert {"claim", "progress", "block", "complete", "squawk_send", "reserve", "checkpoint", "status"} <= seen["tools"]
    assert (seen["status"]["name"], seen["status"]["capabilities"]) == ("ann", ["python", "review"])
    assert seen["wrong"][0]
    assert "hint: claim gives you the next one" in seen["wrong"][1]
    assert reading.specialist(store.rows(), "spec_mcp.ann").metadata["harness"] == "mcp"


@pytest.mark.parametrize("how", ["the end of its input", "SIGTERM"])
def test_it_leaves_in_good_order(how: str, start: Callable[..., subprocess.Popen[str]], store: Store) -> None:
    process = start("--name", "ann")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    process.stdin.flush()
    assert process.stdout.readline()
    if how == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    else:
        process.stdin.close()
        process.stdin = None
    assert process.wait(60) == 0
    assert reading.specialist(store.rows(), "spec_mcp.ann").status == "completed"


def test_over_http_only_who_has_the_token_is_answered(
    start: Callable[..., subprocess.Popen[str]], store: Store
) -> None:
    process = start("--name", "bob", "--http", "--port", "0")
    assert process.stderr is not None
    url = process.stderr.readline().rpartition(" ")[2].strip()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=60)
    refused.value.close()
    assert refused.value.code == 401

    async def story() -> dict[str, Any]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            answer = await client.call_tool("status", {})
            assert answer.structured_content is not None
            return answer.structured_content

    assert anyio.run(story)["specialist_id"] == "spec_mcp.bob"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert reading.specialist(store.rows(), "spec_mcp.bob").status == "completed"


def test_a_port_that_is_taken_is_said_clearly(start: Callable[..., subprocess.Popen[str]]) -> None:
    first = start("--name", "bob", "--http", "--port", "0")
    assert first.stderr is not None
    port = first.stderr.readline().rpartition(":")[2].partition("/")[0]
    second = start("--name", "cy", "--http", "--port", port)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "choose another --port" in said

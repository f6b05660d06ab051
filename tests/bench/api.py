"""How fast the server answers, beside a bare endpoint on the same machine, measured in one run.

    python tests/bench/api.py [--seconds 2] [--rounds 3]

The bare server is FastAPI on the same uvicorn, httptools and uvloop: one endpoint returns a constant, one does one raw SQLite
read, one does one raw committed insert by a single writer thread. The load generator shares the machine with both. Rounds of
the two take turns and the medians are shown, so that a machine that is busy with other things spoils little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

CONNECTIONS = (1, 8, 32)
Script = Generator[tuple[bool, bytes], bytes, None]
"""What one connection does: yields whether the next request is timed and its bytes, and is sent the body of the answer."""


# The two servers, each a process of its own.


def serve_bare(folder: Path) -> None:
    """The bare endpoints."""
    import uvicorn
    from fastapi import FastAPI, Response

    app = FastAPI()
    constant = json.dumps({"specialist": {"id": "spec_1", "filler": "x" * 220}}).encode()

    def connect() -> sqlite3.Connection:
        made = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = FULL")
        return made

    reader, writer = connect(), connect()
    writer.execute("CREATE TABLE things (key TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID")
    writer.execute("CREATE TABLE facts (id INTEGER PRIMARY KEY, data TEXT)")
    writer.execute("INSERT INTO things VALUES ('spec_1', ?)", (constant.decode(),))
    one_writer = ThreadPoolExecutor(1)

    @app.get("/constant")
    async def _() -> Response:
        return Response(constant, media_type="application/json")

    @app.get("/read/{key}")
    async def _(key: str) -> Response:
        (row,) = reader.execute("SELECT row FROM things WHERE key = ?", (key,)).fetchone()
        return Response(row, media_type="application/json")

    @app.post("/insert")
    async def _() -> Response:
        insert = "INSERT INTO facts (data) VALUES (?)"
        await asyncio.get_running_loop().run_in_executor(
            one_writer, lambda: writer.execute(insert, (constant.decode(),)).fetchone()
        )
        return Response(constant, media_type="application/json")

    config = uvicorn.Config(app, port=0, log_level="error", access_log=False, loop="uvloop", http="httptools")
    server = uvicorn.Server(config)

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"port": port}), flush=True)
        await task

    uvloop.run(run())


def serve_fleet(folder: Path) -> None:
    """The server that is measured, as `fleet serve` runs it; nobody is kept waiting for asking too often."""
    from reconciler.api.server import Server
    from reconciler.api.settings import ServeSettings
    from reconciler.api.tokens import read_local
    from reconciler.control.project import Project

    project = Project(file=folder / "fleet.yaml", directory=folder, database=str(folder / "data" / "squawk.db"))
    server = Server(project, ServeSettings(port=0, rate=1e6, burst=1e6))
    port = int(server.place.url.rpartition(":")[2])

    def ready() -> None:
        print(json.dumps({"port": port, "token": read_local(server.service.folder)}), flush=True)

    server.run(ready)


@contextmanager
def process(kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """One of the servers, and what it says of itself."""
    started = subprocess.Popen(
        [sys.executable, __file__, "--serve", kind, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        yield json.loads(started.stdout.readline())
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


# The load.


class Connection(asyncio.Protocol):
    """One connection that works through a script, one request after the other."""

    def __init__(self, script: Script, until: float, done: asyncio.Future[None]) -> None:
        self._script, self._until, self._done = script, until, done
        self.latencies: list[float] = []
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send(None)

    def _send(self, body: bytes | None) -> None:
        if time.perf_counter() > self._until:
            self._transport.close()
            return
        self._timed, request = next(self._script) if body is None else self._script.send(body)
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if self._timed:
            self.latencies.append(time.perf_counter() - self._began)
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            raise SystemExit(f"{head.decode()}\n{body.decode()}")
        self._buffer = b""
        self._send(body)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


@dataclass(frozen=True)
class Figures:
    """One round: milliseconds and answers a second."""

    p50: float
    p99: float
    rate: float


async def load(port: int, scripts: list[Script], seconds: float) -> Figures:
    """Let connections work side by side for so long."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    began, pairs = time.perf_counter(), []
    for script in scripts:
        done: asyncio.Future[None] = loop.create_future()
        _, made = await loop.create_connection(lambda s=script, d=done: Connection(s, until, d), "127.0.0.1", port)
        pairs.append((made, done))
    await asyncio.gather(*(done for _, done in pairs))
    found = sorted(one for made, _ in pairs for one in made.latencies)
    took = time.perf_counter() - began
    return Figures(1e3 * found[len(found) // 2], 1e3 * found[int(len(found) * 0.99)], len(found) / took)


def request(method: str, path: str, body: Any = None, token: str = "") -> bytes:
    """The bytes of a request."""
    content = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(content)}"]
    if content:
        lines.append("content-type: application/json")
    if token:
        lines.append(f"authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def repeated(method: str, path: str, body: Any = None, token: str = "") -> Callable[[int], Script]:
    """A connection that asks the same again and again; `{n}` is its number."""

    def script(number: int) -> Script:
        text = json.dumps(body).replace("{n}", str(number)) if body is not None else ""
        asked = request(method, path.replace("{n}", str(number)), json.loads(text) if text else None, token)
        while True:
            yield True, asked

    return script


def claiming(token: str) -> Callable[[int], Script]:
    """A connection that claims and completes; only the claims are timed."""
    claim = "/api/v1/sorties/claim"

    def script(number: int) -> Script:
        me = f"spec_{number}"
        while True:
            answer = json.loads((yield True, request("POST", claim, {"specialist_id": me}, token)))["claim"]
            if answer is None:
                yield False, request("POST", "/api/v1/sorties", {"title": "one"}, token)
                continue
            done = {"specialist_id": me, "result": {"success": True}}
            path = f"/api/v1/sorties/{answer['sortie']['id']}/complete"
            yield False, request("POST", path, done, token)
            yield False, request("POST", "/api/v1/sorties", {"title": "one"}, token)

    return script


def prepare(port: int, token: str) -> None:
    """Specialists and something to do."""
    import httpx

    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}/api/v1", headers={"authorization": f"Bearer {token}"}
    ) as client:
        for number in range(max(CONNECTIONS)):
            body = {"name": f"s{number}", "specialist_id": f"spec_{number}", "capabilities": ["python", "refactor"]}
            client.post("/specialists/register", json=body).raise_for_status()
        for _ in range(2 * max(CONNECTIONS)):
            client.post("/sorties", json={"title": "one"}).raise_for_status()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs=2)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    if options.serve:
        {"bare": serve_bare, "fleet": serve_fleet}[options.serve[0]](Path(options.serve[1]))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bare, fleet = (stack.enter_context(process(kind, folder)) for kind in ("bare", "fleet"))
        port, token = fleet["port"], fleet["token"]
        prepare(port, token)
        event = {"events": [{"type": "memory_stored", "stream_id": "m{n}", "data": {"key": "k"}}]}
        lock = {"file": "src/file{n}.py", "specialist_id": "spec_{n}"}
        rounds: dict[str, tuple[int, Callable[[int], Script]]] = {
            "bare constant": (bare["port"], repeated("GET", "/constant")),
            "bare raw read": (bare["port"], repeated("GET", "/read/spec_1")),
            "read": (port, repeated("GET", "/api/v1/specialists/spec_{n}", None, token)),
            "bare raw insert": (bare["port"], repeated("POST", "/insert")),
            "heartbeat": (
                port,
                repeated("POST", "/api/v1/specialists/spec_{n}/heartbeat", {"status": "active"}, token),
            ),
            "lock acquire": (port, repeated("POST", "/api/v1/lock/acquire", lock, token)),
            "claim": (port, claiming(token)),
            "event append": (port, repeated("POST", "/api/v1/events", event, token)),
        }
        chosen = {name: one for name, one in rounds.items() if not options.only or name in options.only}
        print(f"{'':16} {'connections':>11} {'p50 ms':>8} {'p99 ms':>8} {'per second':>11}")
        for connections in CONNECTIONS:
            found: dict[str, list[Figures]] = {name: [] for name in chosen}
            for _ in range(options.rounds):
                for name, (where, script) in chosen.items():
                    scripts = [script(number) for number in range(connections)]
                    found[name].append(uvloop.run(load(where, scripts, options.seconds)))
            for name, figures in found.items():
                middle = [statistics.median(getattr(one, field) for one in figures) for field in ("p50", "p99", "rate")]
                print(f"{name:16} {connections:11} {middle[0]:8.2f} {middle[1]:8.2f} {middle[2]:11.0f}")
            if {"bare constant", "read"} <= set(found):
                _ratios(found)


def _ratios(found: dict[str, list[Figures]]) -> None:
    """How a read compares with the constant."""
    pairs = list(zip(found["read"], found["bare constant"], strict=True))
    slower = statistics.median(one.p50 / other.p50 for one, other in pairs)
    share = statistics.median(one.rate / other.rate for one, other in pairs)
    print(f"  a read takes {slower:.2f} of the constant's p50, at {share:.2f} of its throughput")


if __name__ == "__main__":
    main()

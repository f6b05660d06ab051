"""Who may not: each is refused in the right words, and nothing is written."""

from __future__ import annotations

import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from reconciler.api.server import Server, ServeRefused, serving
from reconciler.api.settings import ServeSettings
from reconciler.api.tokens import LOCAL_FILE, read_local
from reconciler.client.place import find_server
from reconciler.control.project import Project
from tests.support.serving import Served, served

REGISTER = "/api/v1/specialists/register"
ANYONE = {"name": "somebody"}
FACT = {"events": [{"type": "memory_stored", "stream_id": "m", "data": {"key": "k"}}]}


@pytest.fixture(autouse=True)
def _nothing_is_written(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here, unless it says otherwise, leaves the log as it was."""
    api: Served = request.getfixturevalue("api")
    before = api.head()
    yield
    if "writes" not in request.fixturenames:
        assert api.head() == before


@pytest.fixture
def writes() -> None:
    """For tests that show what is written."""


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["code"]) == (status, code)
    assert found["detail"]
    return found


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic abc"}, {"authorization": "Bearer fleet_wrong"}])
def test_no_token_or_a_wrong_one(api: Served, headers: dict[str, str]) -> None:
    answer = api.client().post(REGISTER, json=ANYONE, headers=headers)
    refusal(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    older = api.client().post("/api/v1/lock/acquire", json={"file": "a", "specialist_id": "b"}, headers=headers)
    assert (older.status_code, list(older.json())) == (401, ["error"])


def test_a_token_that_is_over_or_revoked(api: Served) -> None:
    secret = api.service.tokens.create("brief", ["admin"], lives_ms=1)[1]
    refusal(api.client(secret).post(REGISTER, json=ANYONE), 401, "unauthorized")
    other = api.token("gone", "read")
    assert api.client(other).get("/api/v1/locks").status_code == 200
    api.service.tokens.revoke("gone")
    assert api.client(other).get("/api/v1/locks").status_code == 401


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("read", "POST", REGISTER, ANYONE),
        ("read", "POST", "/api/v1/events", FACT),
        ("apply", "POST", REGISTER, ANYONE),
        ("work", "POST", "/api/v1/apply", {}),
    ],
)
def test_a_token_that_does_not_reach_so_far(api: Served, scope: str, method: str, path: str, body: Any) -> None:
    name = f"{scope} {path}"
    refusal(api.client(api.token(name, scope)).request(method, path, json=body), 403, "forbidden")


def test_raw_events_that_follow_rules_are_for_administrators(api: Served) -> None:
    client = api.client(api.token("worker", "work"))
    made = {"type": "sortie_created", "stream_id": "s", "data": {"sortie_id": "s", "title": "t"}}
    found = refusal(client.post("/api/v1/events", json={"events": [made]}), 403, "forbidden")
    assert "sortie_created" in found["detail"]


def test_a_specialist_acts_as_itself_only(api: Served) -> None:
    client = api.client(api.token("one", specialist="spec_one"))
    refusal(client.post(REGISTER, json={**ANYONE, "specialist_id": "spec_other"}), 403, "forbidden")
    refusal(client.post("/api/v1/specialists/spec_other/heartbeat", json={}), 403, "forbidden")
    other = {"type": "memory_stored", "stream_id": "m", "data": {"key": "k"}}
    skill = {"type": "skill_acquired", "stream_id": "m", "data": {"skill_id": "s", "specialist_id": "spec_other"}}
    refusal(client.post("/api/v1/events", json={"events": [other, skill]}), 403, "forbidden")
    lock = client.post("/api/v1/lock/acquire", json={"file": "a", "specialist_id": "spec_other"})
    assert (lock.status_code, list(lock.json())) == (403, ["error"])
    sent = {"type": "note", "data": {}, "metadata": {"sender_id": "spec_other"}}
    mail = client.post("/api/v1/mailbox/append", json={"stream_id": "box", "events": [sent]})
    assert (mail.status_code, list(mail.json())) == (403, ["error"])


@pytest.mark.usefixtures("writes")
def test_who_wrote_is_in_the_log(api: Served) -> None:
    client = api.client(api.token("two", specialist="spec_two"), headers={"user-agent": "worker/1"})
    assert client.post(REGISTER, json={**ANYONE, "specialist_id": "spec_two"}).status_code == 201
    event = api.admin.get("/api/v1/events?newest_first=true&limit=1").json()["events"][0]
    told = event["metadata"]
    assert (told["actor"], told["source"], told["user_agent"]) == ("spec_two", "api", "worker/1")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", ""])
def test_a_request_for_somebody_else(api: Served, host: str) -> None:
    refusal(api.admin.post(REGISTER, json=ANYONE, headers={"host": host}), 421, "host_refused")


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_a_page_of_somebody_else(api: Served, headers: dict[str, str]) -> None:
    answer = api.admin.post(REGISTER, json=ANYONE, headers=headers)
    refusal(answer, 403, "origin_refused")
    assert "access-control-allow-origin" not in answer.headers


def test_a_browser_that_asks_before_it_asks(api: Served) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert api.client().options(REGISTER, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_that_is_not_called_json(api: Served, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    refusal(api.admin.post(REGISTER, content=b'{"name": "x"}', headers=headers), 415, "media_refused")


def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(api: Served) -> None:
    with _raw(api) as wire:
        wire.sendall(_head(api, {"content-length": str(1 << 30), "content-type": "application/json"}))
        answer = _answer(wire)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer


def test_a_body_of_a_gigabyte_that_does_not_say_so(api: Served) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    headers = {"content-type": "application/json"}
    try:
        answer = api.admin.post(REGISTER, content=endless(), headers=headers)
    except (httpx.WriteError, httpx.RemoteProtocolError):
        # The server hung up while we were still talking.
        return
    refusal(answer, 413, "body_too_large")


def test_a_head_without_end(api: Served) -> None:
    with _raw(api) as wire:
        wire.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n")
        answer = b""
        try:
            for number in range(200):
                wire.sendall(b"x-%d: %s\r\n" % (number, b"x" * 1000))
            answer = _answer(wire)
        except OSError:
            return
    assert answer.startswith(b"HTTP/1.1 431")


def test_who_is_too_slow_is_let_go(tmp_path: Path) -> None:
    with served(tmp_path, header_seconds=0.2, body_seconds=0.2) as api:
        with _raw(api) as silent, _raw(api) as slow_head, _raw(api) as slow_body:
            slow_head.sendall(b"POST /api")
            slow_body.sendall(_head(api, {"content-length": "100", "content-type": "application/json"}) + b'{"na')
            for wire in (silent, slow_head, slow_body):
                assert _answer(wire).startswith(b"HTTP/1.1 408")
        assert api.head() == 0


def test_who_reads_nothing_is_let_go(tmp_path: Path) -> None:
    with served(tmp_path, write_seconds=0.2) as api:
        for _ in range(10):
            events = [{"type": "note", "data": {"text": "x" * 9_000}} for _ in range(100)]
            api.admin.post("/api/v1/mailbox/append", json={"stream_id": "big", "events": events})
        with _raw(api) as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.sendall(_head(api, {}, "GET /api/v1/events/stream?after=0"))
            while api.service.following.followers == 0:
                api.client().get("/health/live")
            while api.service.following.followers:
                api.client().get("/health/live")


def test_who_asks_too_often(tmp_path: Path) -> None:
    with served(tmp_path, rate=0.01, burst=3.0, failures=2) as api:
        reader = api.client(api.token("reader", "read"))
        answers = [reader.get("/api/v1/locks") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        guesses = [api.client(f"fleet_guess{number}").get("/metrics").status_code for number in range(4)]
        assert guesses == [401, 401, 429, 429]


def test_a_key_that_comes_again_with_another_body(api: Served) -> None:
    headers = {"idempotency-key": "again"}
    first = api.admin.post("/api/v1/events", json={"events": []}, headers=headers)
    refusal(first, 422, "input_unclear")
    refusal(api.admin.post("/api/v1/events", json=FACT, headers=headers), 422, "key_reused")
    refusal(api.admin.post("/api/v1/events", json=FACT, headers={"idempotency-key": "x" * 201}), 422, "input_unclear")


@pytest.mark.usefixtures("writes")
def test_a_key_that_comes_again_with_the_same_body_is_answered_the_same(api: Served) -> None:
    headers = {"idempotency-key": "same"}
    answers = [api.admin.post("/api/v1/events", json=FACT, headers=headers) for _ in range(3)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", "true"]
    number = answers[0].json()["events"][0]["sequence_number"]
    assert api.head() == number
    # Somebody else's key is another key.
    other = api.client(api.token("other", "admin")).post("/api/v1/events", json=FACT, headers=headers)
    assert other.json()["events"][0]["sequence_number"] == number + 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/specialists/..%2f..%2fetc%2fpasswd",
        "/api/v1/specialists/%2e%2e%2fhealth",
        "/api/v1/specialists/a%00b",
        "/api/v1/specialists/%ff%fe",
        "/api/v1/specialists/" + "x" * 5_000,
        "/api/v1/events/streams/specialist/..%2f..%2fsquawk.db",
        "/api/v1/mailbox/..%2f..%2fsquawk.db",
        "/api/v1/cursor/%2e%2e",
        "//etc/passwd",
        "/api/v1/../../etc/passwd",
    ],
)
def test_paths_that_try_to_lead_elsewhere(api: Served, path: str) -> None:
    with _raw(api) as wire:
        wire.sendall(_head(api, {}, f"GET {path}"))
        status = int(_answer(wire).split(b" ", 2)[1])
    assert status in (404, 422)


def test_files_that_try_to_lead_elsewhere(api: Served) -> None:
    for file in ("../../etc/passwd", "src/../../x", "\0", ""):
        answer = api.admin.post("/api/v1/lock/acquire", json={"file": file, "specialist_id": "a"})
        assert answer.status_code == 400


def test_what_was_written_down_can_be_read_by_its_owner_only(api: Served) -> None:
    folder = api.service.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        if file.is_file():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    secret = read_local(folder)
    assert secret
    for file in folder.iterdir():
        if file.is_file() and file.name != LOCAL_FILE:
            assert secret.encode() not in file.read_bytes(), file.name


def test_a_unix_socket_is_for_its_owner(api: Served, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(tmp_path, socket=path) as other:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        place = find_server(other.service.folder)
        assert place is not None
        assert place.socket == str(path)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://fleet") as client:
            assert client.get("/health").status_code == 200
            assert client.get("/api/v1/locks").status_code == 401
            token = read_local(other.service.folder)
            assert client.get("/api/v1/locks", headers={"authorization": f"Bearer {token}"}).status_code == 200
        with pytest.raises(ServeRefused, match="another server"):
            Server(other.service.project, ServeSettings(socket=path))
    assert not path.exists()
    assert find_server(other.service.folder) is None


def test_a_socket_that_a_crash_left_behind_is_replaced(api: Served, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(path))
    with served(tmp_path, socket=path) as other:
        assert other.service.ready
    path.write_text("precious")
    with pytest.raises(ServeRefused, match="no socket"), served(tmp_path, socket=path):
        pass
    assert path.read_text() == "precious"


def test_older_clients_come_without_a_token_where_that_was_said(api: Served, tmp_path: Path) -> None:
    with served(tmp_path, open_loopback=True) as other:
        client = other.client()
        made = client.post("/api/v1/lock/acquire", json={"file": "a.py", "specialist_id": "old"})
        assert made.status_code == 200
        actor = client.get("/api/v1/events").json()["events"][0]["metadata"]["actor"]
        assert actor == "loopback"
        refusal(client.post("/api/v1/apply", json={}), 403, "forbidden")
        refusal(client.get("/api/v1/events", headers={"authorization": "Bearer nonsense"}), 401, "unauthorized")
        refusal(client.get("/api/v1/events", headers={"host": "evil.example"}), 421, "host_refused")


def _elsewhere(tmp_path: Path) -> Project:
    return Project(file=tmp_path / "fleet.yaml", directory=tmp_path, database=str(tmp_path / "d" / "squawk.db"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "0.0.0.0"}, "in the open"),
        ({"host": "0.0.0.0", "open_loopback": True}, "this machine only"),
        ({"host": "0.0.0.0", "certificate": Path("c"), "key": Path("k")}, "nobody there has a token"),
        ({"certificate": Path("c")}, "TLS needs"),
        ({"host": "192.0.2.1", "port": 1, "certificate": Path("c"), "key": Path("k")}, "nobody there has a token"),
    ],
)
def test_it_does_not_open_where_that_would_not_be_safe(
    api: Served, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ServeRefused, match=words):
        Server(_elsewhere(tmp_path), ServeSettings(**settings))


def test_an_address_that_is_taken(api: Served, tmp_path: Path) -> None:
    port = urlsplit(api.url).port or 0
    with pytest.raises(ServeRefused, match="cannot be listened on"):
        Server(_elsewhere(tmp_path), ServeSettings(port=port))


def test_other_machines_come_with_tls_and_a_token(api: Served, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    project = _elsewhere(tmp_path)
    from reconciler.api.tokens import Tokens

    secret = Tokens(tmp_path / "d").create("far", ["read"])[1]
    settings = ServeSettings(host="0.0.0.0", port=0, certificate=certificate, key=key)
    with serving(project, settings) as server:
        port = urlsplit(server.place.url).port
        trust = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(verify=trust, headers={"authorization": f"Bearer {secret}"}) as client:
            assert client.get(f"https://localhost:{port}/api/v1/locks").status_code == 200


def _raw(api: Served) -> closing[socket.socket]:
    parts = urlsplit(api.url)
    return closing(socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20))


def _head(api: Served, headers: dict[str, str], line: str = f"POST {REGISTER}") -> bytes:
    secret = read_local(api.service.folder)
    lines = [f"{line} HTTP/1.1", "host: localhost", f"authorization: Bearer {secret}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _answer(wire: socket.socket) -> bytes:
    """What the server says first."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = wire.recv(65_536)
        if not part:
            break
        found += part
    return found

"""Who is let in, and what is answered."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json

import pytest

from reconciler.control.gitops.listener import Listener, let_in, parse_place
from reconciler.errors import FleetError


@pytest.mark.parametrize(("text", "port"), [("8787", 8787), ("127.0.0.1:1", 1), ("localhost:0", 0)])
def test_a_place_on_this_machine(text: str, port: int) -> None:
    assert parse_place(text) == ("127.0.0.1", port)


@pytest.mark.parametrize("text", ["", "http", "70000", "0.0.0.0:80", "example.com:80", ":80", "127.0.0.1:"])
def test_no_other_place(text: str) -> None:
    if text == ":80":
        with pytest.raises(FleetError, match="other machines"):
            parse_place(text)
        return
    with pytest.raises(FleetError):
        parse_place(text)


def test_the_secret_in_each_way_of_saying_it() -> None:
    signature = "sha256=" + hmac.new(b"hush", b"body", hashlib.sha256).hexdigest()
    assert let_in("hush", {"X-Hub-Signature-256": signature}, b"body")
    assert let_in("hush", {"X-Gitlab-Token": "hush"}, b"")
    assert let_in("hush", {"Authorization": "Bearer hush"}, b"")


def test_nobody_else_is_let_in() -> None:
    signature = "sha256=" + hmac.new(b"hush", b"body", hashlib.sha256).hexdigest()
    assert not let_in("hush", {"X-Hub-Signature-256": signature}, b"other")
    # A wrong signature is not made good by another header.
    assert not let_in("hush", {"X-Hub-Signature-256": "x", "X-Gitlab-Token": "hush"}, b"")
    assert not let_in("hush", {}, b"")
    assert not let_in("hush", {"X-Gitlab-Token": "hush é"}, b"")
    assert not let_in("", {}, b"")


def test_what_it_answers() -> None:
    hurried: list[int] = []
    listener = Listener(("127.0.0.1", 0), secret="hush", status=lambda: {"a": 1}, hurry=lambda: hurried.append(1))
    listener.start()
    try:

        def ask(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, object]:
            connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
            try:
                connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
                answer = connection.getresponse()
                return answer.status, json.load(answer)
            finally:
                connection.close()

        assert ask("GET", "/status") == (200, {"a": 1})
        assert ask("GET", "/")[0] == 404
        assert ask("POST", "/", b"")[0] == 404
        assert ask("POST", "/hook", b"{}")[0] == 403
        assert ask("POST", "/hook", None, Content_Length="9999999999")[0] == 413
        assert hurried == []
        assert ask("POST", "/hook", b"{}", X_Gitlab_Token="hush") == (202, {"hurried": True})
        assert hurried == [1]
        with pytest.raises(FleetError, match="cannot listen"):
            Listener(("127.0.0.1", listener.port), secret="", status=dict, hurry=lambda: None)
    finally:
        listener.stop()


def test_one_that_never_answered_can_be_closed() -> None:
    Listener(("127.0.0.1", 0), secret="", status=dict, hurry=lambda: None).stop()

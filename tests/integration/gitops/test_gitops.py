"""Following a branch over real servers and real Podman."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from reconciler.projections.store import EventQuery
from tests.integration.gitops.following import Following, Place, fleet_file
from tests.integration.gitops.git_servers import PASSWORD, Author, HttpServer, SshServer, git, make_key
from tests.integration.watch.watching import kill_inside, remove

At = Callable[..., Place]


def test_over_http_each_commit_is_taken_up_in_its_authors_name(author: Author, http_server: HttpServer, at: At) -> None:
    place = at(http_server.url())
    first = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    with Following(place) as following:
        assert following.is_at(first)["revision"] == 1
        following.until(lambda: place.labels() == {"web-1": "one"}, "as declared")
        second = author.push({"fleet.yaml": fleet_file(place.name, {"web": "two"})})
        status = following.is_at(second)
        assert (status["commit"], status["author"], status["revision"]) == (second, "Grace Hopper", 2)
        following.until(lambda: place.labels() == {"web-1": "two"}, "as declared")
        assert following.end() == 0
    events = [one for one in place.yard.events() if one.stream_type != "system"]
    assert {(one.metadata["source"], one.metadata["actor"]) for one in events} == {("git", "Grace Hopper")}
    assert {one.metadata["commit"] for one in events} == {first, second}
    accepted = [one.data for one in events if one.event_type == "revision_accepted"]
    assert [(one["commit"], one["author"], one["branch"]) for one in accepted] == [
        (first, "Grace Hopper", "main"),
        (second, "Grace Hopper", "main"),
    ]
    _password_is_nowhere(following, place)


def _password_is_nowhere(following: Following, place: Place) -> None:
    assert PASSWORD not in following.told()
    assert PASSWORD not in json.dumps(following.status())
    for path in place.yard.data.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
    home = place.yard.data / "gitops"
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o700 for one in home.iterdir())


def test_over_ssh(author: Author, at: At, tmp_path: Path) -> None:
    with SshServer(tmp_path / "ssh", author.bare) as server:
        place = at(server.url, "hosts/eu1")
        commit = author.push({"hosts/eu1/fleet.yaml": fleet_file(place.name, {"web": "one"})})
        with Following(place, environ={"GIT_SSH_COMMAND": server.command}) as following:
            following.is_at(commit)
            following.until(lambda: place.labels() == {"web-1": "one"}, "as declared")
            commit = author.push({"hosts/eu1/fleet.yaml": fleet_file(place.name, {"web": "two"})})
            following.is_at(commit)
            following.until(lambda: place.labels() == {"web-1": "two"}, "as declared")


def test_a_bad_commit_is_rejected_and_what_runs_is_healed_as_the_last_good_one_says(author: Author, at: At) -> None:
    place = at(str(author.bare))
    conf = "    configs: [{source: ./web.conf, target: /web.conf}]\n"
    good = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"}) + conf, "web.conf": "good"})
    with Following(place) as following:
        following.is_at(good)
        untouched = place.settled({"web-1": "one"})
        bad = author.push({"fleet.yaml": "version: 1\nname: [\n", "web.conf": "bad"})
        status = following.is_at(bad, "failure")
        assert status["commit"] == good
        assert place.running() == untouched
        assert "rejected revision 2" in status["description"]
        assert following.says("rejected revision 2")["line"]
        # The config file is in the checkout as the good commit has it, so the container can be made anew.
        remove(place.yard, "web-1")
        following.until(place.labels, "healed")
        gone = author.push({"fleet.yaml": None})
        assert following.is_at(gone, "failure")["commit"] == good
        kill_inside(place.yard, "web-1")
        following.until(lambda: place.yard.types().count("container_started") == 3, "healed")
        following.until(lambda: place.labels() == {"web-1": "one"}, "as declared")
        better = author.push({"fleet.yaml": fleet_file(place.name, {"web": "two"})})
        following.is_at(better)
        following.until(lambda: place.labels() == {"web-1": "two"}, "as declared")
    rejected = [one for one in place.yard.events() if one.event_type == "revision_rejected"]
    assert [one.data["commit"] for one in rejected] == [bad, gone]
    assert [one.metadata["commit"] for one in rejected] == [bad, gone]


def test_a_rewritten_branch_is_rejected_until_somebody_says_otherwise(author: Author, at: At) -> None:
    place = at(str(author.bare))
    first = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    second = author.push({"fleet.yaml": fleet_file(place.name, {"web": "two"})})
    with Following(place) as following:
        following.is_at(second)
        untouched = place.settled({"web-1": "two"})
        git(author.work, "reset", "-q", "--hard", first)
        other = author.push({"fleet.yaml": fleet_file(place.name, {"web": "three"})})
        status = following.is_at(other, "failure")
        assert "rewritten" in status["description"]
        assert place.running() == untouched
        following.end()
    with Following(place, "--accept-rewrite", other) as following:
        following.is_at(other)
        following.until(lambda: place.labels() == {"web-1": "three"}, "as declared")
    rejected = [one.data for one in place.yard.events() if one.event_type == "revision_rejected"]
    assert [one["commit"] for one in rejected] == [other]


def test_only_signed_commits_where_that_is_asked_for(author: Author, at: At, tmp_path: Path) -> None:
    place = at(str(author.bare))
    key, stranger = make_key(tmp_path / "key"), make_key(tmp_path / "stranger")
    signers = tmp_path / "signers"
    signers.write_text(f"grace@example.com {(tmp_path / 'key.pub').read_text()}")
    unsigned = author.push({"fleet.yaml": fleet_file(place.name, {"web": "zero"})})
    with Following(place, "--allowed-signers", str(signers)) as following:
        assert "no signature" in following.is_at(unsigned, "failure")["description"]
        assert place.labels() == {}
        author.sign_with(key)
        signed = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
        following.is_at(signed)
        untouched = place.settled({"web-1": "one"})
        for change in (author.unsigned, lambda: author.sign_with(stranger)):
            change()
            commit = author.push({"fleet.yaml": fleet_file(place.name, {"web": "two"})})
            assert following.is_at(commit, "failure")["commit"] == signed
            assert place.running() == untouched


def test_a_rollback_stays_until_the_file_changes_and_a_restart_changes_nothing(author: Author, at: At) -> None:
    place = at(str(author.bare))
    author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    with Following(place) as following:
        following.says("apply succeeded")
        second = author.push({"fleet.yaml": fleet_file(place.name, {"web": "two"})})
        following.is_at(second)
        place.yard.run("rollback", "--yes")
        assert "rolled back" in following.is_at(second, "failure")["description"]
        untouched = place.settled({"web-1": "one"})
        other = author.push({"README": "another file"})
        assert "rolled back" in following.is_at(other, "failure")["description"]
        assert place.running() == untouched
        following.end()
    with Following(place) as following:
        assert "rolled back" in following.is_at(other, "failure")["description"]
        assert place.running() == untouched
        third = author.push({"fleet.yaml": fleet_file(place.name, {"web": "three"})})
        following.is_at(third)
        following.until(lambda: place.labels() == {"web-1": "three"}, "as declared")


def test_a_repository_that_is_away_keeps_nobody_from_healing(author: Author, at: At) -> None:
    place = at(str(author.bare))
    commit = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    with Following(place) as following:
        following.is_at(commit)
        following.end(signal.SIGKILL)
    away = author.bare.with_name("away.git")
    author.bare.rename(away)
    remove(place.yard, "web-1")
    with Following(place) as following:
        following.until(place.labels, "healed")
        following.says("cannot be fetched")
        away.rename(author.bare)
        following.says("answers again")
        commit = author.push({"fleet.yaml": fleet_file(place.name, {"web": "two"})})
        following.is_at(commit)
        assert following.status()["error"] == ""


def test_what_somebody_does_to_the_checkout_is_put_back(author: Author, at: At) -> None:
    place = at(str(author.bare))
    commit = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    with Following(place) as following:
        following.is_at(commit)
        untouched = place.settled({"web-1": "one"})
        place.yard.project.file.write_text(fleet_file(place.name, {"web": "edited"}))
        following.says("somebody had changed it")
        following.until(lambda: "edited" not in place.yard.project.file.read_text(), "put it back")
        assert place.running() == untouched


def test_a_webhook_hurries_and_the_status_is_told_over_http_and_by_a_command(
    author: Author, at: At, tmp_path: Path
) -> None:
    place = at(str(author.bare))
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    told = tmp_path / "told"
    program = "import os, sys; open(sys.argv[1], 'a').write(os.environ['FLEET_COMMIT'] + ' ' + os.environ['FLEET_STATE'] + '\\n')"
    command = [word for one in (sys.executable, "-c", program, str(told)) for word in ("--status-command", one)]
    first = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    arguments = ("--interval", "1h", "--listen", "0", "--secret-file", str(secret), *command)
    with Following(place, *arguments) as following:
        following.is_at(first)
        base = f"http://127.0.0.1:{following.says('listening')['port']}"
        second = author.push({"fleet.yaml": fleet_file(place.name, {"web": "two"})})
        assert _post(f"{base}/hook", b"{}", {}) == 403
        assert _post(f"{base}/hook", b"{}", {"X-Hub-Signature-256": "sha256=00"}) == 403
        signature = hmac.new(b"hush", b"{}", hashlib.sha256).hexdigest()
        assert _post(f"{base}/hook", b"{}", {"X-Hub-Signature-256": f"sha256={signature}"}) == 202
        following.is_at(second)
        with urllib.request.urlopen(f"{base}/status", timeout=10) as answer:
            assert json.load(answer)["commit"] == second
        following.until(lambda: f"{second} success" in told.read_text().splitlines(), "ran the command")
        assert f"{first} success" in told.read_text().splitlines()


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_wrong_password_is_told_without_it_and_no_hook_of_the_repository_runs(
    author: Author, http_server: HttpServer, at: At
) -> None:
    place = at(http_server.url(password="wr0ng-one"))
    author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    with Following(place) as following:
        following.says("cannot be fetched")
        arguments = Path(f"/proc/{following.process.pid}/cmdline").read_bytes()
        assert following.end() == 0
    assert b"wr0ng-one" not in arguments
    assert "wr0ng-one" not in following.told()


def test_two_that_follow_the_same_are_one_too_many(author: Author, at: At) -> None:
    place = at(str(author.bare))
    commit = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    with Following(place) as following:
        following.is_at(commit)
        with Following(place) as second:
            assert second.process.wait(60) == 4


def test_the_first_commit_may_be_wrong(author: Author, at: At) -> None:
    place = at(str(author.bare))
    bad = author.push({"fleet.yaml": "services: 7\n"})
    with Following(place) as following:
        following.is_at(bad, "failure")
        good = author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
        following.is_at(good)
        following.until(lambda: place.labels() == {"web-1": "one"}, "as declared")
    assert not list(place.yard.events(EventQuery(types=("revision_rejected",))))
    assert os.path.exists(place.yard.database)


def test_a_supervisor_is_told_when_it_is_up_that_it_lives_and_that_it_ends(author: Author, at: At) -> None:
    place = at(str(author.bare))
    author.push({"fleet.yaml": fleet_file(place.name, {"web": "one"})})
    address = str(place.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(address)
        supervisor.settimeout(60)

        def hear(wanted: bytes) -> bytes:
            while not (heard := supervisor.recv(500)).startswith(wanted):
                assert heard in (b"WATCHDOG=1", b"STOPPING=1") or heard.startswith(b"READY=1")
            return heard

        with Following(place, environ={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "500000"}) as following:
            assert b"STATUS=watching main of " in hear(b"READY=1")
            assert place.settled({"web-1": "one"})
            hear(b"WATCHDOG=1")
            assert following.end() == 0
            hear(b"STOPPING=1")

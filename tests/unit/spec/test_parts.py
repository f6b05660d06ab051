"""Small parts on their own: circles, names, masks, env files, problems, the effective file."""

from __future__ import annotations

import pytest

from reconciler.errors import FleetError, Problem
from reconciler.spec.checks.allowances import mount_allowance
from reconciler.spec.checks.cycles import cycles
from reconciler.spec.desired import Restart, make, to_document
from reconciler.spec.effective import effective, to_yaml
from reconciler.spec.env_files import parse_env
from reconciler.spec.masked import MASK, masked, masked_text
from reconciler.spec.problems import MOST_PROBLEMS, Problems, did_you_mean, nearest
from reconciler.spec.source import Unreadable, decode
from reconciler.spec.tree import Mapping

from .reading import desired, source


def test_a_graph_without_circles() -> None:
    assert cycles({"a": ["b", "c"], "b": ["c"], "c": [], "d": ["nowhere"]}) == []


def test_the_shortest_circle_of_each_group() -> None:
    graph = {"a": ["b"], "b": ["c", "d"], "c": ["a"], "d": ["a", "e"], "e": ["e"], "f": ["g"], "g": ["f"], "h": ["h"]}
    assert cycles(graph) == [["a", "b", "c", "a"], ["e", "e"], ["f", "g", "f"], ["h", "h"]]


def test_a_circle_of_ten_thousand() -> None:
    size = 10_000
    graph = {f"n{index}": [f"n{(index + 1) % size}"] for index in range(size)}
    (found,) = cycles(graph)
    assert len(found) == size + 1
    assert found[0] == found[-1]


@pytest.mark.parametrize(
    ("path", "allowance"),
    [
        ("/", "host-root"),
        ("/run", "engine-socket"),
        ("/var/run", "engine-socket"),
        ("/run/podman", "engine-socket"),
        ("/run/user/1000/podman", "engine-socket"),
        ("/home/me/.local/podman.sock", "engine-socket"),
        ("/run/docker.sock", "engine-socket"),
        ("/run/user/1000/bus", ""),
        ("/run/lock", ""),
        ("/srv", ""),
        ("/etc", ""),
    ],
)
def test_what_a_mount_needs_to_be_allowed_for(path: str, allowance: str) -> None:
    assert mount_allowance(path) == allowance


def test_the_nearest_word() -> None:
    assert nearest("POSTGRES", ["postgres", "web"]) == "postgres"
    assert nearest("web_api", ["web-api"]) == "web-api"
    assert nearest("zzz", ["web"]) == ""
    assert did_you_mean("zzz", []) == ""
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", [f"a{number:02}" for number in range(20)]).endswith("a11, …")


def test_problems_are_told_once_and_not_without_end() -> None:
    problems = Problems()
    at = Mapping(source(""), 1, 1, {})
    for number in range(MOST_PROBLEMS + 5):
        problems.wrong(at, "", str(number))
        problems.wrong(at, "", str(number))
        problems.warn(at, "", str(number))
    assert len(problems.found) == MOST_PROBLEMS
    assert problems.warnings[0] == Problem("fleet.yaml", 1, 1, "", "0")
    assert len(problems.warnings) == MOST_PROBLEMS


def test_masks() -> None:
    document = {
        "environment": {
            "PASSWORD": "a",
            "API_KEY": "b",
            "KEY": "c",
            "POSTGRES_PASSWORD_FILE": "/run/x",
            "NAME": "d",
            "TOKEN": "",
        },
        "command": ["run", "--password=hunter2", "--token", "x", "https://me:pw@host/"],
        "secrets": {"token": {"env": "TOKEN"}},
        "services": {"db": {"environment": {"PW": {"secret": "token"}, "DATABASE_URL": "postgres://me:pw@db/x"}}},
        "args": {"SECRET": 5},
        "configs": [{"content": "user = a\npassword = hunter2\n"}],
        "replicas": 2,
    }
    found = masked(document)
    assert found["environment"] == {
        "PASSWORD": MASK,
        "API_KEY": MASK,
        "KEY": MASK,
        "POSTGRES_PASSWORD_FILE": "/run/x",
        "NAME": "d",
        "TOKEN": "",
    }
    assert found["command"] == ["run", f"--password={MASK}", "--token", "x", f"https://me:{MASK}@host/"]
    assert found["secrets"] == document["secrets"]
    assert found["services"]["db"]["environment"]["PW"] == {"secret": "token"}
    assert "pw@" not in str(found)
    assert found["configs"][0]["content"] == f"user = a\npassword = {MASK}\n"
    assert found["replicas"] == 2
    assert masked_text("nothing to hide") == "nothing to hide"


def test_env_files() -> None:
    text = b"""\xef\xbb\xbf# comment

A=1
export B = two # not this
C="x\\ty \\"z\\" \\$HOME" # comment
D='as $it is\\n'
E=
F=a#b
G="q\\\\"
A=2
"""
    assert parse_env(text, "x.env") == {
        "A": "2",
        "B": "two",
        "C": 'x\ty "z" $HOME',
        "D": "as $it is\\n",
        "E": "",
        "F": "a#b",
        "G": "q\\",
    }


@pytest.mark.parametrize("text", [b"A", b"=x", b"A='x", b'A="x\\"', b"A='x' y", b"A\0=x", b"A=\0", b"A=\xff", b"a b=c"])
def test_wrong_env_files_say_where_and_never_what(text: bytes) -> None:
    with pytest.raises(FleetError, match="x.env:2") as failed:
        parse_env(b"OK=hunter2\n" + text, "x.env")
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"a\xff", 1, 2),
        (b"a: b\n\xc3\xa9\xff", 2, 2),
        (b"\xff\xfea", 1, 1),
        (b"ok\n\x01", 2, 1),
        ("a\ufffe".encode(), 1, 2),
    ],
)
def test_bytes_that_are_no_yaml_text(data: bytes, line: int, column: int) -> None:
    with pytest.raises(Unreadable) as failed:
        decode(data)
    assert (failed.value.line, failed.value.column) == (line, column)


def test_values_are_made_without_their_defaults() -> None:
    assert to_document(make(Restart, policy="".join(["al", "ways"]), max_attempts=0)) == {}
    assert to_document(make(Restart, policy="no")) == {"policy": "no"}


def test_the_effective_file_quotes_what_would_read_as_something_else() -> None:
    text = "name: shop\nservices:\n  web:\n    image: x:1\n    command: [no, '1e3', '0o17', '~', 'a: b', '$${x} $$', 'two\\n lines', on]\n"
    before = desired(text)
    written = to_yaml(effective(before))
    assert desired(written) == before
    assert '"1e3"' in written
    assert '"0o17"' in written

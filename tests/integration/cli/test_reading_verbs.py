"""`fleet events`, `fleet why` and `fleet history` over a log on disk."""

from __future__ import annotations

import threading

import pytest

from reconciler.cli import events as events_verb
from reconciler.projections.store import Store
from tests.support.story import StoredLog
from tests.support.terminal import Terminal

TYPES = [
    "revision_accepted",
    "service_defined",
    "apply_started",
    "action_intended",
    "container_created",
    "container_started",
    "apply_completed",
]


def types(terminal: Terminal, *words: str) -> list[str]:
    answer = terminal.fleet("events", "--json", *words)
    assert answer.code == 0, answer.err
    return [event["event_type"] for event in answer.json_lines]


def test_events_are_listed_oldest_first_in_sentences(terminal: Terminal, story: StoredLog) -> None:
    answer = terminal.fleet("events")
    heading, *lines = answer.out.splitlines()
    assert heading.split() == ["SEQ", "TIME", "STREAM", "WHAT", "HAPPENED"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6", "7"]
    assert lines[5].endswith("service/web  container web/1 was started")


def test_events_as_json_lines(terminal: Terminal, story: StoredLog) -> None:
    answer = terminal.fleet("events", "--json")
    first = answer.json_lines[0]
    assert [event["event_type"] for event in answer.json_lines] == TYPES
    assert first["event_id"].startswith("evt_")
    assert first["occurred_at"].endswith("Z")
    assert first["metadata"]["actor"] == "ada"


def test_the_newest_are_shown_and_more_are_announced(terminal: Terminal, story: StoredLog) -> None:
    answer = terminal.fleet("events", "--json", "-n", "2")
    assert [event["event_type"] for event in answer.json_lines] == TYPES[-2:]
    assert answer.err == "the newest 2; --limit 0 shows all\n"
    assert types(terminal, "-n", "0") == TYPES


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--type", "container_started", "--type", "apply_started"], ["apply_started", "container_started"]),
        (["--stream", "service/web"], [TYPES[1], *TYPES[3:6]]),
        (["--stream", "fleet"], [TYPES[0], TYPES[2], TYPES[6]]),
        (["--grep", "NEW in the"], ["action_intended"]),
        (["--since", "6"], TYPES[5:]),
        (["--until", "2"], TYPES[:2]),
        (["--since", "2", "--until", "3"], TYPES[1:3]),
        (["--since", "1 hour ago"], TYPES),
        (["--until", "1 hour ago"], []),
    ],
)
def test_filters(words: list[str], expected: list[str], terminal: Terminal, story: StoredLog) -> None:
    assert types(terminal, *words) == expected


def test_causes_and_effects(terminal: Terminal, story: StoredLog) -> None:
    accepted, defined, *_ = terminal.fleet("events", "--json").json_lines
    assert types(terminal, "--causation", accepted["event_id"]) == ["service_defined"]
    assert types(terminal, "--correlation", defined["correlation_id"]) == ["service_defined"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--type", "container_startd"], "did you mean container_started?"),
        (["--stream", "servise/web"], "is no type of stream"),
        (["--since", "whenever"], "no point of the log"),
        (["--correlation", "web"], "'web' is no id"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: list[str], said: str, terminal: Terminal) -> None:
    answer = terminal.fleet("events", *words)
    assert answer.code == 1
    assert said in answer.err


def test_no_log_yet(terminal: Terminal) -> None:
    answer = terminal.fleet("events")
    assert (answer.code, answer.out) == (0, "")
    assert "nothing has been applied yet" in answer.err
    assert terminal.fleet("history").out == "nothing has been applied yet\n"
    why = terminal.fleet("why", "web")
    assert (why.code, why.err) == (1, "fleet: nothing has been applied yet\n  fleet apply\n")
    assert not terminal.database.exists()


def test_nothing_that_fits_prints_nothing(terminal: Terminal, story: StoredLog) -> None:
    assert terminal.fleet("events", "--grep", "no such text").out == ""


def test_follow_goes_on_with_what_is_appended(
    terminal: Terminal, story: StoredLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def next_look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            story.see("container_exited", exit_code=3)
        elif len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(events_verb.time, "sleep", next_look)
    answer = terminal.fleet("events", "--follow", "--limit", "1")
    assert answer.code == 130
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines] == ["SEQ", "7", "8"]
    assert "exited with code 3" in lines[-1]


def test_follow_waits_for_a_log_that_is_not_there_yet(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.projections.store import open_store

    looks: list[float] = []

    def next_look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 1:
            with open_store(terminal.database) as store:
                StoredLog(store).edit()
        elif len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(events_verb.time, "sleep", next_look)
    answer = terminal.fleet("events", "--follow", "--json")
    assert [event["event_type"] for event in answer.json_lines] == ["revision_accepted", "service_defined"]


def test_types_and_their_meaning(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    from reconciler.cli.main import run

    assert run(["events", "types"]) == 0
    assert "container_exited" in capsys.readouterr().out
    assert run(["events", "types", "--json"]) == 0
    assert '"event_type": "container_exited"' in capsys.readouterr().out
    assert run(["events", "explain", "container_exited"]) == 0
    shown = capsys.readouterr().out
    assert "A container ended by itself" in shown
    assert "default False" in shown
    assert '"exit_code": 1' in shown
    assert run(["events", "explain", "container_exited", "--json"]) == 0
    assert '"required": true' in capsys.readouterr().out
    assert run(["events", "explain", "container_exitd"]) == 1
    assert "did you mean container_exited?" in capsys.readouterr().err


def test_why_walks_back_to_the_commit(terminal: Terminal, story: StoredLog) -> None:
    answer = terminal.fleet("why", "web")
    lines = answer.out.splitlines()
    assert lines[0] == "service/web/1: create container because new in the file (ada, cli, commit 1a2b3c4d5e6f)"
    assert len(lines) == 6
    assert lines[-1].endswith("└ revision 1 of the file was accepted at commit 1a2b3c4d5e6f by Ada")


def test_why_names_the_fields_and_the_files(terminal: Terminal, story: StoredLog) -> None:
    defined = story.edit(2, files=[{"path": "fleet.yaml", "digest": "d"}])
    changes = [
        {"path": "image", "old": "localhost/web:1", "new": "localhost/web:2"},
        {"path": "environment.MODE", "new": "x" * 100},
        {"path": "ports", "old": [{"container_port": 80}]},
    ]
    intent = story.decide("replace_container", defined, text="image changed", changes=changes)
    story.see("container_vanished")
    story.create(intent, container="c2")
    shown = terminal.fleet("why", "service/web/1").out
    assert "image: localhost/web:1 → localhost/web:2\n" in shown
    assert f"environment.MODE: (none) → {'x' * 59}…\n" in shown
    assert 'ports: [{"container_port": 80}] → (none)\n' in shown
    assert "from fleet.yaml" in shown
    (document,) = terminal.fleet("why", "web", "--json").json
    assert document["resource"] == "service/web/1"
    assert document["changes"][0]["path"] == "image"
    assert [link["event"]["event_type"] for link in document["links"]][-1] == "revision_accepted"


def test_history_newest_first(terminal: Terminal, story: StoredLog) -> None:
    answer = terminal.fleet("history")
    heading, apply, revision = answer.out.splitlines()
    assert heading.split() == ["WHEN", "WHAT", "RESULT", "BY", "COMMIT", "DETAIL"]
    assert "apply of 1  succeeded  ada" in apply
    assert "revision 1  accepted   Ada  1a2b3c4d" in revision
    apply_document, revision_document = terminal.fleet("history", "--json").json
    assert apply_document["counts"] == {"creates": 1}
    assert apply_document["at"].endswith("Z")
    assert "counts" not in revision_document
    assert revision_document["commit"] == "1a2b3c4d5e6f7a8b"


def test_history_is_cut_and_says_so(terminal: Terminal, story: StoredLog) -> None:
    answer = terminal.fleet("history", "--limit", "1")
    assert len(answer.out.splitlines()) == 2
    assert answer.err == "1 older; --limit 0 shows all\n"


def test_history_as_it_was(terminal: Terminal, story: StoredLog) -> None:
    then = terminal.fleet("history", "--at", "3", "--json").json
    assert [(entry["kind"], entry["result"]) for entry in then] == [("apply", "running"), ("revision", "accepted")]


def test_an_apply_is_running_while_its_writer_lives(terminal: Terminal, story: StoredLog, store: Store) -> None:
    story.record("apply_started", "fleet/shop", {"apply_id": "apply_2", "revision": 1, "plan_digest": "v1:p"})
    with store.lease("apply"):
        assert terminal.fleet("history", "--json").json[0]["result"] == "running"
    assert terminal.fleet("history", "--json").json[0]["result"] == "unfinished"


def test_reading_goes_on_while_somebody_writes(terminal: Terminal, story: StoredLog) -> None:
    done = threading.Event()

    def write() -> None:
        for code in range(20):
            story.see("container_exited", exit_code=code)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert terminal.fleet("events").code == 0
    writer.join()
    assert len(types(terminal)) == 27


def test_the_shell_is_offered_what_the_log_knows(
    terminal: Terminal, story: StoredLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.cli.completion import known_resources

    story.record("network_created", "fleet/shop", {"network": "default", "engine_name": "shop-default"})
    monkeypatch.chdir(terminal.directory)
    assert known_resources("") == []
    monkeypatch.setenv("FLEET_DATABASE_URL", str(terminal.database))
    assert known_resources("") == ["web", "service/web", "network/default"]
    assert known_resources("s") == ["service/web"]
    terminal.database.write_bytes(b"this is no database" * 100)
    assert known_resources("") == []

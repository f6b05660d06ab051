"""The commands that tend the log and look into its past, as a person and a program see them."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.events.store.archive import archive_folder
from reconciler.projections.store import Store, open_store
from tests.support.logs import unguarded
from tests.support.story import StoredLog
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FLEET_ACTOR", "ada")
    monkeypatch.delenv("FLEET_DATABASE_URL", raising=False)
    project = tmp_path / "shop"
    project.mkdir()
    return Terminal(project, capsys)


def tell(store: Store) -> StoredLog:
    log = StoredLog(store)
    for number in (1, 2):
        service = {"name": "web", "image": f"localhost/web:{number}"}
        document = {"name": "shop", "project": "p", "services": {"web": service}, "database": {"backup": {"keep": 2}}}
        defined = log.edit(number, document=document, image=f"localhost/web:{number}")
    apply = {"apply_id": "apply_1", "revision": 2, "plan_digest": "v1:p", "creates": 1}
    log.record("apply_started", "fleet/shop", apply)
    log.create(log.decide("create", defined))
    ended = {"apply_id": "apply_1", "status": "succeeded", "done": 1, "failed": 0, "skipped": 0, "duration_ms": 5}
    log.record("apply_completed", "fleet/shop", ended)
    log.see("container_exited", exit_code=3)
    return log


@pytest.fixture
def log(terminal: Terminal) -> Iterator[Path]:
    """A log in which `web` runs and then exits."""
    with open_store(terminal.database) as store:
        tell(store)
    return terminal.database


VERBS = [
    ("verify",),
    ("rebuild",),
    ("compact",),
    ("backup",),
    ("bisect", "--unhealthy", "web"),
    ("replay",),
    ("diff",),
    ("events", "statistics"),
]


@pytest.mark.parametrize("words", VERBS, ids=[" ".join(words) for words in VERBS])
def test_before_the_first_apply_there_is_no_log_and_none_is_made(terminal: Terminal, words: tuple[str, ...]) -> None:
    said = terminal.fleet(*words)
    assert said.code == 1
    assert "nothing has been applied" in said.err
    assert not terminal.database.exists()


def test_verify_says_that_all_is_well(terminal: Terminal, log: Path) -> None:
    said = terminal.fleet("verify")
    assert said.code == 0
    assert "✓ the log is what was recorded" in said.out
    document = terminal.fleet("verify", "--json").json
    assert document["ok"] is True
    assert document["first_bad"] is None
    noted = f"{document['head']}:{document['hash'][:12]}"
    assert f"newest {document['head']}:{document['hash']}" in said.out
    assert terminal.fleet("verify", "--expect", noted).code == 0
    assert terminal.fleet("verify", "--expect", f"{document['head']}:0000").code == 6


@pytest.mark.parametrize("text", ["5", "x:00", "0:00", "5:", "5:zz"])
def test_an_expected_hash_needs_its_number(terminal: Terminal, log: Path, text: str) -> None:
    said = terminal.fleet("verify", "--expect", text)
    assert said.code == 1
    assert "NUMBER:HASH" in said.err


def test_verify_names_the_first_bad_event(terminal: Terminal, log: Path) -> None:
    with unguarded(log) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE sequence_number = 4")
    said = terminal.fleet("verify")
    assert said.code == 6
    assert "something is wrong, the first at event 4" in said.out
    assert "fleet restore" in said.out
    document = terminal.fleet("verify", "--json").json
    assert (document["ok"], document["first_bad"]) == (False, 4)
    assert document["faults"][0]["check"] == "hash"


def test_verify_of_a_file_that_is_no_log(terminal: Terminal) -> None:
    terminal.database.write_bytes(b"not a database")
    said = terminal.fleet("verify", "--json")
    assert said.code == 6
    assert json.loads(said.err)["error"]["code"] == "log_unusable"


def test_rebuild_mends_what_follows(terminal: Terminal, log: Path) -> None:
    with unguarded(log) as connection:
        connection.execute("DELETE FROM projected_services")
    said = terminal.fleet("verify")
    assert said.code == 6
    assert "fleet rebuild makes anew" in said.out
    assert "rebuilt from 10 events" in terminal.fleet("rebuild").out
    assert terminal.fleet("rebuild", "--json").json["events"] == 10
    assert terminal.fleet("verify").code == 0


def test_compact_and_read_on(terminal: Terminal, log: Path) -> None:
    before = terminal.fleet("events", "--json", "--limit", "0").out
    said = terminal.fleet("compact")
    assert said.code == 0
    assert "moved 10 events of 2 streams to the archive" in said.out
    assert terminal.fleet("events", "--json", "--limit", "0").out.startswith(before)
    assert terminal.fleet("verify").code == 0
    assert "of them in 1 file(s) of the archive" in terminal.fleet("verify").out
    types = [line["event_type"] for line in terminal.fleet("events", "--json", "--limit", "0").json_lines]
    assert types[10] == "compaction_triggered"
    assert types[11:] == ["context_compacted"] * 2


def test_compact_what_is_asked_for(terminal: Terminal, log: Path) -> None:
    assert terminal.fleet("compact", "--older-than", "1h").out == "nothing to move\n"
    assert terminal.fleet("compact", "--limits").out == "nothing to move\n"
    assert terminal.fleet("compact", "--keep", "100").out == "nothing to move\n"
    document = terminal.fleet("compact", "--keep", "3", "--json").json
    assert document["events"] == 7
    assert (document["segments"][0]["first"], document["segments"][0]["last"]) == (1, 7)
    assert (archive_folder(log) / document["segments"][0]["file"]).exists()
    said = terminal.fleet("compact", "--older-than", "soon")
    assert said.code == 1
    assert "is not a duration" in said.err


def test_the_actor_of_a_compaction_is_the_person(terminal: Terminal, log: Path) -> None:
    terminal.fleet("compact", "--keep", "5")
    (asked,) = terminal.fleet("events", "--type", "compaction_triggered", "--json").json_lines
    assert (asked["metadata"]["actor"], asked["metadata"]["source"]) == ("ada", "cli")


def test_backup_and_restore(terminal: Terminal, log: Path) -> None:
    terminal.fleet("compact", "--keep", "5")
    made = terminal.fleet("backup", "--json").json
    assert Path(made["path"]).parent == log.parent / "backups"
    with open_store(log) as store:
        tell(store)
    said = terminal.fleet("restore", made["path"])
    assert said.code == 0, said.err
    assert f"complete up to event {made['sequence_number']} and checked" in said.out
    assert "is kept as" in said.out
    assert terminal.fleet("verify").code == 0
    assert len(terminal.fleet("events", "--limit", "0", "--json").json_lines) == made["sequence_number"] + 1
    document = terminal.fleet("restore", made["path"], "--json").json
    assert document["sequence_number"] == made["sequence_number"]
    assert Path(document["replaced"]).exists()


def test_backups_are_kept_as_the_file_says(terminal: Terminal, log: Path, tmp_path: Path) -> None:
    assert "there are no backups" in terminal.fleet("backup", "--list").out
    first = terminal.fleet("backup", "--json").json
    terminal.fleet("backup")
    said = terminal.fleet("backup")
    assert "complete up to event" in said.out
    assert f"removed the older {Path(first['path']).name}" in said.out
    listed = terminal.fleet("backup", "--list", "--json").json
    assert len(listed) == 2
    assert [one["path"] for one in listed] == sorted((one["path"] for one in listed), reverse=True)
    assert listed[0]["path"] in terminal.fleet("backup", "--list").out
    elsewhere = terminal.fleet("backup", "--to", str(tmp_path / "else"), "--keep", "0", "--json").json
    assert Path(elsewhere["path"]).parent == tmp_path / "else"


def test_a_backup_can_be_read_like_the_log(terminal: Terminal, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = terminal.fleet("backup", "--json").json
    other = Terminal(terminal.directory, capsys)
    other.database = Path(made["path"])
    assert len(other.fleet("events", "--json", "--limit", "0").json_lines) == made["sequence_number"]
    assert other.fleet("verify").code == 0


def test_a_damaged_log_is_listed_its_backups_and_restored(terminal: Terminal, log: Path) -> None:
    made = terminal.fleet("backup", "--json").json
    log.write_bytes(b"SQLite format 3\0" + b"\xa5" * 5_000)
    assert terminal.fleet("history").code == 6
    assert terminal.fleet("backup", "--list", "--json").json[0]["path"] == made["path"]
    assert terminal.fleet("restore", made["path"]).code == 0
    assert terminal.fleet("verify").code == 0


def test_restore_refuses_what_is_no_backup(terminal: Terminal, log: Path, tmp_path: Path) -> None:
    assert terminal.fleet("restore", str(tmp_path / "none.db")).code == 1
    (tmp_path / "bad.db").write_bytes(b"bad")
    assert terminal.fleet("restore", str(tmp_path / "bad.db")).code == 6
    with open_store(log) as store, store.lease("apply"):
        backup = terminal.fleet("backup", "--json").json["path"]
        assert terminal.fleet("restore", backup).code == 4


def test_bisect_tells_the_event_and_its_chain(terminal: Terminal, log: Path) -> None:
    said = terminal.fleet("bisect", "--unhealthy", "web")
    assert said.code == 0
    assert "service/web went wrong with event 10" in said.out
    assert "web/1 has exited with code 3" in said.out
    assert "revision 2 of the file was accepted" in said.out
    document = terminal.fleet("bisect", "--unhealthy", "service/web", "--json").json
    assert document["episode"]["first_bad"] == 10
    assert document["causes"][0]["event"]["event_type"] == "container_exited"
    well = terminal.fleet("bisect", "--unhealthy", "web", "--bad", "9")
    assert "was well all along, from event 1 to 9" in well.out
    assert terminal.fleet("bisect", "--unhealthy", "web", "--bad", "9", "--json").json["found"] is False
    assert terminal.fleet("bisect", "--unhealthy", "ghost").code == 1
    assert terminal.fleet("bisect", "--unhealthy", "web", "--good", "5", "--json").json["from"] == 6


def test_bisect_lists_what_was_before(terminal: Terminal, log: Path) -> None:
    with open_store(log) as store:
        story = StoredLog(store)
        story.record("container_started", "service/web", {"service": "web", "replica": 1, "container_id": "c1"})
        story.see("container_vanished")
    said = terminal.fleet("bisect", "--unhealthy", "web")
    assert "it had gone wrong before, and recovered: at 10" in said.out
    assert "and still, at event 12" in said.out


def test_diff_of_two_revisions(terminal: Terminal, log: Path) -> None:
    said = terminal.fleet("diff")
    assert said.out == "revision 1 → 2\n~ service/web\n    image: localhost/web:1 → localhost/web:2\n"
    assert terminal.fleet("diff", "1").out == said.out
    assert terminal.fleet("diff", "2", "2").out == "revisions 2 and 2 mean the same\n"
    (difference,) = terminal.fleet("diff", "1", "2", "--json").json["differences"]
    assert difference["resource"] == "service/web"
    assert difference["changes"] == [{"path": "image", "old": "localhost/web:1", "new": "localhost/web:2"}]
    assert terminal.fleet("diff", "x").code == 1
    assert terminal.fleet("diff", "7").code == 1


def test_diff_of_what_came_and_went(terminal: Terminal, log: Path) -> None:
    with open_store(log) as store:
        document = {"name": "shop", "project": "p", "services": {"db": {"name": "db", "command": ["a" * 90]}}}
        StoredLog(store).edit(3, document={**document, "reconcile": {"max_destroy": 9}})
    said = terminal.fleet("diff", "2", "3").out
    assert "+ service/db\n" in said
    assert "- service/web\n    image: localhost/web:2\n" in said
    assert "~ the fleet itself\n" in said
    assert "…" in said


def test_replay_plans_again(terminal: Terminal, log: Path) -> None:
    said = terminal.fleet("replay")
    assert said.code == 2
    assert "apply of revision 2 at event 5: different, 1 actions" in said.out
    assert "would be done, and was not:  pull image" in said.out
    (one,) = terminal.fleet("replay", "--json").json
    assert (one["verdict"], one["sequence_number"]) == ("different", 5)
    assert terminal.fleet("replay", "--since", "9").out == "no apply in the log\n"
    assert terminal.fleet("replay", "--since", "1 minute ago").code == 2


def test_replay_against_a_file(terminal: Terminal, log: Path) -> None:
    file = terminal.directory / "other.yaml"
    file.write_text("version: 1\nname: shop\nservices: {cache: {image: localhost/cache:1}}\n")
    (one,) = terminal.fleet("replay", "--against", str(file), "--json").json
    assert [step["resource"] for step in one["only_recorded"]] == ["service/web"]
    assert "service/cache" in {step["resource"] for step in one["only_planned"]}
    file.write_text("version: 1\nnope: 1\n")
    assert terminal.fleet("replay", "--against", str(file)).code == 3


def test_statistics(terminal: Terminal, log: Path) -> None:
    said = terminal.fleet("events", "statistics", "--top", "2").out
    assert said.startswith("10 events in 2 streams\n")
    assert "and 6 more" in said
    assert "service/web" in said
    terminal.fleet("compact")
    document = terminal.fleet("events", "statistics", "--json").json
    assert document["types"]["revision_accepted"] == 2
    assert document["segments"] == 1
    assert "of them in 1 archive file(s)" in terminal.fleet("events", "statistics").out


def test_a_bundle(terminal: Terminal, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "canary-in-the-environment")
    (terminal.directory / "pw").write_text("canary-in-a-file\n")
    (terminal.directory / "fleet.yaml").write_text(
        "version: 1\nname: shop\n"
        "secrets: {a: {env: DB_PASSWORD}, b: {file: ./pw}, c: {command: [echo, no]}, d: {env: NOT_SET_ANYWHERE}}\n"
        "services: {web: {image: 'localhost/web:1', environment: {P: {secret: a}, Q: canary-in-the-open}}}\n"
    )
    with open_store(log) as store:
        error = "refused canary-in-the-environment and canary-in-a-file"
        failed = {"action": "create", "resource": "service/web", "intent_id": "evt_1", "error": error, "apply_id": "a"}
        StoredLog(store).record("action_failed", "service/web", failed)
    said = terminal.fleet("bundle", "--out", str(tmp_path / "report.tar.gz"))
    assert said.code == 0, said.err
    assert "redacted; have a look" in said.out
    with tarfile.open(tmp_path / "report.tar.gz") as archive:
        names = archive.getnames()
        for name in names:
            file = archive.extractfile(name)
            assert file is not None
            assert b"canary" not in file.read(), name
    assert "report/events.jsonl" in names
    monkeypatch.chdir(tmp_path)
    document = terminal.fleet("bundle", "--json", "--events", "1").json
    assert Path(document["path"]).exists()


def test_a_bundle_of_a_file_that_is_wrong(terminal: Terminal, tmp_path: Path) -> None:
    (terminal.directory / "fleet.yaml").write_text("version: [\n")
    assert terminal.fleet("bundle", "--out", str(tmp_path / "report.tar.gz")).code == 0


def test_progress_is_shown_on_a_terminal_only(terminal: Terminal, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal.fleet("rebuild").err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("reconciler.cli.tending._EVERY_SECONDS", 0.0)
    assert "folding event 10 of 10 (100 %)" in terminal.fleet("rebuild").err
    assert terminal.fleet("rebuild", "--json").err == ""
    assert "checking the backup" in terminal.fleet("restore", terminal.fleet("backup", "--json").json["path"]).err


@pytest.mark.parametrize(
    "module", ["verify", "rebuild", "compact", "backup", "restore", "bundle", "bisect", "replay", "diff"]
)
def test_a_verb_is_imported_without_the_heavy_ones(module: str) -> None:
    script = (
        f"import sys; import reconciler.cli.{module}; "
        "sys.exit(any(name in sys.modules for name in ('pydantic', 'yaml', 'sqlalchemy', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

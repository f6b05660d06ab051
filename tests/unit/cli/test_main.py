"""The command table, help, and how errors leave the process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer

from reconciler.cli import main
from reconciler.cli.main import VERBS, run
from reconciler.errors import FleetError, LogUnusable, Problem, SpecInvalid

ALL = [verb for _, verbs in VERBS for verb in verbs]
HEAVY = {"pydantic", "rich", "sqlalchemy", "yaml", "alembic", "podman", "httpx"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    script = f"import sys; from reconciler.cli.main import run; run({words!r}); print(*sys.modules, file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in answer.stderr.split()}
    assert not loaded & HEAVY


def test_help_lists_every_verb_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in ALL:
        assert verb.name in shown
        assert verb.summary in " ".join(shown.split())


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    captured = capsys.readouterr()
    assert "Start here:" in captured.out + captured.err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("fleet ")


@pytest.mark.parametrize(("word", "said"), [("evnts", "did you mean 'events'?"), ("xyzzy", "no command 'xyzzy'")])
def test_an_unknown_word_names_the_nearest(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word]) == 1
    assert said in capsys.readouterr().err


def test_an_unknown_option_is_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--nonsense"]) == 1
    assert "--nonsense" in capsys.readouterr().err


def failing_with(error: BaseException, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of a command that ends in this error."""

    def command(as_json: bool = typer.Option(False, "--json")) -> None:
        raise error

    group = typer.Typer(add_completion=False)
    group.command("status")(command)
    monkeypatch.setattr(main, "load_verb", lambda verb: typer.main.get_command(group))
    return run(["status", *words])


def test_an_expected_error_is_sentences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    error = LogUnusable("it is corrupt", where="squawk.db", hint="fleet restore")
    assert failing_with(error, monkeypatch) == 6
    assert capsys.readouterr().err == "fleet: squawk.db: it is corrupt\n  fleet restore\n"


def test_an_error_without_a_hint_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing_with(FleetError("no"), monkeypatch) == 1
    assert capsys.readouterr().err == "fleet: no\n"


def test_an_expected_error_is_an_object_for_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = LogUnusable("it is corrupt", where="squawk.db", hint="fleet restore")
    assert failing_with(error, monkeypatch, "--json") == 6
    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "code": "log_unusable",
            "message": "it is corrupt",
            "exit_code": 6,
            "where": "squawk.db",
            "hint": "fleet restore",
        }
    }


def test_every_problem_of_a_file_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        Problem("fleet.yaml", 3, 5, "services.web", "unknown key imge", "did you mean image?"),
        Problem("fleet.yaml", 0, 0, "", "the file is empty"),
    ]
    assert failing_with(SpecInvalid(problems), monkeypatch) == 3
    said = capsys.readouterr().err
    assert "fleet.yaml:3:5: services.web: unknown key imge (did you mean image?)\n" in said
    assert "fleet.yaml: the file is empty\n" in said
    assert failing_with(SpecInvalid(problems), monkeypatch, "--json") == 3
    told = json.loads(capsys.readouterr().err)["error"]["problems"]
    assert [problem["line"] for problem in told] == [0, 3]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_ctrl_c_is_130(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing_with(error, monkeypatch) == 130
    assert capsys.readouterr().err == "fleet: interrupted\n"


def test_an_exit_code_of_a_verb_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing_with(typer.Exit(2), monkeypatch) == 2


def test_a_reader_that_went_away_is_no_error() -> None:
    script = "from reconciler.cli.main import main; main()"
    command = [sys.executable, "-c", script, "events", "types"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(("typed", "offered"), [("fleet ev", "events"), ("fleet events --ty", "--type")])
def test_completion_offers_verbs_and_options(typed: str, offered: str) -> None:
    completion = {
        "_FLEET_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    answer = subprocess.run(
        [sys.executable, "-c", "from reconciler.cli.main import main; main()"],
        env=completion,
        capture_output=True,
        text=True,
        check=True,
    )
    assert offered in answer.stdout.split()


def test_a_defect_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLEET_DEBUG", raising=False)
    monkeypatch.setattr(main, "run", _raise_a_defect)
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("fleet: a defect of Fleet itself: ZeroDivisionError: ")
    assert "Traceback" not in said


def test_whoever_debugs_sees_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLEET_DEBUG", "1")
    monkeypatch.setattr(main, "run", _raise_a_defect)
    with pytest.raises(SystemExit):
        main.main()
    assert "Traceback" in capsys.readouterr().err


def _raise_a_defect(arguments: list[str]) -> int:
    return 1 // len(arguments[:0])

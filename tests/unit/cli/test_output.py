"""Columns, colours, times and ages."""

from __future__ import annotations

import io
import json

import pytest

from reconciler.cli import output

NOON = 1_795_521_600_000  # 2026-11-24T12:00:00Z


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert output.columns(("A", "BB"), [("long", "x"), ("s", "y")]).splitlines() == [
        "A     BB",
        "long  x",
        "s     y",
    ]


def test_a_line_that_would_wrap_is_cut() -> None:
    assert output.columns(("A",), [("0123456789",)], limit=5).splitlines() == ["A", "0123…"]


def test_columns_are_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "6")
    assert output.columns(("A",), [("0123456789",)]).splitlines()[1] == "01234…"


def test_without_a_terminal_the_width_is_80_and_columns_have_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert output.width() == 80
    assert len(output.columns(("A",), [("x" * 200,)]).splitlines()[1]) == 200


@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [({}, True, True), ({}, False, False), ({"NO_COLOR": "1"}, True, False), ({"TERM": "dumb"}, True, False)],
)
def test_colour_is_for_terminals_whose_person_wants_it(
    environment: dict[str, str], terminal: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert output.colour_wanted(Terminal() if terminal else io.StringIO()) is wanted


def test_paint() -> None:
    assert output.paint("x", "red", on=True) == "\x1b[31mx\x1b[0m"
    assert output.paint("x", "red", on=False) == "x"


def test_times_are_local_for_people_and_utc_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert output.local_time(NOON) == "2026-11-24 13:00:00"
        assert output.short_local_time(NOON) == "11-24 13:00:00"
        assert output.utc_time(NOON + 7) == "2026-11-24T12:00:00.007Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_no_time_is_a_dash_or_nothing() -> None:
    assert output.local_time(None) == "-"
    assert output.utc_time(None) is None
    assert output.age(None, NOON) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (192, "3m12s"),
        (600, "10m"),
        (3_599, "59m"),
        (7_260, "2h1m"),
        (90_000, "1d1h"),
        (-5, "0s"),
    ],
)
def test_age_in_one_unit_or_two(seconds: int, text: str) -> None:
    assert output.age(NOON - seconds * 1000, NOON) == text


def test_json_is_one_document_or_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"a": [1, "é"]})
    indented = capsys.readouterr().out
    assert json.loads(indented) == {"a": [1, "é"]}
    assert indented.count("\n") > 1
    output.print_json_line({"a": 1})
    assert capsys.readouterr().out == '{"a":1}\n'

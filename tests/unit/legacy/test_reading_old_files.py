"""A squawk.json is read with the place of everything, and a broken one says where it broke."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import NotFound
from reconciler.legacy.reading import LegacyBroken, read_old_file, read_text

GOOD = """\
{
  "mailboxes": {"m": {"id": "m"}},
  "events": {
    "m": [
      {"type": "a"},
      {"type": "b", "type": "c"}
    ],
    "none": 5
  },
  "locks": null,
  "cursors": [],
  "more": [1]
}
"""


def test_every_record_has_its_place() -> None:
    found = read_text(GOOD, "squawk.json")
    assert [(r.key, r.value, r.line, r.column) for r in found.mailboxes] == [("m", {"id": "m"}, 2, 22)]
    ((head, records),) = found.events
    assert (head.key, head.line) == ("m", 4)
    assert [(r.key, r.value, r.line, r.column) for r in records] == [
        ("0", {"type": "a"}, 5, 7),
        ("1", {"type": "c"}, 6, 7),
    ]
    assert [(r.key, r.line) for r in found.twice] == [("type", 6)]
    assert [(r.key, r.value) for r in found.no_lists] == [("none", 5)]
    assert [r.key for r in found.no_sections] == ["locks", "cursors"]
    assert [(r.key, r.value, r.line) for r in found.extra] == [("more", [1], 12)]


@pytest.mark.parametrize("text", ["{}", " { } ", '{"mailboxes": {}, "events": {"m": []}}', "\ufeff{}"])
def test_nothing_is_fine(text: str, tmp_path: Path) -> None:
    (tmp_path / "squawk.json").write_text(text, encoding="utf-8")
    found = read_old_file(tmp_path / "squawk.json")
    assert [found.mailboxes, found.cursors, found.locks, found.extra] == [[], [], [], []]


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", "1:1", "begins with {"),
        ("[]", "1:1", "begins with {"),
        ("{", "1:2", "a key in double quotes is missing"),
        ("{}\n x", "2:2", "something follows"),
        ('{"mailboxes" {}}', "1:14", "a : is missing here"),
        ('{"mailboxes": {}', "1:17", "the file ends too early"),
        ('{"mailboxes": {},}', "1:17", "a comma stands before }"),
        ('{"mailboxes": {"m": {}\n "n": {}}}', "2:2", "a , is missing here"),
        ('{"mailboxes": {m: {}}}', "1:16", "a key in double quotes is missing"),
        ('{"mailboxes": 5}', "1:15", "mailboxes is no object"),
        ('{"mailboxes": [{"id": 1}]}', "1:15", "mailboxes is no object"),
        ('{"events": {"m": [1, ]}}', "1:20", "a comma stands before ]"),
        ('{"events": {"m": [\n{"a": tru}]}}', "2:7", "this is not JSON: Expecting value"),
        ('{"locks": {"l": {"x": "a\nb"}}}', "1:25", "this is not JSON: Invalid control character"),
        ('{"locks": {"l": NaN}}', "1:17", "NaN is no JSON"),
        ('{"x": ' + "[" * 100_000, "1:7", "nested too deeply"),
    ],
)
def test_a_broken_file_says_where(text: str, place: str, what: str) -> None:
    with pytest.raises(LegacyBroken) as caught:
        read_text(text, "squawk.json")
    assert what in caught.value.what
    assert caught.value.where == f"squawk.json:{place}"
    assert "nothing was imported" in caught.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_old_file(tmp_path / "squawk.json")
    with pytest.raises(LegacyBroken, match="cannot be read"):
        read_old_file(tmp_path)
    (tmp_path / "bad").write_bytes(b'{\n"\xff')
    with pytest.raises(LegacyBroken, match="bad:2: the file is not UTF-8"):
        read_old_file(tmp_path / "bad")

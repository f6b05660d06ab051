"""What plain scalars mean: the core schema of YAML 1.2."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reconciler.spec.tree import child, kind_of, plain_value, walk
from reconciler.spec.wording import has_hidden, quoted, visible

from .reading import given, read, source

READS_AS: list[tuple[str, Any]] = [
    ("", None),
    ("~", None),
    ("null", None),
    ("NULL", None),
    ("nULL", "nULL"),
    ("true", True),
    ("False", False),
    ("tRue", "tRue"),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("off", "off"),
    ("y", "y"),
    ("12", 12),
    ("-12", -12),
    ("+12", 12),
    ("017", 17),
    ("0o17", 15),
    ("0o18", "0o18"),
    ("0x1F", 31),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("22:22", "22:22"),
    ("1:30:00", "1:30:00"),
    ("2026-11-24", "2026-11-24"),
    ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"),
    ("1.5", 1.5),
    (".5", 0.5),
    ("5.", 5.0),
    ("1e3", 1000.0),
    ("-1.5E-3", -0.0015),
    ("1.2.3", "1.2.3"),
    (".", "."),
    ("-", "-"),
    ("+", "+"),
    ("..", ".."),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("=", "="),
    ("<<", "<<"),
    ("9" * 20, int("9" * 20)),
    ("9" * 21, "9" * 21),
    ("0o" + "7" * 30, "0o" + "7" * 30),
    ("0x" + "f" * 30, "0x" + "f" * 30),
]


@pytest.mark.parametrize(("written", "value"), READS_AS)
def test_a_plain_scalar(written: str, value: Any) -> None:
    found = plain_value(written)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(plain_value(".nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["no", "on", "22:22", "0o17", "017", "1.10", "true", "1_000", "1e3", "2026-11-24"])
def test_where_text_is_wanted_a_scalar_stays_as_it_is_written(word: str) -> None:
    assert given(f"environment: {{A: {word}}}")["environment"] == {"A": word}


def test_the_path_of_a_key_that_is_no_word_is_quoted() -> None:
    assert child("services", "web") == "services.web"
    assert child("", "web") == "web"
    assert child("ports", 0) == "ports[0]"
    assert child("labels", 'a "b" \x07') == 'labels["a \\"b\\" \\u0007"]'


def test_hidden_characters_are_shown_and_long_texts_cut() -> None:
    assert visible("a\u202eb\x1b") == "a\\u202eb\\u001b"
    assert quoted("x" * 100) == f"'{'x' * 59}…'"
    assert quoted("postgres://me:pw@db/x") == "'postgres://me:********@db/x'"
    assert has_hidden("a\u200bb")
    assert not has_hidden("añ-b")


def test_a_tree_is_walked_with_paths_and_places() -> None:
    tree = read("services:\n  web:\n    image: x:1\n    ports: [80, 81]\n").tree
    assert tree is not None
    assert sorted((path, at.line, at.column) for path, at in walk(tree)) == [
        ("services", 1, 1),
        ("services.web", 2, 3),
        ("services.web.image", 3, 5),
        ("services.web.ports", 4, 5),
        ("services.web.ports[0]", 4, 13),
        ("services.web.ports[1]", 4, 17),
    ]


def test_the_kind_of_a_node_in_words() -> None:
    tree = read("x-a: [1]\nx-b: {a: b}\nx-c: 5\nx-d: true\nx-e: text\nx-f:\n").tree
    assert tree is not None
    assert [kind_of(entry.value) for entry in tree.entries.values()] == [
        "a list",
        "a mapping",
        "the number 5",
        "the boolean true",
        "the text 'text'",
        "nothing",
    ]


def test_a_source_is_known_by_its_place_not_its_content() -> None:
    assert source("a") != source("a")

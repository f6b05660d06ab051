"""Text from outside is cleaned and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.work.harness.text import Excerpt, Lines, clean, decoded, ending, one_line, shortened
from reconciler.work.harness.throttling import DEFAULT_MS, LONGEST_MS, is_throttled, wait_of

NOW = 1_780_000_000_000


def test_escapes_and_control_characters_are_stripped() -> None:
    text = "\x1b[1;31mred\x1b[0m \x1b]0;title\x07on \x1b]8;;http://x\x1b\\link\x1b(B\x00\x9b2Kx\u202eevil\u2066\ufeff\r\nnext\rlast"
    assert clean(text) == "red on linkxevil\nnext\nlast"
    assert decoded(b"a\xffb") == "a\ufffdb"


@given(st.text())
def test_what_is_clean_moves_no_cursor_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert all(sign in "\n\t" or not (ord(sign) < 32 or 127 <= ord(sign) < 160) for sign in cleaned)
    assert clean(cleaned) == cleaned


def test_texts_are_shortened_at_the_end_that_matters_less() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert ending("abcdef", 4) == "…def"
    assert ending("  ab  ", 4) == "ab"
    assert one_line("a\n  b\tc") == "a b c"


@given(st.lists(st.binary(max_size=40)), st.integers(2, 40))
def test_an_excerpt_keeps_head_and_tail(pieces: list[bytes], limit: int) -> None:
    excerpt = Excerpt(limit)
    for piece in pieces:
        excerpt.feed(piece)
    whole = b"".join(pieces)
    half = limit // 2
    content = excerpt.content()
    assert excerpt.total == len(whole)
    if len(whole) <= 2 * half:
        assert content == whole
    else:
        assert content.startswith(whole[:half])
        assert content.endswith(whole[-half:])
        assert f"{excerpt.left_out} bytes left out".encode() in content


@given(st.lists(st.binary(max_size=12)), st.integers(3, 20))
def test_lines_are_whole_however_the_pieces_are_cut(pieces: list[bytes], limit: int) -> None:
    lines = Lines(limit)
    found = [line for piece in pieces for line in lines.feed(piece)] + lines.finish()
    whole = b"".join(pieces).split(b"\n")
    last = [whole[-1]] if whole[-1] else []
    assert found == [line for line in [*whole[:-1], *last] if len(line) <= limit]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("429 Too Many Requests; Retry-After: 7", 7_000),
        ("rate limit: try again in 1.5s", 1_500),
        ("Rate limited, retry after 250 ms", 1_000),
        ("too many requests, resets in 3 hours", 3 * 3_600_000),
        ("quota exceeded, try again in 20 minutes", 1_200_000),
        ("usage limit reached", DEFAULT_MS),
        (f"usage limit reached|{NOW // 1000 + 90}", 90_000),
        ("overloaded; retry after 99999 min", LONGEST_MS),
    ],
)
def test_rate_limits_are_told_in_many_words(text: str, milliseconds: int) -> None:
    assert is_throttled(text)
    assert wait_of(text, NOW) == milliseconds


def test_other_errors_are_no_rate_limits() -> None:
    assert not is_throttled("exit code 1 after 4290 lines")

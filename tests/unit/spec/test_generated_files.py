"""For every file: a fleet or problems, nothing else; and one meaning, one value."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.spec.desired import desired_from_document, to_document
from reconciler.spec.effective import effective, to_yaml
from reconciler.spec.masked import masked
from reconciler.spec.roles import digest_of
from reconciler.spec.source import Unreadable, decode

from .reading import desired, read
from .strategies import as_text, fleet_facts, spelled_fleet, wild_files

yaml_like = st.text(st.sampled_from(list("abx:-[]{},&*!?|>'\"%@`#\n \t~<.0123456789$/=\\\u202e\x07é")), max_size=80)


@given(st.text(max_size=200) | yaml_like)
@settings(deadline=None, max_examples=300)
def test_any_text_is_a_fleet_or_problems_with_places(text: str) -> None:
    _is_answered(text)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_text_or_refused_with_a_place(data: bytes) -> None:
    try:
        text = decode(data)
    except Unreadable as refused:
        assert refused.line >= 1
    else:
        _is_answered(text)


@given(wild_files)
@settings(deadline=None, max_examples=600)
def test_any_values_under_known_keys_are_a_fleet_or_problems(document: dict[str, Any]) -> None:
    _is_answered(as_text(document))


def _is_answered(text: str) -> None:
    try:
        text = decode(text.encode("utf-8", "surrogatepass"))
    except Unreadable:
        return
    found = read(text)
    if not found.problems:
        document = to_document(found.desired)
        assert desired_from_document(json.loads(json.dumps(document))) == found.desired
        masked(document)
    for problem in found.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert str(problem).isprintable(), repr(str(problem))


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_order_units_and_spelling_mean_nothing(data: st.DataObject) -> None:
    facts = data.draw(fleet_facts())
    one, other = (desired(as_text(data.draw(spelled_fleet(facts)))) for _ in range(2))
    assert one == other
    assert digest_of(to_document(one)) == digest_of(to_document(other))


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_documents_and_effective_files_come_back_as_they_were(data: st.DataObject) -> None:
    before = desired(as_text(data.draw(spelled_fleet(data.draw(fleet_facts())))))
    document = json.loads(json.dumps(to_document(before)))
    again = desired_from_document(document)
    assert again == before
    assert json.loads(json.dumps(to_document(again))) == document
    assert desired(to_yaml(effective(before))) == before
    assert desired(json.dumps(effective(before))) == before

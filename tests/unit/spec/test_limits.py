"""A few lines that stand for very much are refused, or read, before they cost anything."""

from __future__ import annotations

import pytest

from reconciler.spec.compose import MAX_NODES
from reconciler.spec.masked import masked_text
from reconciler.spec.problems import MOST_COMPARISONS, MOST_PROBLEMS, Problems

from .reading import desired, read


def services(count: int, keys: str) -> str:
    return "name: x\nservices:\n" + "".join(f"  s{number}: {{image: x:1, {keys}}}\n" for number in range(count))


def only_problem(text: str) -> str:
    (line,) = read(text).lines
    return line


def test_ports_of_the_whole_fleet() -> None:
    assert "more than 50,000 ports" in only_problem(services(2_000, "ports: ['1-1000']"))


def test_containers_of_the_whole_fleet() -> None:
    assert "more than 20,000 containers" in only_problem(services(3_000, "replicas: 1000"))


def test_what_variables_put_in() -> None:
    text = f"variables: {{a: '{'x' * 1_000}'}}\nx-all: ['{'${a}' * 50_000}', '${{a}}']\n"
    assert "more than 4,194,304 characters" in only_problem(text)


def test_lists_that_variables_put_in() -> None:
    items = ", ".join("a" * 10_000)
    text = f"variables: {{a: [{items}]}}\n" + services(5_000, 'x-own: "${a}"')
    assert "more than 4,194,304 characters" in only_problem(text)


def test_values_through_merges() -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(1_000))
    text = f"x-a: &a {{{keys}}}\nservices:\n" + "".join(
        f"  s{number}: {{<<: *a, image: x:1}}\n" for number in range(300)
    )
    assert f"more than {MAX_NODES:,} values" in only_problem(text)


def test_more_problems_than_anybody_reads() -> None:
    names = ", ".join(f"n{number}" for number in range(50_000))
    assert len(read(f"services: {{a: {{image: x:1, depends_on: [{names}]}}}}\n").lines) == MOST_PROBLEMS


def test_hints_end_before_they_cost_more_than_they_help() -> None:
    problems = Problems()
    known = [f"name{number}" for number in range(MOST_COMPARISONS // 2)]
    assert problems.hint("nam3", ["name3"]) == "did you mean 'name3'?"
    assert problems.hint("zzz", known)
    assert problems.hint("nam3", known) == ""


def test_many_variables_and_many_services_on_one_port() -> None:
    variables = ", ".join(f"v{number}: 1" for number in range(5_000))
    assert desired(f"variables: {{{variables}}}\n").services == {}
    lines = [
        f"  s{number}: {{image: x:1, ports: ['10.0.{number // 256}.{number % 256}:80:80']}}\n"
        for number in range(3_000)
    ]
    assert len(desired("name: x\nservices:\n" + "".join(lines)).services) == 3_000


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a:" * 500_000, "://" * 300_000, "password " * 100_000, "a://b:" * 100_000]
)
def test_masking_takes_time_by_length_only(text: str) -> None:
    assert masked_text(text)


def test_a_name_of_an_image_has_a_limit() -> None:
    assert "is not an image" in only_problem(f"services: {{a: {{image: {'a' * 1_000}}}}}\n")

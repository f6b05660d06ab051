"""Decomposition: from words and files to sorties that can be used as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.work.decompose import Proposal, Strategy, check, choose, decompose

FILES = [
    "README.md",
    "src/api/login.py",
    "src/auth/login.py",
    "src/auth/token.py",
    "src/models/login.py",
    "tests/test_login.py",
]


@pytest.mark.parametrize(
    ("goal", "strategy"),
    [
        ("Refactor and rename the client", "file-based"),
        ("update  all headers", "file-based"),
        ("Add a login page", "feature-based"),
        ("Fix the urgent security bug in login", "risk-based"),
        ("Fix and refactor", "risk-based"),
        ("Investigate slow queries", "research-based"),
        ("Make it nice", "feature-based"),
        ("Newness and fixture", "feature-based"),
        ("Review the new module", "feature-based"),
    ],
)
def test_the_words_choose(goal: str, strategy: Strategy) -> None:
    assert choose(goal).strategy == strategy


def test_points_are_two_or_three_a_word() -> None:
    assert choose("Fix the bug and add a feature").scores == {
        "file-based": 0,
        "feature-based": 4,
        "risk-based": 6,
        "research-based": 0,
    }


def test_a_feature_goes_by_layer_with_the_tests_after_the_code() -> None:
    found = decompose("Add login", FILES)
    assert [(s.name, s.files, s.depends_on) for s in found.sorties] == [
        ("data", ("src/models/login.py",), ()),
        ("logic", ("src/auth/login.py",), ("data",)),
        ("interface", ("src/api/login.py",), ("logic",)),
        ("tests", ("tests/test_login.py",), ("data", "logic", "interface")),
    ]
    assert (found.parallel, found.problems) == (False, ())


def test_files_go_in_groups_that_import_each_other_and_can_run_side_by_side() -> None:
    files = [f"src/m{i}.py" for i in range(7)]
    found = decompose(
        "Rename everything", files, {"src/m0.py": ["src/m6.py", "elsewhere.py"], "src/m6.py": ["src/m5.py"]}
    )
    assert [s.files for s in found.sorties] == [
        ("src/m0.py", "src/m6.py", "src/m5.py", "src/m1.py", "src/m2.py"),
        ("src/m3.py", "src/m4.py"),
    ]
    assert [s.name for s in found.sorties] == ["src", "src-2"]
    assert found.parallel
    assert not any(s.depends_on for s in found.sorties)


def test_names_stay_apart_though_places_look_alike() -> None:
    files = ["a/x.py", "a/y.py", *(f"a-2/{i}.py" for i in range(2)), *(f"a/{i}.py" for i in range(5))]
    names = [s.name for s in decompose("Convert", files).sorties]
    assert len(set(names)) == len(names) == 3


def test_without_files_there_is_one_sortie() -> None:
    assert [s.name for s in decompose("Migrate", []).sorties] == ["change"]


def test_a_risk_is_taken_in_small_steps() -> None:
    found = decompose("Fix the security hole in auth", FILES)
    assert [(s.name, s.depends_on, s.review) for s in found.sorties] == [
        ("rollback-plan", (), ""),
        ("fix", ("rollback-plan",), "security"),
        ("verify", ("fix",), ""),
    ]
    assert found.sorties[1].files == ("src/auth/login.py", "src/auth/token.py")
    assert decompose("hotfix", FILES).sorties[1].review == "code"


def test_research_touches_no_files() -> None:
    found = decompose("Explore login", FILES)
    assert [s.name for s in found.sorties] == ["survey", "deepen", "conclude"]
    assert not any(s.files for s in found.sorties)


def test_a_person_may_choose_and_titles_are_cut() -> None:
    found = decompose("Add " + "x" * 200, FILES, strategy="risk-based")
    assert found.choice.strategy == "risk-based"
    assert len(found.sorties[1].title) == 72


def test_everything_that_is_wrong_is_said() -> None:
    problems = check(
        [
            Proposal(name="a", title="A", files=("x.py", "gone.py"), depends_on=("b",)),
            Proposal(name="b", title="B", files=("x.py",), depends_on=("a", "c"), complexity=6),
            Proposal(name="b", title="B again"),
        ],
        ["x.py"],
    )
    assert problems == (
        "gone.py of a does not exist",
        "a comes before b, which it depends on",
        "x.py is in a and in b",
        "b depends on c, which is not proposed",
        "the complexity 6 of b is outside 1 to 5",
        "two sorties are called b",
    )
    circle = check(
        [Proposal(name="a", title="A", depends_on=("b",)), Proposal(name="b", title="B", depends_on=("a",))], []
    )
    assert circle[-1].startswith("the sorties depend on each other: ")


paths = st.lists(st.from_regex(r"(src|tests|docs|api|db)/[a-c]{1,2}(_test)?\.(py|md)", fullmatch=True), max_size=15)


@given(
    st.text(max_size=30) | st.sampled_from(["Add a feature", "refactor a", "fix b", "study c"]),
    paths,
    st.dictionaries(paths.filter(bool).map(lambda found: found[0]), paths, max_size=4),
)
def test_no_goal_and_no_tree_gives_a_proposal_with_problems(
    goal: str, files: list[str], uses: dict[str, list[str]]
) -> None:
    assert decompose(goal, files, uses).problems == ()

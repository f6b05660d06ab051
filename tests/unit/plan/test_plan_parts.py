"""Parts of the plan by themselves: orders, names, masking, the schema."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from reconciler.plan import schema
from reconciler.plan.diff import diff
from reconciler.plan.draft import Draft
from reconciler.plan.fields import compare
from reconciler.plan.graph import closure, dependencies_first, ordered
from reconciler.plan.masking import masked
from reconciler.plan.model import FieldChange, Need, Plan, PullImage, Reason, verb_of
from reconciler.plan.naming import container_name
from reconciler.plan.reasons import listed, origin_of
from reconciler.plan.schema import PlanSchemaIncompatible
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired, ServiceSpec
from tests.support.fleets import fleet


def test_dependencies_come_first_and_a_cycle_is_no_end() -> None:
    assert dependencies_first({"web": ["db", "cache"], "db": [], "cache": ["db"]}) == ["db", "cache", "web"]
    assert sorted(dependencies_first({"a": ["b"], "b": ["a"], "c": ["gone"]})) == ["a", "b", "c"]


def test_a_chain_longer_than_the_stack_is_ordered() -> None:
    names = [f"s{number:05d}" for number in range(5_000)]
    chain = {name: [names[place - 1]] if place else [] for place, name in enumerate(names)}
    assert dependencies_first(chain) == names


def test_the_closure_of_a_name() -> None:
    assert closure(["a"], {"a": ["b"], "b": ["c", "a"], "d": ["a"]}) == {"a", "b", "c"}


def test_the_lowest_rank_that_is_ready_goes_first() -> None:
    needs = {"a": ["c"], "b": [], "c": [], "d": ["gone", "d"]}
    assert ordered(needs, {"a": 0, "b": 2, "c": 1, "d": 3}) == (["c", "a", "b", "d"], set())


def test_a_cycle_is_told() -> None:
    assert ordered({"a": ["b"], "b": ["a"], "c": []}, {"a": 0, "b": 1, "c": 2}) == (["c"], {"a", "b"})


def _pull(name: str) -> PullImage:
    return PullImage(id=name, resource=f"image/{name}", reason=Reason("needed_by", ""), image=name, policy="missing")


def test_a_soft_edge_yields_to_a_hard_one() -> None:
    draft = Draft()
    for name in ("a", "b"):
        draft.add(_pull(name))
    draft.after("a", "b", soft=True)
    draft.after("b", "a")
    assert [action.id for action in draft.actions()] == ["a", "b"]


def test_a_cycle_of_hard_edges_is_cut_at_the_smallest_name() -> None:
    draft = Draft()
    for name in ("a", "b", "c"):
        draft.add(_pull(name))
    for one, other in (("a", "b"), ("b", "c"), ("c", "a")):
        draft.after(one, other)
    assert [(action.id, action.needs) for action in draft.actions()] == [
        ("a", ()),
        ("c", (Need("a"),)),
        ("b", (Need("c"),)),
    ]


def test_services_that_depend_on_each_other_are_planned_all_the_same() -> None:
    desired = fleet({"services": {"a": {"depends_on": {"b": "started"}}, "b": {"depends_on": {"a": "started"}}}})
    plan = diff(desired, Projected())
    assert {action.id for action in plan.actions} >= {"define service/a", "define service/b"}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "shop-web-2"),
        ({"container_name": "www"}, "www"),
        ({"container_name": "www", "replicas": 3}, "www-2"),
    ],
)
def test_names_of_containers(fields: dict[str, object], name: str) -> None:
    spec = msgspec.convert({"name": "web", **fields}, ServiceSpec)
    assert container_name("shop", spec, 2) == name


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (FieldChange("environment.API_TOKEN", "a", "b"), FieldChange("environment.API_TOKEN", "********", "********")),
        (FieldChange("environment.API_TOKEN", None, "b"), FieldChange("environment.API_TOKEN", None, "********")),
        (FieldChange("environment.LEVEL", "a", "b"), FieldChange("environment.LEVEL", "a", "b")),
        (FieldChange("user", "token", "b"), FieldChange("user", "token", "b")),
        (
            FieldChange("command", ["--db=postgres://u:p@h/"], None),
            FieldChange("command", ["--db=postgres://u:********@h/"], None),
        ),
        (
            FieldChange("environment.PASSWORD", {"from": "secret", "secret": "pg"}, "b"),
            FieldChange("environment.PASSWORD", {"from": "secret", "secret": "pg"}, "********"),
        ),
    ],
)
def test_what_looks_like_a_secret_is_covered(change: FieldChange, shown: FieldChange) -> None:
    assert masked(change) == shown


def test_a_field_that_a_release_adds_with_a_default_is_no_difference() -> None:
    full = msgspec.convert({"name": "web", "image": "x"}, ServiceSpec)
    sparse = msgspec.convert({"name": "web", "image": "x", "a_field_of_the_future": 1}, ServiceSpec)
    assert compare(full, sparse) == ()


def test_words_in_a_row() -> None:
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_a_job_that_was_edited_runs_for_the_files_sake() -> None:
    assert origin_of(Reason("rerun", "")) == "fleet"
    assert origin_of(Reason("rerun", "", (FieldChange("image", "a", "b"),))) == "file"


def test_the_same_input_gives_the_same_bytes() -> None:
    desired = fleet({"services": {"web": {"replicas": 2}, "db": {}}})
    plans = {msgspec.json.encode(diff(desired, Projected())) for _ in range(3)}
    assert len(plans) == 1


def test_the_basis_follows_its_inputs() -> None:
    desired = fleet({"services": {"web": {}}})
    other = msgspec.structs.replace(desired, name="store")
    assert diff(desired, Projected()).basis != diff(other, Projected()).basis
    assert diff(desired, Projected()).basis != diff(desired, Projected(networks={"a": "shop-a"})).basis


def test_every_action_has_a_verb_and_none_removes_a_volume() -> None:
    tags = {str(one.__struct_config__.tag) for one in _action_types()}
    assert len(tags) == len(_action_types())
    assert not {tag for tag in tags if "volume" in tag} - {"create_volume"}
    assert verb_of(_pull("a")) == "prepare"


def _action_types() -> tuple[type[msgspec.Struct], ...]:
    from reconciler.plan.model import AnyAction

    types: tuple[type[msgspec.Struct], ...] = AnyAction.__args__  # type: ignore[attr-defined]
    return types


def test_an_empty_fleet_has_an_empty_plan() -> None:
    plan = diff(Desired(name="shop", project="p"), Projected())
    assert plan.empty
    assert plan == Plan(fleet="shop", project="p", basis=plan.basis)


def test_the_published_schema_is_fresh_and_only_grew() -> None:
    assert schema.problems() == []
    assert schema.main(["--check"]) == 0


def test_a_schema_that_is_missing_or_stale_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plan.v1.json"
    assert schema.problems(path) == ["plan.v1.json is missing"]
    schema.write(path)
    assert schema.problems(path) == []
    path.write_text(path.read_text() + "\n")
    assert schema.problems(path) == ["plan.v1.json is not what the model gives now"]


def test_a_schema_that_would_narrow_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.v1.json"
    assert schema.main([str(path)]) == 0
    published = json.loads(path.read_text())
    published["properties"]["mood"] = {"type": "string"}
    path.write_text(json.dumps(published))
    with pytest.raises(PlanSchemaIncompatible, match="mood was removed"):
        schema.write(path)
    assert json.loads(path.read_text()) == published
    assert schema.main([str(path)]) == 1
    assert schema.main([str(path), "--check"]) == 1
    assert "plan.v1.json: mood was removed" in capsys.readouterr().err

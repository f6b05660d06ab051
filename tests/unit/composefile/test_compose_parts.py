"""The parts of the conversion: interpolation, merging, keys without a counterpart, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import NotFound, SpecInvalid
from reconciler.spec.compose import compose
from reconciler.spec.composefile import Conversion, convert
from reconciler.spec.composefile.keys import NEEDLESS, NO_COUNTERPART
from reconciler.spec.composefile.notes import Notes
from reconciler.spec.composefile.rendering import render
from reconciler.spec.composefile.variables import Variables, evaluated, literal
from reconciler.spec.composefile.writing import lines
from reconciler.spec.filling import fill
from reconciler.spec.load import LoadOptions, load
from reconciler.spec.problems import Problems
from reconciler.spec.source import Source
from reconciler.spec.tree import Scalar
from reconciler.spec.variables import Variable as FleetVariable


def converted(folder: Path, text: str, environ: dict[str, str] | None = None, **files: str) -> Conversion:
    """A Compose text in a folder of its own; `files` lie beside it."""
    (folder / "compose.yaml").write_text(text)
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return convert([folder / "compose.yaml"], folder=folder, environ=environ or {})


def service(folder: Path, text: str, environ: dict[str, str] | None = None, **files: str) -> dict[str, Any]:
    """The one service `s` with these lines."""
    body = "\n".join(f"    {line}" for line in text.strip("\n").split("\n"))
    found: dict[str, Any] = converted(folder, f"services:\n  s:\n{body}\n", environ, **files).document["services"]["s"]
    return found


def said(conversion: Conversion) -> list[str]:
    return [f"{note.kind} {note.path}" for note in conversion.notes]


class TestInterpolation:
    @pytest.mark.parametrize(
        ("written", "template", "now"),
        [
            ("$A/x", "${A}/x", "a/x"),
            ("${A}", "${A}", "a"),
            ("${NO:-d}", "${NO}", "d"),
            ("${EMPTY:-d}", "${EMPTY}", "d"),
            ("${EMPTY-d}", "${EMPTY}", ""),
            ("${NO-}", "${NO}", ""),
            ("${A:+yes}", "yes", "yes"),
            ("${EMPTY:+yes}", "", ""),
            ("${EMPTY+yes}", "yes", "yes"),
            ("${NO:-${A:-x}}", "${NO}", "a"),
            ("$$A", "$A", "$A"),
            ("$${A}", "$${A}", "${A}"),
            ("$$$A", "$$${A}", "$a"),
            ("$$$$", "$$$", "$$"),
            ("a$", "a$", "a$"),
            ("$1 ${ ${A!}", "$1 $${ $${A!}", "$1 ${ ${A!}"),
            ("${A:?must}", "${A}", "a"),
        ],
    )
    def test_every_form(self, written: str, template: str, now: str) -> None:
        variables = Variables({"A": "a", "EMPTY": ""}, {}, Notes())
        found = variables.fill(scalar(written), "x")
        assert isinstance(found, Scalar)
        assert (found.text, evaluated(found)) == (template, now)

    @given(
        st.lists(st.sampled_from(["$", "{", "}", "$$", "${A}", "$A", "x", "${B:-y}", ":", "-"]), max_size=8).map(
            "".join
        )
    )
    def test_what_the_fleet_reads_is_what_compose_reads(self, written: str) -> None:
        variables = Variables({"A": "a"}, {}, Notes())
        found = variables.fill(scalar(written), "x")
        assert isinstance(found, Scalar)
        root = compose(Source("f", Path("f"), Path(), "a: b", ""), Problems())
        assert root is not None
        root.entries["a"].value = Scalar(found.source, 1, 1, found.text, found.text)
        values = {
            name: FleetVariable(name, "string", {"A": "a"}.get(v.env, v.default))
            for name, v in variables.declared.items()
        }
        problems = Problems()
        filled = fill(root, values, problems).entries["a"].value
        assert problems.found == []
        assert isinstance(filled, Scalar)
        assert filled.text == evaluated(found)

    def test_another_default_is_another_variable(self, tmp_path: Path) -> None:
        found = converted(tmp_path, "services: {s: {image: '${A:-x}${A:-y}${a:-x}${A:-x}'}}")
        assert found.document["services"]["s"]["image"] == "${A}${A_2}${a_3}${A}"
        assert found.document["variables"]["A_2"] == {"type": "string", "env": "A", "default": "y"}
        assert found.document["variables"]["a_3"]["env"] == "a"

    def test_the_project_has_a_variable_of_its_own(self, tmp_path: Path) -> None:
        found = converted(
            tmp_path, "services: {s: {image: '${COMPOSE_PROJECT_NAME}/x'}}", {"COMPOSE_PROJECT_NAME": "shop"}
        )
        assert found.document["name"] == "shop"

    def test_numbers_and_booleans_keep_their_type(self, tmp_path: Path) -> None:
        text = "image: x\nprivileged: ${P:-false}\nmem_limit: ${M:-1g}\ncpus: ${C:-0.5}\nscale: ${N:-many}"
        body = "\n".join(f"    {line}" for line in text.split("\n"))
        variables = converted(tmp_path, f"services:\n  s:\n{body}\n").document["variables"]
        assert {name: (v["type"], v["default"]) for name, v in variables.items()} == {
            "P": ("boolean", False), "M": ("string", "1g"), "C": ("number", 0.5), "N": ("string", "many"),
        }  # fmt: skip


def scalar(text: str) -> Scalar:
    return Scalar(Source("c.yaml", Path("c.yaml"), Path(), "", ""), 1, 1, text, text)


@given(st.text(alphabet="a${}", max_size=8), st.sampled_from(["", "${V}"]))
def test_a_literal_stands_for_itself(text: str, after: str) -> None:
    root = compose(Source("f", Path("f"), Path(), "a: b", ""), Problems())
    assert root is not None
    root.entries["a"].value = scalar(literal(text) + after)
    filled = fill(root, {"V": FleetVariable("V", "string", "v")}, Problems()).entries["a"].value
    assert isinstance(filled, Scalar)
    assert filled.text == text + ("v" if after else "")


SERVICE_KEYS = (Path(__file__).parent / "service_keys.txt").read_text().split()


def test_every_key_of_the_compose_specification_is_known(tmp_path: Path) -> None:
    """None of them is called a typing error, and one that is not taken over is said."""
    lines = "\n".join(f"    {key}: 5" for key in SERVICE_KEYS if key not in ("extends", "image"))
    found = converted(tmp_path, f"services:\n  s:\n    image: x\n{lines}\n")
    assert not [note for note in found.notes if "no key" in note.message]
    paths = {note.path for note in found.notes}
    for key in (*NO_COUNTERPART, *NEEDLESS):
        assert f"services.s.{key}" in paths or key == "cpu_period"


def test_a_typing_error_gets_a_hint(tmp_path: Path) -> None:
    (note,) = converted(tmp_path, "services: {s: {image: x, enviroment: {A: 1}, x-own: 1}}\nconfig: {}\n").notes[:1]
    assert str(note) == (
        f"{tmp_path}/compose.yaml:1: services.s.enviroment: not taken over: "
        "'enviroment' is no key of a Compose service; did you mean 'environment'?"
    )
    assert said(converted(tmp_path, "services: {}\nconfig: {}"))[0] == "dropped config"


class TestServices:
    def test_secrets_in_dotenv_are_read_where_they_lie(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("DB_PASSWORD=x\nAPI_TOKEN=y\nPLAIN=z\n")
        found = service(tmp_path, "image: x\nenvironment: [DB_PASSWORD, 'URL=u:$API_TOKEN', PLAIN, NOT_SET]")
        assert found["environment"] == {
            "DB_PASSWORD": {"secret": "db_password"},
            "URL": "u:${API_TOKEN}",
            "PLAIN": "${PLAIN}",
        }
        conversion = converted(tmp_path, "services: {s: {image: x, environment: {U: 'u:$API_TOKEN'}}}")
        assert conversion.document["variables"] == {"API_TOKEN": {"type": "string", "env": "API_TOKEN"}}
        assert "export it" in conversion.notes[0].message
        assert "y" not in render(conversion, schema="").replace("types", "").split("API_TOKEN")[-1]

    def test_paths_are_seen_from_the_fleets_file(self, tmp_path: Path) -> None:
        below = tmp_path / "deploy"
        below.mkdir()
        text = (
            "services: {s: {build: ../src, env_file: [a.env], volumes: ['./$D:/d', '~/x:/x', '/abs:/abs', '${ALL}']}}"
        )
        (below / "compose.yaml").write_text(text)
        (below / "a.env").write_text("")
        found = convert([below / "compose.yaml"], folder=tmp_path, environ={"D": "data$", "ALL": "../v:/v:ro"})
        made = found.document["services"]["s"]
        assert made["build"] == {"context": "./src"}
        assert made["env_file"] == ["./deploy/a.env"]
        assert made["volumes"] == ["./deploy/data$$:/d", "~/x:/x", "/abs:/abs", "./v:/v:ro"]

    def test_mounts_in_the_long_form(self, tmp_path: Path) -> None:
        (tmp_path / "src").mkdir()
        found = service(
            tmp_path,
            """
image: x
volumes:
  - {type: bind, source: src, target: /a, read_only: true, bind: {propagation: shared, create_host_path: true}}
  - {type: volume, target: /b}
  - {type: tmpfs, target: /c, tmpfs: {size: 64m, mode: 01777}}
  - {type: tmpfs, target: /d}
  - {type: npipe, source: x, target: /e}
  - {type: tmpfs, target: /f, tmpfs: {mode: 511}}
""",
        )
        assert found["volumes"] == [
            "./src:/a:ro",
            "s-b:/b",
            {"type": "tmpfs", "target": "/c", "tmpfs": {"size": "64m", "mode": "1777"}},
            {"type": "tmpfs", "target": "/d"},
            {"type": "tmpfs", "target": "/f", "tmpfs": {"mode": "0777"}},
        ]

    def test_configs_from_everywhere(self, tmp_path: Path) -> None:
        text = """
services:
  s:
    image: x
    configs: [file, {source: env, target: /e, mode: 288}, lost, outside, {source: unset}]
configs:
  file: {file: ./f}
  env: {environment: CONTENT}
  unset: {environment: UNSET}
  outside: {external: true}
"""
        found = converted(tmp_path, text, {"CONTENT": "c"}, f="x")
        assert found.document["services"]["s"]["configs"] == [
            {"source": "./f", "target": "/file"},
            {"content": "${CONTENT}", "target": "/e", "mode": "0440"},
        ]
        assert [path for path in said(found) if "configs" in path] == [
            f"dropped services.s.configs[{i}]" for i in (2, 3, 4)
        ]

    @pytest.mark.parametrize(
        ("lines", "wanted"),
        [
            ("restart: always", {"policy": "always", "supervisor": "engine"}),
            ("restart: on-failure:3", {"policy": "on-failure", "supervisor": "engine", "max_attempts": 3}),
            ("restart: ${R:-unless-stopped}", {"policy": "unless-stopped", "supervisor": "engine"}),
            ("deploy: {restart_policy: {condition: none}}", "no"),
            ("deploy: {restart_policy: {max_attempts: 3}}", {"policy": "always", "supervisor": "engine"}),
            ("deploy: {mode: global, resources: {reservations: {cpus: 1}}}", "no"),
        ],
    )
    def test_restart(self, tmp_path: Path, lines: str, wanted: object) -> None:
        assert service(tmp_path, f"image: x\n{lines}")["restart"] == wanted

    def test_the_rest_of_what_can_be_said(self, tmp_path: Path) -> None:
        found = service(
            tmp_path,
            """
image: x
cpu_quota: 50000
cpu_period: 100000
pids_limit: -1
label_file: [l.env, lost.env]
labels: {own: 1}
links: [other, 's:me']
pull_policy: if_not_present
extra_hosts: {a: [1.1.1.1, 2.2.2.2], b: '::1'}
ports: [{target: 80, published: 8000-8010}, {target: 81, published: "${P:-81}"}]
healthcheck: {test: [CMD, a], interval: 1m30s, timeout: 5000us, retries: "${R:-3}"}
networks: {default: }
environment: 5
command: ~
ulimits: {nofile: 5, unknown: 1}
ipc: host
pid: private
""",
            l_env="own=0\nother=$x\n",
        )  # fmt: skip
        (tmp_path / "l.env").write_text("own=0\nother=$x\n")
        found = service(tmp_path, Path(tmp_path / "compose.yaml").read_text().split("  s:\n")[1].replace("    ", ""))
        assert found["resources"] == {"cpus": 0.5}
        assert found["labels"] == {"own": "1", "other": "$x"}
        assert found["depends_on"] == {"s": "started"}
        assert (found["pull"], found["ipc"], found["allow"]) == (
            "if_not_present".replace("if_not_present", "missing"),
            "host",
            ["host-ipc"],
        )
        assert found["extra_hosts"] == {"a": "1.1.1.1", "b": "::1"}
        assert found["ports"] == [{"target": 80}, {"target": 81, "published": "${P}"}]
        assert found["healthcheck"] == {"test": ["CMD", "a"], "interval": "1m30s", "timeout": "5ms", "retries": "${R}"}
        assert (found["networks"], found["ulimits"]) == (["default"], {"nofile": 5})
        assert "command" not in found
        assert "environment" not in found

    def test_env_files_say_what_compose_would_do_inside(self, tmp_path: Path) -> None:
        (tmp_path / "bad.env").write_text("no equals sign\n")
        found = converted(
            tmp_path, "services: {s: {image: x, env_file: [bad.env, lost.env, {path: gone.env, required: false}]}}"
        )
        assert found.document["services"]["s"]["env_file"] == ["./bad.env", "./lost.env"]
        assert len(found.notes) == 3

    def test_external_and_odd_sections(self, tmp_path: Path) -> None:
        text = """
services: {s: {image: x}}
networks:
  a: {external: true}
  b: {external: false, name: bee, driver: overlay, ipam: {driver: default, config: [{subnet: 10.0.0.0/24}, {subnet: 10.1.0.0/24}]}}
volumes:
  v: {external: {name: other}}
  w: {external: "true", name: "${W:-w}"}
secrets:
  s.x: {file: ./s, driver: d}
"""
        found = converted(tmp_path, text)
        assert found.document["networks"] == {
            "a": {"external": True, "name": "a"},
            "b": {"name": "bee", "subnet": "10.0.0.0/24"},
        }
        assert found.document["volumes"] == {
            "v": {"external": True, "name": "other"},
            "w": {"external": True, "name": "${W}"},
        }
        assert found.document["secrets"] == {"s-x": {"file": "./s"}}
        assert said(found) == [
            "dropped networks.b.driver",
            "dropped networks.b.ipam.config",
            'changed secrets["s.x"]',
            'dropped secrets["s.x"].driver',
        ]

    def test_a_renamed_secret_keeps_its_file_in_the_container(self, tmp_path: Path) -> None:
        text = "services: {s: {image: x, secrets: [a.b]}}\nsecrets: {a.b: {environment: E}, a-b: {environment: F}}"
        found = converted(tmp_path, text).document
        assert found["secrets"] == {"a-b": {"env": "E"}, "a-b-2": {"env": "F"}}
        assert found["services"]["s"]["secrets"] == [{"source": "a-b", "target": "a.b", "mode": "0444"}]

    def test_a_renamed_service_on_its_own_networks(self, tmp_path: Path) -> None:
        text = "services: {a.b: {image: x, networks: {n: {aliases: [y]}, m: }}, c: {image: x, depends_on: [a.b]}}\nnetworks: {n: , m: }"
        found = converted(tmp_path, text).document["services"]
        assert found["a-b"]["networks"] == {"n": {"aliases": ["y", "a.b"]}, "m": {"aliases": ["a.b"]}}
        assert found["c"]["depends_on"] == {"a-b": "started"}


class TestFiles:
    def test_what_is_wrong_has_its_place(self, tmp_path: Path) -> None:
        cases = {
            "services: [": "YAML",
            "services: {a: {extends: b}, b: {extends: a}}": "extend each other in a circle",
            "services: {a: {extends: {service: lost}}}": "there is no service 'lost'",
            "services: {a: {extends: {service: x, file: lost.yaml}}}": "lost.yaml is not there",
            "services: {a: {extends: {service: x, file: empty.yaml}}}": "there is no service 'x'",
            "include: [lost.yaml]\nservices: {}": "lost.yaml is not there",
            "include: compose.yaml": "the files include each other",
            "a: 1\na: 2": "given twice",
        }
        (tmp_path / "empty.yaml").write_text("")
        for text, message in cases.items():
            with pytest.raises(SpecInvalid) as caught:
                converted(tmp_path, text)
            assert message in str(caught.value)
            assert all(problem.line for problem in caught.value.problems)
        with pytest.raises(NotFound, match="nowhere.yaml is not there"):
            convert([tmp_path / "nowhere.yaml"], folder=tmp_path)

    def test_an_override_that_compose_would_take_is_said(self, tmp_path: Path) -> None:
        text = "services: {s: {image: x}}"
        found = converted(tmp_path, text, compose_override="", **{"compose.override_yaml": "services: {}"})
        assert said(found) == ["dropped compose.override.yaml"]

    def test_includes_with_their_own_folder(self, tmp_path: Path) -> None:
        text = "include: [{path: [sub/a.yaml, sub/b.yaml], project_directory: ., env_file: x}]\nservices: {s: {image: mine}}"
        found = converted(
            tmp_path, text, **{"sub/a_yaml": "services: {s: {image: a, build: .}, t: {image: t}}\nname: no",
                               "sub/b_yaml": "services: {t: {image: tb}}"},
        )  # fmt: skip
        assert found.document["services"]["s"] == {"image": "mine", "build": {"context": "."}, "restart": "no"}
        assert found.document["services"]["t"]["image"] == "tb"
        assert said(found) == ["dropped include.env_file"]

    def test_overrides_follow_the_specification(self, tmp_path: Path) -> None:
        (tmp_path / "compose.yaml").write_text(
            "services: {s: {image: a, command: [a], ports: ['80:80', {target: 1}], volumes: ['a:/x', {source: b, target: /y}], "
            "dns: [1.1.1.1], environment: {A: 1, B: 2}, build: ., depends_on: [t]}, t: {image: t}}\nvolumes: {a: , b: , c: , d: }"
        )
        (tmp_path / "over.yaml").write_text(
            "services: {s: {image: ~, command: [b], ports: ['80:80', '81:81', {target: 2}], volumes: ['c:/x', 'd:/y'], "
            "dns: [2.2.2.2], environment: [B=3, C], build: {target: t}}}"
        )
        found = convert([tmp_path / "compose.yaml", tmp_path / "over.yaml"], folder=tmp_path, environ={"C": "c"})
        assert found.document["services"]["s"] == {
            "image": "a",
            "build": {"context": ".", "target": "t"},
            "command": ["b"],
            "environment": {"A": "1", "B": "3", "C": "${C}"},
            "ports": [{"target": 1}, "80:80", "81:81", {"target": 2}],
            "volumes": ["c:/x", "d:/y"],
            "depends_on": {"t": "started"},
            "restart": "no",
            "dns": ["1.1.1.1", "2.2.2.2"],
        }


values: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=4))
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    text = "\n".join(lines(document)) + "\n"
    problems = Problems()
    root = compose(Source("f", Path("f"), Path(), text, ""), problems)
    assert problems.found == []
    assert plain(root) == document


def plain(node: Any) -> Any:
    if isinstance(node, Scalar):
        return node.value
    if hasattr(node, "items"):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def test_an_empty_compose_file_is_an_empty_fleet(tmp_path: Path) -> None:
    found = converted(tmp_path, "services: {}\n")
    (tmp_path / "fleet.yaml").write_text(render(found, schema="./s.json"))
    assert load(tmp_path / "fleet.yaml", project=tmp_path, options=LoadOptions(environ={})).desired.services == {}

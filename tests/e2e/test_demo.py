"""`make demo`, the edit that comes after it, and `make clean-demo`, as a person types them."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.cli.main import VERBS
from reconciler.paths import project_hash
from reconciler.runtime.podman import Podman
from tests.e2e.conftest import ROOT
from tests.support.demo import Demo, without_what_varies

README = (ROOT / "README.md").read_text()
FENCE = "```"


@pytest.fixture
def demo(
    tmp_path: Path,
    podman: Podman,
    postgres_image: str,
    busybox_image: str,
    unique_name: str,
    free_ports: Callable[[int], list[int]],
    clean_up: Callable[[str], str],
) -> Iterator[Demo]:
    first, second = free_ports(2)
    made = Demo(ROOT, tmp_path / "demo", tmp_path / "data", name=unique_name, ports=(first, second))
    yield made
    made.fleet("specialists", "stop", code=None)
    clean_up(project_hash(tmp_path / "demo"))


def screen() -> list[tuple[str, str]]:
    """The commands of the README's screen, each with what it printed there."""
    (block,) = re.findall(f"{FENCE}console\n(.*?){FENCE}", README, re.DOTALL)
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_the_screen_of_the_readme_is_what_the_commands_print(
    demo: Demo, unique_name: str, podman: Podman, busybox_image: str, postgres_image: str
) -> None:
    shown = demo.make("demo")
    assert f"http://127.0.0.1:{demo.web_port}/cgi-bin/hello: Hello from Fleet, the database is reachable" in shown
    assert f"127.0.0.1:{demo.pg_port}: PostgreSQL 1" in shown
    assert "fleet status" in shown
    assert "mission/welcome completed, 3 of 3 sorties done" in shown
    assert "It was read by another one, who said: say who has read it" in shown
    assert "make clean-demo" in shown

    for command, expected in screen():
        program = command.replace(".venv/", f"{demo.environment['VENV']}/")
        assert without_what_varies(demo.shell(program), unique_name) == without_what_varies(expected), command
    with urllib.request.urlopen(f"http://127.0.0.1:{demo.web_port}/cgi-bin/hello", timeout=10) as answer:
        assert answer.read().decode().startswith("Good morning\n")
    password = (demo.directory / ".demo" / "pg_password").read_text()
    address = f"postgresql://postgres:{password}@127.0.0.1:{demo.pg_port}/postgres"
    with psycopg.connect(address, connect_timeout=10) as connection:
        assert connection.execute("SELECT 6 * 7").fetchone() == (42,)

    again = demo.make("demo")
    assert "othing to do" in again
    # Its base images were here before it, so it has noted none; one that it had brought would go.
    assert not (demo.directory / ".demo" / "images").exists()
    demo.shell(f"podman tag {busybox_image} localhost/{unique_name}:1; echo localhost/{unique_name}:1 >.demo/images")
    demo.make("clean-demo")
    assert podman.image_id(f"localhost/{unique_name}:1") is None
    assert podman.image_id(busybox_image)
    assert podman.image_id(postgres_image)
    assert podman.observe(demo.project).containers == ()
    assert podman.networks(demo.project) == podman.volumes(demo.project) == podman.secrets(demo.project) == ()
    assert not (demo.directory / ".demo").exists()
    assert not (Path(demo.environment["FLEET_DATA_DIR"]) / demo.project).exists()
    demo.make("clean-demo")


def test_every_command_of_the_readme_is_there() -> None:
    known = {verb.name for _, verbs in VERBS for verb in verbs}
    named = set(re.findall(r"`fleet ([a-z][a-z-]*)", README))
    assert named == known


def test_every_file_of_the_readme_is_there() -> None:
    for name in re.findall(r"\]\(([^)#]+)\)", README):
        if not name.startswith("http"):
            assert (ROOT / name).exists(), name


def test_every_make_target_of_the_readme_is_there() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", README, re.MULTILINE)) <= targets

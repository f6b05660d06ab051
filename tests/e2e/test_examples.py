"""Every example is applied for real, does what it says, and has nothing to do the second time."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.e2e.conftest import ROOT
from tests.support.installed import Installed

# What agents do goes on after an apply; examples of that have tests of their own.
EXAMPLES = sorted(
    path.parent for path in (ROOT / "examples").glob("*/fleet.yaml") if "\nmissions:" not in path.read_text()
)
SECRET = "s3cret-" + "value"


class Example:
    """One example in a folder of its own, under a name of its own, with local images and free ports."""

    def __init__(self, installed: Installed, folder: Path, overlay: str, ports: list[int]) -> None:
        shutil.copytree(folder, installed.directory, dirs_exist_ok=True)
        self.installed = installed
        self.web_port, self.pg_port = ports
        self.overlay(overlay)
        installed.environment |= {"FLEET_ENV": "test", "PG_PASSWORD": SECRET, "API_KEY": SECRET}

    def overlay(self, text: str) -> None:
        self.installed.write(text, "fleet.test.yaml")

    def apply(self) -> None:
        self.installed.fleet("apply", "--yes")

    def containers(self) -> dict[str, str]:
        """Replica to container id."""
        found = self.installed.fleet("status", "--json").json["services"]
        return {f"{one['resource']}/{one['replica']}": one["projected"]["container_id"] for one in found}

    def in_container(self, service: str, *command: str) -> str:
        """What a command inside a service prints."""
        return self.installed.fleet("services", "exec", service, "--", *command).out


@pytest.fixture
def example(
    installed: Installed,
    unique_name: str,
    postgres_image: str,
    free_ports: Callable[[int], list[int]],
) -> Callable[[str, str], Example]:
    """`example("web-and-postgres")`, with further lines for the overlay."""

    def take(name: str, more: str = "") -> Example:
        return Example(installed, ROOT / "examples" / name, overlay(name, more), ports)

    ports = free_ports(2)

    def overlay(name: str, more: str) -> str:
        variables = ["image: {type: string, default: 'localhost/fleet-busybox:1'}"]
        lines = [f"name: {unique_name}", "variables:"]
        if name == "web-and-postgres":
            variables += [
                f"postgres_image: {{type: string, default: '{postgres_image}'}}",
                f"web_port: {{type: integer, default: {ports[0]}}}",
                f"pg_port: {{type: integer, default: {ports[1]}}}",
            ]
            more += f"volumes: {{{unique_name}: {{}}}}\nservices:\n  postgres:\n    container_name: {unique_name}-pg\n"
            more += f"    volumes: ['{unique_name}:/var/lib/postgresql/data']\n"
        return "\n".join([*lines, *(f"  {variable}" for variable in variables), more]) + "\n"

    return take


@pytest.mark.parametrize("name", [path.name for path in EXAMPLES])
def test_it_applies_once_and_then_has_nothing_to_do(name: str, example: Callable[..., Example]) -> None:
    one = example(name)
    command = one.installed
    command.fleet("validate")
    command.fleet("plan", "--detailed-exitcode", code=2)
    one.apply()
    before, containers = command.events(), one.containers()
    assert all(replica["agrees"] for replica in command.fleet("status", "--json").json["services"])

    command.fleet("plan", "--detailed-exitcode")
    one.apply()

    assert command.events() == before
    assert one.containers() == containers
    for service in {replica.split("/")[1] for replica in containers}:
        assert "new in the file" in command.fleet("why", f"service/{service}").out
    assert_nowhere(SECRET, command)


def assert_nowhere(secret: str, command: Installed) -> None:
    """The value is not in what was stored and not in what is printed."""
    folder = Path(command.environment["FLEET_DATA_DIR"])
    for path in folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    for words in (["plan", "--json"], ["config"], ["status", "--json"], ["events", "--json", "--limit", "0"]):
        assert secret not in command.fleet(*words).out, words


def test_web_and_postgres_answer(example: Callable[..., Example]) -> None:
    one = example("web-and-postgres")
    one.apply()
    with urllib.request.urlopen(f"http://127.0.0.1:{one.web_port}/", timeout=10) as answer:
        assert "It works" in answer.read().decode()
    address = f"postgresql://postgres:{SECRET}@127.0.0.1:{one.pg_port}/app"
    with psycopg.connect(address, connect_timeout=10) as connection:
        assert connection.execute("SELECT 6 * 7").fetchone() == (42,)


def test_the_service_starts_after_the_job_and_serves_what_it_made(example: Callable[..., Example]) -> None:
    one = example("job-then-service")
    one.apply()
    order = [event["event_type"] for event in one.installed.events("--stream", "service")]
    assert order.index("job_completed") < max(index for index, name in enumerate(order) if name == "container_created")
    assert one.in_container("web", "cat", "/site/index.html").strip() == "prepared"


def test_a_rolling_update_starts_the_new_one_first_and_somebody_always_answers(
    example: Callable[..., Example],
) -> None:
    one = example("rolling-update")
    one.apply()
    before = one.containers()
    one.installed.fleet("apply", "--yes", "--var", "release=2")
    after = one.containers()
    assert all(before[name] != after[name] for name in before if name.startswith("service/web/"))
    assert before["service/client/1"] == after["service/client/1"]

    replaced = [
        (event["event_type"], event["data"]["replica"])
        for event in one.installed.events("--stream", "service/web", "--since", "1")
        if event["event_type"] in ("container_created", "container_removed")
    ][3:]
    assert [kind for kind, _ in replaced] == ["container_created", "container_removed"] * 3
    assert [replica for _, replica in replaced] == [1, 1, 2, 2, 3, 3]

    log = one.installed.fleet("services", "logs", "client", "--tail", "1000").out
    assert "release 1" in log
    assert "nobody answers" not in log


def test_secrets_and_files_are_in_the_container(example: Callable[..., Example]) -> None:
    one = example("secrets-and-configs")
    one.apply()
    assert one.in_container("web", "cat", "/run/secrets/api_key").strip() == SECRET
    assert one.in_container("web", "cat", "/etc/web.conf") == "workers = 2\n"
    variables = one.in_container("web", "env").splitlines()
    assert f"API_KEY={SECRET}" in variables
    assert "LOG_LEVEL=info" in variables


def test_an_edited_config_replaces_and_says_why(example: Callable[..., Example]) -> None:
    one = example("secrets-and-configs")
    one.apply()
    one.installed.write("<h1>Edited</h1>\n", "index.html")
    plan = one.installed.fleet("plan", "--detailed-exitcode", code=2)
    assert "replace" in plan.out
    one.apply()
    assert one.in_container("web", "cat", "/www/index.html") == "<h1>Edited</h1>\n"
    assert "configs" in one.installed.fleet("why", "web").out

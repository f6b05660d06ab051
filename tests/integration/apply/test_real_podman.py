"""Applies against real Podman: what runs, what answers, what stays, and what the log says of it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from reconciler.control.cycle import within_policy
from reconciler.errors import ConfirmationMissing
from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import ServiceSpec
from tests.integration.apply.yard import Yard, get
from tests.support.podman import BUSYBOX, force_remove

SLEEPER = f"image: {BUSYBOX}, command: [sleep, '3600'], stop_signal: SIGKILL"
WEB = """
db:
  image: {image}
  command: [sh, -c, "sleep 0.3; touch /tmp/ready; exec sleep 3600"]
  stop_signal: SIGKILL
  healthcheck: {{test: [CMD, test, -f, /tmp/ready], interval: 1s, timeout: 5s, retries: 10}}
web:
  image: {image}
  command: [httpd, -f, -h, /www]
  stop_signal: SIGKILL
  ports: ["127.0.0.1:{port}:80"]
  configs: [{{source: ./index.html, target: /www/index.html}}]
  depends_on: {{db: healthy}}
"""


def web(port: int) -> str:
    return WEB.format(image=BUSYBOX, port=port)


def snapshot(yard: Yard) -> dict[str, tuple[int, str]]:
    """Every file of the data folder with its time and content."""
    return {
        str(path.relative_to(yard.data)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(yard.data.rglob("*"))
        if path.is_file()
    }


def test_a_web_service_and_what_it_needs(yard: Yard, free_port: int) -> None:
    (yard.folder / "index.html").write_text("hello one")
    yard.write(web(free_port))
    yard.must_apply()
    assert get(free_port) == "hello one"
    told = yard.types()
    assert told.index("container_health_changed") < len(told) - 1 - told[::-1].index("container_started")
    assert yard.causes("container_started") == [
        "container_started",
        "container_created",
        "action_intended",
        "service_defined",
        "revision_accepted",
    ]

    before, files = yard.head(), snapshot(yard)
    containers = yard.containers()
    assert yard.apply() is None, "a second apply does nothing"
    assert (yard.head(), snapshot(yard), yard.containers()) == (before, files, containers)

    (yard.folder / "index.html").write_text("hello two")
    assert yard.plan() == ["define service/web", "replace service/web/1"]
    yard.must_apply()
    assert get(free_port) == "hello two"
    assert yard.plan() == []


def test_a_look_leaves_no_trace(yard: Yard) -> None:
    yard.write(f"web: {{{SLEEPER}}}")
    assert yard.plan() != []
    assert not yard.data.exists(), "a plan before the first apply makes no database"
    assert yard.states() == {}
    yard.must_apply()
    force_remove(yard.runtime, f"{yard.name}-web-1")  # type: ignore[arg-type]
    before = snapshot(yard)
    seen = yard.look()
    assert [event.event_type for event in seen.observations] == ["container_vanished"]
    assert [action.id for action in seen.plan.actions] == ["create service/web/1"]
    assert snapshot(yard) == before
    assert yard.states() == {}


def test_what_others_did_is_seen_and_put_right(yard: Yard, podman: Podman) -> None:
    yard.write(f"killed: {{{SLEEPER}}}\nremoved: {{{SLEEPER}}}\nkept: {{{SLEEPER}}}")
    yard.must_apply()
    podman.stop(f"{yard.name}-killed-1", 0)
    force_remove(podman, f"{yard.name}-removed-1")
    kept = yard.containers()[f"{yard.name}-kept-1"].container_id
    yard.must_apply()
    assert yard.states() == {"kept-1": "running", "killed-1": "running", "removed-1": "running"}
    assert yard.containers()[f"{yard.name}-kept-1"].container_id == kept
    assert {"container_exited", "container_vanished"} <= set(yard.types())
    assert yard.plan() == []


def test_a_block_that_left_the_file_takes_its_containers_and_leaves_its_volumes(yard: Yard, podman: Podman) -> None:
    yard.write(f"db: {{{SLEEPER}, volumes: ['data:/data']}}", more="volumes: {data: {}}")
    yard.must_apply()
    podman.exec(f"{yard.name}-db-1", ("sh", "-c", "echo precious > /data/file"))
    volumes = podman.volumes(yard.label)
    assert len(volumes) == 1
    yard.write("")
    yard.must_apply()
    assert yard.states() == {}
    assert podman.volumes(yard.label) == volumes
    yard.write(f"db: {{{SLEEPER}, volumes: ['data:/data']}}", more="volumes: {data: {}}")
    yard.must_apply()
    assert podman.exec(f"{yard.name}-db-1", ("cat", "/data/file")) == (0, b"precious\n")
    yard.runtime.stop(f"{yard.name}-db-1", 0)
    force_remove(podman, f"{yard.name}-db-1")
    podman._client.act("DELETE", f"/volumes/{volumes[0]}", "clean up")


def test_a_container_that_is_not_ours_is_never_touched(yard: Yard, podman: Podman) -> None:
    order = ContainerOrder(
        ServiceSpec(name="x", image=BUSYBOX, command=("sleep", "3600"), stop_signal="SIGKILL"),
        f"{yard.name}-web-1",
        BUSYBOX,
        labels={},
    )
    stranger = podman.create(order)
    podman.start(stranger)
    try:
        yard.write(f"web: {{{SLEEPER}}}")
        result = yard.apply()
        assert result is not None
        assert f"the name {yard.name}-web-1 is taken by a container that is not this fleet's" in result.failures[0].why
        assert podman.inspect(stranger).container.state == "running"

        done = yard.run("import")
        assert done.stdout == f"fleet import service/web {yard.name}-web-1\n"
        done = yard.run("import", "service/web", f"{yard.name}-web-1")
        assert "nothing about it was changed" in done.stdout
        assert yard.plan() == [], "it is as declared"
        assert podman.inspect(stranger).container.state == "running"

        podman.stop(stranger, 0)
        assert yard.plan() == ["start service/web/1"]
        yard.must_apply()
        assert podman.inspect(stranger).container.state == "running"

        yard.write(f"web: {{{SLEEPER}, environment: {{A: b}}}}")
        yard.must_apply()
        assert list(yard.containers()) == [f"{yard.name}-web-1"]
        assert podman.find(f"{yard.name}-web-1") is not None
        assert yard.plan() == []
    finally:
        force_remove(podman, stranger)


def test_one_that_belongs_to_another_fleet_is_not_taken_over(yard: Yard, podman: Podman, project_label: str) -> None:
    labels = {
        LABEL_PROJECT: project_label,
        "fleet.fleet": "theirs",
        "fleet.resource": "service/x",
        "fleet.replica": "1",
    }
    spec = ServiceSpec(name="x", image=BUSYBOX, command=("sleep", "3600"))
    podman.create(ContainerOrder(spec, f"{yard.name}-theirs", BUSYBOX, labels=labels))
    yard.write(f"web: {{{SLEEPER}}}")
    done = yard.run("import", "service/web", f"{yard.name}-theirs", check=False)
    assert done.returncode == 1
    assert "belongs to the fleet theirs" in done.stderr
    done = yard.run("import", "service/web", f"{yard.name}-nothing", check=False)
    assert done.returncode == 1
    done = yard.run("import", "service/nope", f"{yard.name}-theirs", check=False)
    assert "there is no service nope in the file" in done.stderr


def test_a_replacement_that_never_becomes_healthy_goes_back(yard: Yard) -> None:
    def block(order: str, test: str) -> str:
        check = f"healthcheck: {{test: [CMD, '{test}'], interval: 200ms, timeout: 1s, retries: 2}}"
        return f"web: {{{SLEEPER}, update: {{auto_revert: true, order: {order}}}, {check}}}"

    for order in ("stop-first", "start-first"):
        yard.write(block(order, "true"))
        yard.must_apply()
        old = yard.containers()[f"{yard.name}-web-1"].container_id
        yard.write(block(order, "false"))
        result = yard.apply()
        assert result is not None
        assert (result.status, result.reverted) == ("failed", ("web",))
        assert {name: one.container_id for name, one in yard.containers().items()} == {f"{yard.name}-web-1": old}
        assert yard.states() == {"web-1": "running"}
        assert yard.apply() is None, "what was taken back is not tried again by itself"
        done = yard.run("apply")
        assert "was tried and never became healthy" in done.stdout


def test_jobs_run_once_and_gate_what_follows(yard: Yard) -> None:
    yard.write(
        f"""
job: {{kind: job, image: {BUSYBOX}, command: [sh, -c, "sleep 0.2; exit 0"]}}
web: {{{SLEEPER}, depends_on: {{job: completed}}}}
"""
    )
    yard.must_apply()
    assert yard.states() == {"job-1": "exited", "web-1": "running"}
    assert yard.types().count("job_completed") == 1
    assert yard.plan() == []


def test_limits_are_changed_without_a_restart(yard: Yard, podman: Podman) -> None:
    yard.write(f"web: {{{SLEEPER}, resources: {{memory: 64m}}}}")
    yard.must_apply()
    before = yard.containers()[f"{yard.name}-web-1"]
    yard.write(f"web: {{{SLEEPER}, resources: {{memory: 128m}}}}")
    yard.must_apply()
    after = yard.containers()[f"{yard.name}-web-1"]
    assert (after.container_id, after.started_at) == (before.container_id, before.started_at)
    assert yard.plan() == []
    # Podman 4 forgets the change when the container starts again.
    podman.stop(after.container_id, 0)
    yard.must_apply()
    assert yard.containers()[f"{yard.name}-web-1"].container_id == after.container_id
    limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    assert podman.exec(after.container_id, ("sh", "-c", limit)) == (0, b"134217728\n")


def test_problems_are_told_together_before_anything_is_touched(yard: Yard, free_port: int) -> None:
    yard.write(f"web: {{{SLEEPER}}}")
    yard.must_apply()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", free_port))
        holder.listen()
        yard.write(
            f"""
web: {{{SLEEPER}, ports: ["127.0.0.1:{free_port}:80"], volumes: ["./gone:/gone"], environment: {{P: {{secret: p}}}}}}
other: {{{SLEEPER}}}
""",
            more="secrets: {p: {env: NOT_SET}}",
        )
        (yard.folder / "gone").mkdir()
        result = yard.apply()
    assert result is not None
    text = result.failures[0].why
    assert f"port {free_port} of service/web is in use on this machine" in text
    assert "the secret p has no value: the environment variable NOT_SET is not set" in text
    assert yard.states() == {"other-1": "running", "web-1": "running"}


def test_destroying_needs_a_yes(yard: Yard) -> None:
    more = "reconcile: {max_destroy: 0}"
    yard.write(f"web: {{{SLEEPER}}}", more=more)
    yard.must_apply()
    yard.write("", more=more)
    with pytest.raises(ConfirmationMissing):
        yard.apply(confirm=within_policy)
    done = yard.run("apply", check=False)
    assert done.returncode == 7
    assert yard.states() == {"web-1": "running"}
    yard.run("apply", "--yes")
    assert yard.states() == {}
    assert [event.data["how"] for event in yard.events() if event.event_type == "plan_confirmed"] == ["flag"]


def test_ctrl_c_once_ends_in_good_order(yard: Yard) -> None:
    import signal
    import subprocess
    import sys

    services = "\n".join(
        f"s{number}: {{{SLEEPER}, depends_on: {{s{number - 1}: started}}}}" if number else f"s0: {{{SLEEPER}}}"
        for number in range(30)
    )
    yard.write(services)
    running = subprocess.Popen(
        [str(Path(sys.executable).with_name("fleet")), "apply", "--json"],
        cwd=yard.folder,
        env=yard.environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("state") == "done" and lines[-1]["verb"] == "create" and "service" in lines[-1]["resource"]:
            break
    running.send_signal(signal.SIGINT)
    lines += [json.loads(line) for line in running.stdout]
    running.stdout.close()
    assert running.wait() == 130
    assert lines[-1]["status"] == "interrupted"
    assert lines[-1]["left_off"].startswith("create service/s")
    assert yard.events()[-2].data["left_off"] == lines[-1]["left_off"]
    assert set(yard.states().values()) == {"running"}
    yard.must_apply()
    assert len(yard.states()) == 30
    assert yard.plan() == []


def test_two_applies_at_once_double_nothing(yard: Yard) -> None:
    yard.write(f"web: {{{SLEEPER}, replicas: 3}}")
    errors: list[BaseException] = []

    def one() -> None:
        try:
            with yard.session() as session:
                from reconciler.control.cycle import converge

                converge(session, wait_lease_ms=60_000)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert yard.states() == {"web-1": "running", "web-2": "running", "web-3": "running"}
    assert yard.types().count("container_created") == 3


def test_stopped_on_request_stays_stopped(yard: Yard, free_port: int) -> None:
    yard.write(f"web: {{{SLEEPER}, ports: ['127.0.0.1:{free_port}:80']}}\ndb: {{{SLEEPER}}}")
    up = yard.run("services", "up")
    assert f"http://localhost:{free_port}/" in up.stdout
    assert "Next: fleet services status" in up.stdout
    down = yard.run("services", "down", "web")
    assert "web is stopped; its containers and data are kept" in down.stdout
    assert yard.states() == {"db-1": "running", "web-1": "exited"}
    assert yard.apply() is None
    again = yard.run("services", "down", "web")
    assert "web was not running" in again.stdout
    identity = yard.containers()[f"{yard.name}-web-1"].container_id
    yard.run("services", "up", "web")
    assert yard.containers()[f"{yard.name}-web-1"].container_id == identity, "started, not doubled"
    assert yard.states() == {"db-1": "running", "web-1": "running"}
    assert yard.causes("container_started") == ["container_started", "action_intended", "service_start_requested"]
    before = yard.containers()[f"{yard.name}-db-1"].started_at
    time.sleep(max(0.0, before + 1.1 - time.time()))
    yard.run("services", "restart", "db")
    assert yard.containers()[f"{yard.name}-db-1"].started_at > before
    unknown = yard.run("services", "up", "nope", check=False)
    assert unknown.returncode == 1
    assert "known: db, web" in unknown.stderr


def test_no_secret_is_found_anywhere(yard: Yard, podman: Podman) -> None:
    canaries = {"CANARY_A": "canary-4f1d-in-a-variable", "CANARY_B": "canary-93ab-as-a-file"}
    yard.environ.update(canaries)
    (yard.folder / "web.env").write_text("FROM_FILE=canary-77c0-in-an-env-file\n")
    found = [*canaries.values(), "canary-77c0-in-an-env-file"]
    yard.write(
        f"""
web:
  image: {BUSYBOX}
  command: [sleep, "3600"]
  stop_signal: SIGKILL
  environment: {{A: {{secret: a}}}}
  secrets: [{{source: b, target: /run/b}}]
  env_file: [./web.env]
""",
        more="secrets:\n  a: {env: CANARY_A}\n  b: {env: CANARY_B}",
    )
    outputs = [yard.run("apply", "--check"), yard.run("apply", "--json", "--diff")]
    container = f"{yard.name}-web-1"
    assert podman.exec(container, ("sh", "-c", "echo $A")) == (0, b"canary-4f1d-in-a-variable\n")
    assert podman.exec(container, ("sh", "-c", "echo $FROM_FILE")) == (0, b"canary-77c0-in-an-env-file\n")
    assert podman.exec(container, ("cat", "/run/b"))[1].strip() == b"canary-93ab-as-a-file"
    yard.environ["CANARY_A"] = "canary-0000-another"
    found.append("canary-0000-another")
    outputs += [
        yard.run("apply", "--check"),
        yard.run("apply"),
        yard.run("status"),
        yard.run("why", "web"),
        yard.run("events", "--json"),
    ]
    assert podman.exec(container, ("sh", "-c", "echo $A")) == (0, b"canary-0000-another\n")
    assert len(podman.secrets(yard.label)) == 2, "the former value's object is gone"

    everything = [path.read_bytes() for path in yard.data.rglob("*") if path.is_file()]
    everything += [f"{done.stdout}{done.stderr}".encode() for done in outputs]
    everything += [json.dumps(dict(one.labels)).encode() for one in yard.containers().values()]
    everything += _process_arguments()
    for canary in found:
        assert not [content for content in everything if canary.encode() in content]


def _process_arguments() -> list[bytes]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                found.append((process / "cmdline").read_bytes())
            except OSError:
                continue
    return found


def test_a_network_with_other_options_is_made_anew_with_its_containers(yard: Yard, podman: Podman) -> None:
    services = f"db: {{{SLEEPER}, networks: [back]}}\nweb: {{{SLEEPER}, networks: [back]}}\nother: {{{SLEEPER}}}"
    yard.write(services, more="networks: {back: {}}")
    yard.must_apply()
    before = {name: one.container_id for name, one in yard.containers().items()}
    yard.write(services, more="networks: {back: {internal: true}}")
    plan = yard.look().plan
    assert [one.id for one in plan.actions] == ["replace network/back", "replace service/db/1", "replace service/web/1"]
    (change,) = plan.actions[0].reason.changes
    assert (change.path, change.old, change.new) == ("networks.back.internal", False, True)
    yard.must_apply()
    after = {name: one.container_id for name, one in yard.containers().items()}
    assert {name for name in after if after[name] == before[name]} == {f"{yard.name}-other-1"}
    assert b"default" not in podman.exec(f"{yard.name}-web-1", ("ip", "route"))[1]
    assert yard.plan() == []
    why = yard.run("why", "service/web").stdout
    assert "networks.back.internal" in why

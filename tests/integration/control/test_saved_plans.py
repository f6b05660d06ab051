"""Saved plans: carried out exactly so or refused, whatever moved since; and two writers at once as real processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.control.look import look
from reconciler.control.saved import Moved, SavedPlan, read_saved, save
from reconciler.control.suspending import suspend
from reconciler.errors import FleetError, NotFound, PlanStale
from reconciler.plan.model import PlanOptions
from reconciler.projections.store import open_store
from tests.integration.apply.yard import Yard
from tests.support.simulated import IMAGE

WEB = f"web: {{image: '{IMAGE}', command: [serve]}}"
HOLD = """
import sys
from pathlib import Path
from reconciler.projections.store import open_store
with open_store(Path(sys.argv[1])) as store, store.lease("rehearse", holder="somebody:7"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def saved(yard: Yard, options: PlanOptions | None = None) -> SavedPlan:
    path = yard.folder / "plan.fleet"
    with yard.session() as session:
        save(look(session, options or PlanOptions()), options or PlanOptions(), path, actor="ada")
        return read_saved(path, project=session.project)


class TestWhatMoved:
    def test_nothing(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        plan = saved(sandbox)
        assert plan.moved(sandbox.look()) == ()
        sandbox.project.file.write_text("# a comment\n" + sandbox.project.file.read_text())
        plan.must_still_hold(sandbox.look())
        sandbox.must_apply()
        assert "service/web" in ", ".join(plan.moved(sandbox.look()))

    def test_the_file(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        sandbox.must_apply()
        plan = saved(sandbox)
        sandbox.write(WEB.replace("serve", "serve, more"))
        assert plan.moved(sandbox.look()) == ("the file: service/web",)
        with pytest.raises(Moved, match="since then changed the file: service/web"):
            plan.must_still_hold(sandbox.look())

    def test_the_world(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        sandbox.must_apply()
        plan = saved(sandbox)
        sandbox.runtime.pause("shop-web-1")  # type: ignore[union-attr]
        assert plan.moved(sandbox.look()) == ("the world: container shop-web-1",)

    def test_an_image(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        sandbox.must_apply()
        plan = saved(sandbox)
        sandbox.runtime.images[IMAGE] = "sha256:9"  # type: ignore[union-attr]
        assert plan.moved(sandbox.look()) == (f"the world: image {IMAGE}",)

    def test_the_log(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        sandbox.must_apply()
        plan = saved(sandbox)
        with sandbox.session() as session:
            suspend(session, "web", why="a leak")
        assert plan.moved(sandbox.look()) == ("the log: suspensions",)

    def test_time(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        sandbox.must_apply()
        with sandbox.session() as session:
            suspend(session, "web", why="a leak", for_ms=3_600_000)
        sandbox.runtime.vanish("shop-web-1")  # type: ignore[union-attr]
        plan = saved(sandbox)
        later = sandbox.look(PlanOptions(now_ms=plan.body.made_at + 7_200_000))
        assert plan.moved(later)[0].startswith("the plan itself")

    def test_what_narrowed_it_narrows_it_again(self, sandbox: Yard) -> None:
        sandbox.write(WEB + f"\napi: {{image: '{IMAGE}', command: [serve], tags: [back]}}")
        options = PlanOptions(targets=("web",), skip_tags=("back",))
        plan = saved(sandbox, options)
        assert plan.options == options
        assert plan.moved(sandbox.look(plan.options)) == ()


class TestTheFile:
    def test_only_its_owner_reads_it_and_there_is_no_secret_in_it(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{image: '{IMAGE}', command: [serve], environment: {{API_TOKEN: hunter2}}}}")
        saved(sandbox)
        path = sandbox.folder / "plan.fleet"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "hunter2" not in path.read_text()
        assert sorted(os.listdir(sandbox.folder)) == ["fleet.yaml", "plan.fleet"]

    def test_one_that_was_tampered_with(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        saved(sandbox)
        path = sandbox.folder / "plan.fleet"
        whole = json.loads(path.read_text())

        def refused(text: str, project: str = whole["body"]["project"]) -> str:
            path.write_text(text)
            with pytest.raises(PlanStale) as raised:
                read_saved(path, project=project)
            return raised.value.what

        assert refused(json.dumps(whole).replace("create service/web/1", "create service/web/2")) == (
            "it was changed after it was made"
        )
        assert refused(json.dumps(whole), project="another") == "it is the plan of another project"
        assert refused("{}") == refused("\x00") == refused("[]") == "this is no saved plan"
        assert "form 2" in refused(json.dumps({**whole, "version": 2}))
        assert "cannot be read" in refused(json.dumps({**whole, "body": {}, "digest": digest({})}))

    def test_one_that_is_not_there_or_cannot_be_written(self, sandbox: Yard) -> None:
        sandbox.write(WEB)
        with pytest.raises(NotFound):
            read_saved(sandbox.folder / "none", project="x")
        with sandbox.session() as session, pytest.raises(FleetError, match="cannot be written"):
            save(look(session), PlanOptions(), sandbox.folder / "none" / "plan.fleet", actor="ada")
        (sandbox.folder / "taken").mkdir()
        with sandbox.session() as session, pytest.raises(FleetError, match="cannot be written"):
            save(look(session), PlanOptions(), sandbox.folder / "taken", actor="ada")
        assert sorted(os.listdir(sandbox.folder)) == ["fleet.yaml", "taken"]


def digest(value: object) -> str:
    from reconciler.spec.roles import digest_of

    return digest_of(value)


SLEEP = "web: {{image: 'localhost/fleet-busybox:1', command: [sleep, '{}'], stop_signal: SIGKILL}}"


def test_the_commands_over_real_podman(yard: Yard) -> None:
    secret = "secrets: {token: {env: TOKEN}}"
    yard.environ["TOKEN"] = "swordfish-7"
    service = "web: {image: 'localhost/fleet-busybox:1', command: [sleep, '3600'], stop_signal: SIGKILL, environment: {T: {secret: token}}}"
    yard.write(service, more=secret)
    yard.run("plan", "--out", "plan.fleet")
    assert not yard.data.exists()
    assert "Done" in yard.run("apply", "plan.fleet").stdout
    again = yard.run("apply", "plan.fleet", check=False)
    assert again.returncode == 8
    assert "stale" in again.stderr

    edited = service.replace("3600", "3601")
    yard.write(edited, more=secret)
    yard.run("plan", "-o", "plan.fleet")
    yard.write(edited.replace("3601", "3602"), more=secret)
    said = yard.run("apply", "plan.fleet", "--json", check=False)
    assert said.returncode == 8
    assert json.loads(said.stderr)["error"]["code"] == "plan_stale"
    (refused, *_) = [one for one in reversed(yard.events()) if one.event_type == "plan_refused"]
    assert refused.data["moved"] == ["the file: service/web"]
    yard.write(edited, more=secret)
    # Destructive as it is, the plan was looked at and is not asked about again.
    assert "Done" in yard.run("apply", "plan.fleet").stdout
    assert yard.run("apply", "plan.fleet", "--target", "web", check=False).returncode == 1
    assert yard.run("plan", "--at", "1", "--out", "x", check=False).returncode == 1
    assert b"swordfish-7" not in (yard.folder / "plan.fleet").read_bytes()


def test_two_applies_at_once(yard: Yard) -> None:
    """One works; the other leaves with who, what for and since when, or waits its turn."""
    yard.write(SLEEP.format(3600))
    yard.run("apply")
    yard.write(SLEEP.format(3601))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(yard.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        left = yard.run("apply", "--yes", check=False)
        assert left.returncode == 4
        assert "somebody:7 is writing to this fleet for rehearse, since" in left.stderr

        waiting = subprocess.Popen(
            [Path(sys.executable).with_name("fleet"), "apply", "--yes", "--wait-lease", "60s"],
            cwd=yard.folder,
            env=yard.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        holder.stdin.write("\n")
        holder.stdin.flush()
        out, err = waiting.communicate(timeout=60)
        assert (waiting.returncode, "Done" in out) == (0, True), err
    assert yard.states() == {"web-1": "running"}


def test_a_lease_that_a_person_ends(yard: Yard) -> None:
    yard.write(SLEEP.format(3600))
    assert yard.run("unlock", check=False).returncode == 1
    yard.run("apply")
    assert "Nobody holds the lease" in yard.run("unlock").stdout
    assert json.loads(yard.run("unlock", "--json").stdout) == {"broken": None}
    with open_store(yard.database) as store, store.lease("rehearse", holder="somebody:7"):
        refused = yard.run("unlock", check=False)
        assert refused.returncode == 7
        assert "somebody:7 has been writing for" in refused.stderr
        assert json.loads(yard.run("unlock", "--yes", "--json").stdout)["broken"]["purpose"] == "rehearse"
        yard.write(SLEEP.format(3601))
        yard.run("apply", "--yes")
    (broken,) = [one for one in yard.events() if one.event_type == "lease_broken"]
    assert (broken.data["holder"], broken.data["by"]) == ("somebody:7", "ada")

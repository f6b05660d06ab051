"""The cycle over a real file and a real log, with an engine in memory: looking, converging, and what is recorded when."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.connections import connections
from reconciler.control.cycle import Confirmation, converge, within_policy
from reconciler.control.look import look
from reconciler.control.ready import unready
from reconciler.control.requests import chosen_services, running_services, start_requests, stop_requests
from reconciler.control.takeover import candidates, take_over
from reconciler.errors import ActionFailed, ConfirmationMissing, LeaseHeld, LogUnusable, NotFound, SpecInvalid
from reconciler.plan.model import PlanOptions
from reconciler.projections.store import EventQuery, open_store
from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder
from reconciler.spec.desired import ServiceSpec
from tests.integration.apply.yard import YES, Yard
from tests.support.simulated import IMAGE

SERVE = f"image: '{IMAGE}', command: [serve]"


def stranger(yard: Yard, name: str, **labels: str) -> str:
    """A container that Fleet did not make."""
    spec = ServiceSpec(name="x", image=IMAGE, command=("serve",))
    made = yard.runtime.create(ContainerOrder(spec, name, IMAGE, labels=labels))
    yard.runtime.start(made)
    return made


class TestLooking:
    def test_before_the_first_apply_there_is_no_log_and_none_is_made(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        seen = sandbox.look()
        assert [action.id for action in seen.plan.actions][-1] == "create service/web/1"
        assert seen.reading.changed
        assert not seen.settled
        assert not sandbox.data.exists()

    def test_an_unchanged_file_is_not_loaded_again(self, sandbox: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.must_apply()
        monkeypatch.setattr("reconciler.spec.load.load", lambda *_, **__: pytest.fail("it was loaded"))
        seen = sandbox.look()
        assert seen.settled
        assert seen.reading.accepted is not None

    def test_another_comment_is_no_other_revision(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.must_apply()
        sandbox.project.file.write_text("# a comment\n" + sandbox.project.file.read_text())
        seen = sandbox.look()
        assert seen.settled
        assert seen.reading.places["service/web"].line == 6

    def test_a_wrong_file(self, sandbox: Yard) -> None:
        sandbox.write("web: {imago: x}")
        with pytest.raises(SpecInvalid):
            sandbox.look()

    def test_an_engine_that_does_not_answer_is_an_error_and_no_empty_world(self, sandbox: Yard) -> None:
        from reconciler.errors import RuntimeUnreachable

        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.must_apply()
        sandbox.runtime.unreachable = True  # type: ignore[union-attr]
        with pytest.raises(RuntimeUnreachable):
            sandbox.look()

    def test_images_are_asked_for_side_by_side(self, sandbox: Yard) -> None:
        services = "\n".join(f"s{number}: {{image: 'image{number}:1', command: [serve]}}" for number in range(9))
        for number in range(9):
            sandbox.runtime.images[f"image{number}:1"] = f"sha256:{number}"  # type: ignore[union-attr]
        sandbox.write(services)
        sandbox.must_apply()
        assert sandbox.plan() == []

    def test_an_image_that_cannot_be_asked_for_is_an_error(self, sandbox: Yard) -> None:
        sandbox.write("a: {image: 'a:1', command: [serve]}\nb: {image: 'b:1', command: [serve]}")
        sandbox.runtime.fail("image_id", nth=1, error=RuntimeError("broken"))  # type: ignore[union-attr]
        with pytest.raises(RuntimeError):
            sandbox.look()

    def test_a_container_that_the_list_leaves_out_is_not_gone(self, sandbox: Yard) -> None:
        from reconciler.runtime.model import Observed

        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.must_apply()
        sandbox.runtime.observe = lambda project: Observed(())  # type: ignore[method-assign]
        assert sandbox.look().settled

    def test_networks_and_volumes_that_are_gone_are_made_again(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}, volumes: ['data:/data']}}", more="volumes: {data: {}}")
        sandbox.must_apply()
        simulated: Any = sandbox.runtime
        simulated.vanish("shop-web-1")
        simulated.networks_made.clear()
        simulated.volumes_made.clear()
        assert sandbox.plan() == ["create network/default", "create volume/data", "create service/web/1"]
        sandbox.must_apply()
        assert {"network_vanished", "volume_vanished"} <= set(sandbox.types())
        assert sandbox.plan() == []

    def test_a_volume_that_was_there_before_is_not_taken_for_gone(self, sandbox: Yard) -> None:
        simulated: Any = sandbox.runtime
        simulated.volumes_made["shop-data"] = {}
        sandbox.write(f"web: {{{SERVE}, volumes: ['data:/data']}}", more="volumes: {data: {}}")
        sandbox.must_apply()
        simulated.vanish("shop-web-1")
        assert sandbox.plan() == ["create service/web/1"]


class TestConverging:
    def test_nothing_to_do_takes_no_lease_and_records_nothing(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.must_apply()
        head = sandbox.head()
        assert sandbox.apply() is None
        assert sandbox.head() == head

    def test_who_and_through_which_door(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.must_apply()
        recorded = sandbox.events()
        assert {event.metadata["actor"] for event in recorded} == {"ada"}
        assert {event.metadata["source"] for event in recorded} == {"cli"}
        assert len({event.correlation_id for event in recorded if event.stream_type != "system"}) == 1

    def test_only_a_setting_changed(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.must_apply()
        sandbox.write(f"web: {{{SERVE}}}", more="reconcile: {interval: 1m}")
        assert sandbox.apply() is None
        assert sandbox.types().count("revision_accepted") == 2
        assert sandbox.look().settled

    def test_what_happened_is_recorded_although_nothing_is_to_be_done(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}, restart: 'no'}}")
        sandbox.must_apply()
        sandbox.runtime.end("shop-web-1", 3)  # type: ignore[union-attr]
        assert sandbox.apply() is None
        assert sandbox.types()[-1] == "container_exited"
        assert sandbox.look().settled

    def test_another_writer_is_at_work(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        with open_store(sandbox.database) as store, store.lease("something else", holder="grace"):
            with pytest.raises(LeaseHeld, match="grace is writing to this fleet for something else"):
                sandbox.apply()
            assert sandbox.states() == {}

    def test_waiting_for_another_writer(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        with open_store(sandbox.database) as store:
            lease = store.lease("something else")
            timer = threading.Timer(0.2, lease.release)
            timer.start()
            with sandbox.session() as session:
                result = converge(session, wait_lease_ms=20_000).result
            timer.join()
        assert result is not None
        assert result.succeeded

    def test_a_destructive_plan_within_the_files_own_limit(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}, replicas: 2}}", more="reconcile: {max_destroy: 1}")
        sandbox.must_apply()
        sandbox.write("", more="reconcile: {max_destroy: 1}")
        with pytest.raises(ConfirmationMissing, match="destroys 2 containers, and reconcile.max_destroy allows 1"):
            sandbox.apply(confirm=within_policy)
        sandbox.write(f"web: {{{SERVE}}}", more="reconcile: {max_destroy: 1}")
        result = sandbox.apply(confirm=within_policy)
        assert result is not None
        confirmed = [event for event in sandbox.events() if event.event_type == "plan_confirmed"]
        assert confirmed[0].data["how"] == "policy"
        assert confirmed[0].data["confirmed_by"] == "reconcile.max_destroy"

    def test_more_than_was_confirmed_is_asked_for_again(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}, replicas: 3}}")
        sandbox.must_apply()
        sandbox.write(f"web: {{{SERVE}, replicas: 2}}")
        asked: list[int] = []

        def confirm(seen: Any) -> Confirmation:
            asked.append(seen.plan.destroys)
            if len(asked) == 1:
                sandbox.write(f"web: {{{SERVE}, replicas: 1}}")
            return YES

        sandbox.apply(confirm=confirm)
        assert asked == [1, 2]
        assert sandbox.states() == {"web-1": "running"}

    def test_replicas_that_were_replaced_before_a_revert_come_home_in_the_same_run(self, sandbox: Yard) -> None:
        def block(test: str) -> str:
            check = f"healthcheck: {{test: [CMD, '{test}'], interval: 10ms, timeout: 10ms, retries: 1}}"
            return f"web: {{{SERVE}, replicas: 3, update: {{auto_revert: true}}, {check}}}"

        sandbox.write(block("true"))
        sandbox.must_apply()
        digests = {one.labels["fleet.digest"] for one in sandbox.containers().values()}
        simulated: Any = sandbox.runtime
        # The second one that is replaced is the first that fails.
        good: list[str] = []
        run = simulated.run_healthcheck

        def only_the_first_is_good(container: str) -> str:
            if simulated.containers[container].order.service.healthcheck.test[1] != "echo":
                return str(run(container))
            good.append(container)
            return "healthy" if container == good[0] else "unhealthy"

        simulated.run_healthcheck = only_the_first_is_good
        sandbox.write(block("echo"))
        result = sandbox.apply()
        assert result is not None
        assert (result.status, result.reverted) == ("failed", ("web",)), result.failures
        assert {one.labels["fleet.digest"] for one in sandbox.containers().values()} == digests
        assert sandbox.states() == {"web-1": "running", "web-2": "running", "web-3": "running"}
        assert sandbox.plan() == []

    def test_a_log_that_cannot_be_read(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        sandbox.database.parent.mkdir(parents=True)
        sandbox.database.write_bytes(b"this is no database" * 100)
        with pytest.raises(LogUnusable):
            sandbox.look()


class TestRequests:
    def test_down_and_up_are_wishes_in_the_log(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}\ndb: {{{SERVE}}}")
        sandbox.must_apply()
        seen = sandbox.look()
        assert chosen_services(seen.desired, []) == ("db", "web")
        assert chosen_services(seen.desired, ["service/web", "web"]) == ("web",)
        with pytest.raises(NotFound, match="no service nope"):
            chosen_services(seen.desired, ["nope"])
        assert start_requests(seen.projected, ["web"]) == []
        assert running_services(seen.projected, ["web", "nope"]) == ["web"]

        result = sandbox.apply(PlanOptions(targets=("web",)), requests=stop_requests(seen.projected, ["web"]))
        assert result is not None
        assert sandbox.states() == {"db-1": "running", "web-1": "exited"}
        assert sandbox.causes("container_stopped") == ["container_stopped", "action_intended", "service_stop_requested"]
        seen = sandbox.look()
        assert seen.settled
        assert stop_requests(seen.projected, ["web"]) == []
        sandbox.apply(requests=start_requests(seen.projected, ["web"]))
        assert sandbox.states() == {"db-1": "running", "web-1": "running"}

    def test_up_tries_again_what_was_taken_back(self, sandbox: Yard) -> None:
        def block(test: str) -> str:
            check = f"healthcheck: {{test: [CMD, '{test}'], interval: 10ms, timeout: 10ms, retries: 1}}"
            return f"web: {{{SERVE}, update: {{auto_revert: true}}, {check}}}"

        sandbox.write(block("true"))
        sandbox.must_apply()
        sandbox.write(block("false"))
        sandbox.apply()
        seen = sandbox.look()
        assert seen.settled
        assert "was tried and never became healthy" in seen.plan.warnings[0].text
        assert sandbox.look().plan.empty
        with sandbox.session() as session:
            again = look(session, requests=start_requests(seen.projected, ["web"]))
        assert [action.id for action in again.plan.actions] == ["define service/web", "replace service/web/1"]

    def test_which_services_are_not_ready(self, sandbox: Yard) -> None:
        check = "healthcheck: {test: [CMD, 'true'], interval: 10ms, timeout: 10ms, retries: 1}"
        sandbox.write(
            f"web: {{{SERVE}, {check}}}\nplain: {{{SERVE}}}\njob: {{kind: job, image: '{IMAGE}', command: ['true']}}\n"
        )
        sandbox.must_apply()
        seen = sandbox.look()
        everything = ["web", "plain", "job"]
        assert unready(sandbox.runtime, seen.desired, seen.projected, everything) == []
        sandbox.runtime.checks["shop-web-1"] = False  # type: ignore[union-attr]
        assert unready(sandbox.runtime, seen.desired, seen.projected, everything) == ["web"]
        sandbox.runtime.end("shop-web-1", 1)  # type: ignore[union-attr]
        assert unready(sandbox.runtime, seen.desired, seen.projected, everything) == ["web"]
        sandbox.runtime.end("shop-plain-1", 1)  # type: ignore[union-attr]
        after = sandbox.look().projected
        assert unready(sandbox.runtime, seen.desired, after, everything) == ["web", "plain"]

    def test_how_to_reach_a_service(self, sandbox: Yard) -> None:
        sandbox.runtime.images["postgres:16"] = "sha256:pg"  # type: ignore[union-attr]
        sandbox.write(
            f"""
db: {{provider: postgres, command: [serve], user: ada, database: shop, port: 15432, healthcheck: {{test: [CMD, 'true'], interval: 10ms}}}}
web: {{{SERVE}, ports: ["18080:80", "18443:8443/udp"]}}
gone: {{{SERVE}}}
"""
        )
        sandbox.must_apply()
        seen = sandbox.look()
        sandbox.runtime.vanish("shop-gone-1")  # type: ignore[union-attr]
        shown = connections(seen.desired, seen.projected, sandbox.runtime, ["db", "web", "gone"])
        assert [(one.service, one.container, one.addresses) for one in shown] == [
            ("db", "fleettools-pg", ("postgresql://ada@localhost:15432/shop",)),
            ("web", "shop-web-1", ("http://localhost:18080/", "localhost:18443/udp")),
        ]


class TestTakingOver:
    def test_a_container_as_declared(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        theirs = stranger(sandbox, "web")
        with sandbox.session() as session:
            assert candidates(session) == {"web": "web"}
            assert take_over(session, "web", "web") == "web"
            assert candidates(session) == {}
        assert sandbox.types() == ["service_defined", "container_adopted"]
        assert sandbox.plan() == ["rename service/web/1"]
        sandbox.must_apply()
        assert sandbox.runtime.inspect(theirs).container.name == "shop-web-1"
        assert sandbox.plan() == []
        sandbox.write("")
        sandbox.must_apply()
        assert sandbox.runtime.find("shop-web-1") is None

    def test_where_it_differs_from_the_file_is_planned(self, sandbox: Yard) -> None:
        sandbox.runtime.images["other:2"] = "sha256:other"  # type: ignore[union-attr]
        sandbox.write("web: {image: 'other:2', command: [serve], ports: ['18081:80']}")
        stranger(sandbox, "shop-web-1")
        with sandbox.session() as session:
            take_over(session, "web", "shop-web-1")
        seen = sandbox.look()
        replace = next(action for action in seen.plan.actions if action.id == "replace service/web/1")
        assert {change.path for change in replace.reason.changes} == {"image", "ports[0]"}

    def test_it_has_gone_by_the_next_look(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}")
        stranger(sandbox, "shop-web-1")
        with sandbox.session() as session:
            take_over(session, "web", "shop-web-1")
        sandbox.runtime.vanish("shop-web-1")  # type: ignore[union-attr]
        assert [event.event_type for event in sandbox.look().observations] == ["container_vanished"]

    def test_what_cannot_be_taken_over(self, sandbox: Yard) -> None:
        sandbox.write(f"web: {{{SERVE}}}\ndb: {{{SERVE}}}")
        sandbox.must_apply(PlanOptions(targets=("web",)))
        stranger(sandbox, "theirs", **{LABEL_PROJECT: "another", "fleet.fleet": "theirs"})
        stranger(sandbox, "free")
        with sandbox.session() as session:
            for container, service, why in (
                ("theirs", "db", "belongs to the fleet theirs"),
                ("shop-web-1", "db", "is this fleet's already, as service/web"),
                ("free", "web", "has the container shop-web-1 already"),
            ):
                with pytest.raises(ActionFailed, match=why):
                    take_over(session, service, container)
            with pytest.raises(NotFound, match="there is no service nope"):
                take_over(session, "nope", "free")
            with pytest.raises(NotFound):
                take_over(session, "db", "nothing")
            take_over(session, "db", "free")
            with pytest.raises(ActionFailed, match="was adopted already, as service/db"):
                take_over(session, "db", "free", replica=2)
            sandbox.runtime.containers[sandbox.runtime.find("free").container_id].state = "removing"  # type: ignore


class TestPreparing:
    def test_configs_secrets_and_env_files(self, sandbox: Yard) -> None:
        (sandbox.folder / "web.conf").write_text("listen 80")
        (sandbox.folder / "web.env").write_text("A=1\nB=2\n")
        sandbox.environ["PASSWORD"] = "correct horse"
        sandbox.write(
            f"""
web:
  {SERVE.replace(", ", chr(10) + "  ")}
  configs: [{{source: ./web.conf, target: /etc/web.conf}}, {{content: inline, target: /etc/inline}}]
  secrets: [{{source: password, target: /run/password}}]
  environment: {{PASSWORD: {{secret: password}}}}
  env_file: [./web.env]
""",
            more="secrets: {password: {env: PASSWORD}}",
        )
        sandbox.must_apply()
        (container,) = sandbox.runtime.containers.values()  # type: ignore[union-attr]
        assert container.files["/etc/web.conf"] == b"listen 80"
        assert container.files["/etc/inline"] == b"inline"
        assert container.files["/run/password"] == b"correct horse"
        assert container.order.env_file_values == {"A": "1", "B": "2"}
        for change in ("configs", "env", "secret"):
            if change == "configs":
                (sandbox.folder / "web.conf").write_text("listen 81")
            elif change == "env":
                (sandbox.folder / "web.env").write_text("A=1\nB=3\n")
            else:
                sandbox.environ["PASSWORD"] = "battery staple"
            assert sandbox.plan() == ["define service/web", "replace service/web/1"], change
            sandbox.must_apply()
            assert sandbox.plan() == []
        assert len(sandbox.runtime.secrets(sandbox.label)) == 1
        text = b"".join(path.read_bytes() for path in sandbox.data.rglob("*") if path.is_file())
        assert b"correct horse" not in text
        assert b"battery staple" not in text

    def test_the_engines_words_about_a_secret_are_masked(self, sandbox: Yard) -> None:
        sandbox.environ["PASSWORD"] = "correct horse"
        sandbox.write(
            f"web: {{{SERVE}, environment: {{P: {{secret: password}}}}}}", more="secrets: {password: {env: PASSWORD}}"
        )
        sandbox.runtime.fail("start", error=ActionFailed("cannot start with P=correct horse"))  # type: ignore[union-attr]
        result = sandbox.apply()
        assert result is not None
        assert result.failures[0].why == "cannot start with P=***"
        assert [event.data["error"] for event in sandbox.events(EventQuery(types=("action_failed",)))] == [
            "cannot start with P=***"
        ]

    def test_everything_that_stands_in_the_way_is_told_together(self, sandbox: Yard) -> None:
        (sandbox.folder / "conf").write_text("one")
        (sandbox.folder / "mount").mkdir()
        (sandbox.folder / "web.env").write_text("A=1")
        sandbox.environ["PASSWORD"] = "x1y2z3"
        sandbox.runtime.images.clear()  # type: ignore[union-attr]
        with socket.socket() as holder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            datagrams.bind(("127.0.0.1", 0))
            tcp, udp = holder.getsockname()[1], datagrams.getsockname()[1]
            sandbox.write(
                f"""
web:
  image: '{IMAGE}'
  pull: never
  command: [serve]
  ports: ["127.0.0.1:{tcp}:80", "127.0.0.1:{udp}:53/udp"]
  volumes: ["./mount:/mount"]
  environment: {{P: {{secret: password}}}}
  env_file: [./web.env]
  configs: [{{source: ./conf, target: /conf}}]
fine: {{image: 'fine:1', pull: never, command: [serve]}}
""",
                more="secrets: {password: {env: PASSWORD}}",
            )
            sandbox.runtime.images["fine:1"] = "sha256:fine"  # type: ignore[union-attr]
            stranger_of = ContainerOrder(ServiceSpec(name="x", image="fine:1"), "shop-web-1", "fine:1", labels={})
            sandbox.runtime.create(stranger_of)
            with sandbox.session() as session:
                seen = look(session)
                (sandbox.folder / "conf").unlink()
                (sandbox.folder / "mount").rmdir()
                told: list[str] = []

                from reconciler.apply.report import Silent

                class Listening(Silent):
                    def on_problems(self, problems: Any) -> None:
                        told.extend(problems)

                from reconciler.apply.executor import apply as carry_out

                store = session.writable()
                with store.lease("a test") as lease:
                    result = carry_out(
                        seen.plan,
                        seen.desired,
                        store=store,
                        runtime=session.runtime,
                        lease=lease,
                        cause=session.cause,
                        project=session.directory,
                        environ={},
                        reporter=Listening(),
                    )
        assert result.status == "failed"
        words = " | ".join(told)
        for expected in (
            "the secret password has no value: the environment variable PASSWORD is not set",
            f"the config {sandbox.folder / 'conf'} cannot be read",
            f"the mount {sandbox.folder / 'mount'} of service/web does not exist",
            f"port {tcp} of service/web is in use on this machine",
            f"port {udp} of service/web is in use on this machine",
            "the name shop-web-1 is taken by a container that is not this fleet's",
        ):
            assert expected in words
        assert sandbox.states() == {"fine-1": "running"}, result.failures

    def test_a_config_that_is_edited_while_it_is_applied(self, sandbox: Yard) -> None:
        (sandbox.folder / "conf").write_text("one")
        sandbox.write(f"web: {{{SERVE}, configs: [{{source: ./conf, target: /conf}}]}}")
        create = sandbox.runtime.create

        def editing(order: Any) -> str:
            (sandbox.folder / "conf").write_text("two")
            return create(order)

        sandbox.runtime.create = editing  # type: ignore[method-assign]
        result = sandbox.apply()
        assert result is not None
        assert "was edited after the plan was made" in result.failures[0].why
        sandbox.runtime.create = create  # type: ignore[method-assign]
        sandbox.must_apply()
        assert next(iter(sandbox.runtime.containers.values())).files["/conf"] == b"two"  # type: ignore[union-attr]
        assert sandbox.plan() == []

    def test_a_port_that_passes_from_one_service_to_another_is_no_obstacle(self, sandbox: Yard, free_port: int) -> None:
        sandbox.write(f"a: {{{SERVE}, ports: ['127.0.0.1:{free_port}:80']}}\nb: {{{SERVE}}}")
        sandbox.must_apply()
        with socket.socket() as holder:
            # As the engine would for the container that runs.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", free_port))
            holder.listen()
            sandbox.write(f"a: {{{SERVE}}}\nb: {{{SERVE}, ports: ['127.0.0.1:{free_port}:80']}}")
            sandbox.must_apply()
        assert sandbox.plan() == []


def test_a_session_closes_what_it_opened(sandbox: Yard) -> None:
    sandbox.write(f"web: {{{SERVE}}}")
    with sandbox.session() as session:
        assert session.store is None
        store = session.writable()
        assert session.writable() is store
        assert session.store is store
    session.close()
    assert oct(os.stat(sandbox.database).st_mode & 0o777) == "0o600"
    assert oct(os.stat(sandbox.database.parent).st_mode & 0o777) == "0o700"
    assert Path(sandbox.database.parent / "secrets.key").exists()

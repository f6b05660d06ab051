"""Every state of the file is a revision: wrong ones are recorded once, and one that was rolled back stays rolled back."""

from __future__ import annotations

import json

import pytest

from reconciler.control.cycle import converge
from reconciler.control.look import look
from reconciler.control.rejected import record_rejection
from reconciler.control.rollback import must_be_possible, reverting
from reconciler.control.survey import survey
from reconciler.control.suspending import suspend
from reconciler.errors import FleetError, NotFound, SpecInvalid
from reconciler.ops.history import history
from reconciler.projections.store import open_store
from tests.integration.apply.yard import YES, Yard
from tests.support.simulated import IMAGE


def web(level: str) -> str:
    return f"web: {{image: '{IMAGE}', command: [serve], environment: {{LEVEL: {level}}}}}"


def roll_back(yard: Yard, to: int = 0) -> None:
    with yard.session() as session:
        event = reverting(session, to, why="it leaks")
        converge(session, requests=[event], confirm=lambda _: YES, purpose="rollback")


def level(yard: Yard) -> str:
    with open_store(yard.database, mode="read") as store:
        projected = store.projected()
        (container,) = projected.containers["web"]
        return str(projected.definitions[container.digest]["environment"]["LEVEL"])


def results(yard: Yard) -> dict[int, str]:
    with open_store(yard.database, mode="read") as store:
        found = history(store.rows(), writing=False)
    return {one.revision: one.result for one in found if one.kind == "revision"}


@pytest.fixture
def two(sandbox: Yard) -> Yard:
    """Revision 1 said `one`; revision 2, which the file still says, `two`."""
    for text in ("one", "two"):
        sandbox.write(web(text))
        sandbox.must_apply()
    return sandbox


class TestRejected:
    def test_once_for_each_content_and_never_without_a_log(self, sandbox: Yard) -> None:
        def rejected(services: str) -> int:
            sandbox.write(services)
            with sandbox.session() as session:
                with pytest.raises(SpecInvalid) as raised:
                    look(session)
                return record_rejection(session, raised.value)

        assert rejected("web: {imag: x}") == 0
        assert not sandbox.data.exists()
        sandbox.write(web("one"))
        sandbox.must_apply()
        assert [rejected("web: {imag: x}"), rejected("web: {imag: x}")] == [2, 2]
        assert rejected("web: {imago: x}") == 3
        assert rejected("web: {imag: x}") == 2
        assert results(sandbox) == {1: "accepted", 2: "rejected", 3: "rejected"}
        sandbox.write(web("two"))
        sandbox.must_apply()
        assert results(sandbox)[4] == "accepted"

    def test_what_looks_like_a_secret_is_covered(self, sandbox: Yard) -> None:
        sandbox.write(web("one"))
        sandbox.must_apply()
        sandbox.write("web: {image: 'http://ada:hunter2@x', ports: ['http://ada:hunter2@x']}")
        with sandbox.session() as session:
            with pytest.raises(SpecInvalid) as raised:
                look(session)
            assert record_rejection(session, raised.value) == 2
        assert b"hunter2" not in sandbox.database.read_bytes()

    def test_a_log_that_cannot_be_written_hides_nothing(self, sandbox: Yard) -> None:
        sandbox.data.mkdir(parents=True)
        with sandbox.session() as session:
            session.database.parent.mkdir(parents=True)
            session.database.write_bytes(b"this is no database, and that is not what the person needs to hear")
            assert record_rejection(session, SpecInvalid([])) == 0

    def test_a_log_without_a_revision_knows_no_fleet_to_number_it_for(self, sandbox: Yard) -> None:
        sandbox.write(web("one"))
        with sandbox.session() as session:
            suspend(session, "", why="before the first apply")
            sandbox.project.file.unlink()
            with pytest.raises(SpecInvalid) as raised:
                look(session)
            assert record_rejection(session, raised.value) == 0

    def test_a_file_that_is_gone(self, sandbox: Yard) -> None:
        sandbox.write(web("one"))
        sandbox.must_apply()
        sandbox.project.file.unlink()
        with sandbox.session() as session:
            with pytest.raises(SpecInvalid) as raised:
                look(session)
            assert [record_rejection(session, raised.value) for _ in range(2)] == [2, 2]


class TestRollback:
    def test_it_stays_rolled_back_until_the_file_really_changes(self, two: Yard) -> None:
        roll_back(two)
        assert level(two) == "one"
        assert results(two) == {1: "accepted", 2: "reverted"}

        head = two.head()
        seen = two.look()
        assert seen.settled
        assert "revision 1 holds until the file is edited" in seen.plan.warnings[0].text
        assert two.apply() is None
        two.project.file.write_text("# only a comment\n" + two.project.file.read_text())
        assert two.apply() is None
        assert two.head() == head
        with two.session() as session:
            assert any("was rolled back" in warning for warning in survey(session).warnings)

        two.write(web("three"))
        two.must_apply()
        assert (level(two), results(two)[3]) == ("three", "accepted")
        # That is an edit, though to what was rolled back once.
        two.write(web("two"))
        two.must_apply()
        assert level(two) == "two"

    def test_what_the_world_does_is_healed_by_the_revision_that_holds(self, two: Yard) -> None:
        roll_back(two)
        two.runtime.vanish("shop-web-1")  # type: ignore[union-attr]
        two.must_apply()
        assert level(two) == "one"

    def test_a_wrong_file_in_between_is_no_change(self, two: Yard) -> None:
        roll_back(two)
        two.write("web: {imag: x}")
        with two.session() as session:
            with pytest.raises(SpecInvalid) as raised:
                look(session)
            assert record_rejection(session, raised.value) == 3
        two.write(web("two"))
        assert two.look().settled

    def test_forward_again(self, two: Yard) -> None:
        roll_back(two)
        roll_back(two, 2)
        assert level(two) == "two"
        assert results(two) == {1: "reverted", 2: "accepted"}
        assert two.look().settled

    def test_why_leads_back_to_the_rollback(self, two: Yard) -> None:
        roll_back(two)
        assert "revision_reverted" in two.causes("container_created")

    def test_revisions_that_cannot_be_gone_back_to(self, sandbox: Yard) -> None:
        with sandbox.session() as session, pytest.raises(NotFound, match="no revision has been accepted"):
            reverting(session)
        sandbox.write(web("one"))
        sandbox.must_apply()
        with sandbox.session() as session:
            for to, text in ((0, "no earlier revision than 1"), (1, "holds already"), (7, "there is no revision 7")):
                with pytest.raises(NotFound, match=text):
                    reverting(session, to)
            record_rejection(session, SpecInvalid([]))
            with pytest.raises(NotFound, match="was rejected"):
                reverting(session, 2)

    def test_a_config_file_that_has_other_content_now(self, sandbox: Yard) -> None:
        config = sandbox.folder / "web.conf"
        for text in ("one", "two"):
            config.write_text(text)
            sandbox.write(f"web: {{image: '{IMAGE}', command: [serve], configs: ['./web.conf:/etc/web.conf']}}")
            sandbox.must_apply()
        with sandbox.session() as session:
            seen = look(session, requests=[reverting(session)])
            with pytest.raises(FleetError, match=r"cannot be made any more: .*web\.conf"):
                must_be_possible(seen)
            config.write_text("one")
            must_be_possible(seen)


def test_the_commands_over_real_podman(yard: Yard) -> None:
    service = "web: {{image: 'localhost/fleet-busybox:1', command: [sleep, '{}'], stop_signal: SIGKILL}}"
    for seconds in ("3600", "3601"):
        yard.write(service.format(seconds))
        yard.must_apply()
    yard.write("web: {imag: x}")
    assert yard.run("apply", check=False).returncode == 3
    assert yard.run("apply", check=False).returncode == 3
    assert yard.types().count("revision_rejected") == 1
    told = yard.run("history").stdout
    assert "rejected" in told
    assert "fleet.yaml:5" in told

    yard.write(service.format("3601"))
    refused = yard.run("rollback", check=False)
    assert (refused.returncode, "1 to replace" in refused.stdout) == (7, True)
    said = yard.run("rollback", "1", "--why", "it leaks", "--yes")
    assert "Revision 1 holds; 2 is not taken up again" in said.stdout
    assert "reverted" in yard.run("history").stdout
    assert "Nothing to do" in yard.run("apply").stdout
    assert "was rolled back" in yard.run("plan").stdout
    lines = [json.loads(line) for line in yard.run("rollback", "--to", "2", "--yes", "--json").stdout.splitlines()]
    assert lines[0]["to_revision"] == 2
    assert lines[-1]["status"] == "succeeded"
    assert yard.run("rollback", "1", "--to", "2", check=False).returncode == 1
    assert yard.run("verify", check=False).returncode == 0

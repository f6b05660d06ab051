"""What a person says counts for the loop, too: over real Podman, with a watcher of its own process."""

from __future__ import annotations

from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, STAYS, Watching, kill_inside, until

FREEZE = "freeze: [{start: '0 0 * * *', duration: 25h, why: the fair}]"


def web(level: str) -> str:
    inside = "\n".join(f"  {line}" for line in STAYS.splitlines())
    return f"web:\n  image: localhost/fleet-busybox:1\n{inside}\n  environment: {{LEVEL: '{level}'}}"


def turns(yard: Yard, watching: Watching) -> None:
    """Several turns go by: something that needs one is done, twice."""
    for _ in range(2):
        before = yard.containers()[f"{yard.name}-web-1"].started_at, yard.head()
        kill_inside(yard, "web-1")
        until(lambda before=before: yard.head() > before[1] and yard.states()["web-1"] == "running", watching.told())


def test_a_rollback_stays_rolled_back_until_the_file_changes(yard: Yard) -> None:
    yard.write(web("one"), more=QUICK)
    with Watching(yard) as watching:
        until(lambda: yard.database.exists() and yard.states() == {"web-1": "running"}, watching.told())
        yard.write(web("two"), more=QUICK)
        until(lambda: "revision_accepted" in yard.types()[3:], "the edit was not taken up")
        until(lambda: yard.types().count("apply_completed") == 2, "the edit was not carried out")
        yard.run("rollback", "--yes", "--wait-lease", "30s")
        rolled_back = yard.head()
        turns(yard, watching)
        assert "revision_accepted" not in yard.types(after=rolled_back)
        yard.write(web("three"), more=QUICK)
        until(lambda: "revision_accepted" in yard.types(after=rolled_back), "the edit was not taken up")
    assert yard.run("verify", check=False).returncode == 0


def test_a_suspended_resource_stays_alone(yard: Yard) -> None:
    services = web("one") + "\n" + web("one").replace("web:", "api:", 1)
    yard.write(services, more=QUICK)
    with Watching(yard) as watching:
        until(lambda: yard.database.exists() and len(yard.states()) == 2, watching.told())
        until(lambda: "apply_completed" in yard.types(), watching.told())
        yard.run("suspend", "api", "--why", "a leak")
        kill_inside(yard, "api-1")
        until(lambda: "container_exited" in yard.types(), "nobody saw it end")
        turns(yard, watching)
        assert yard.states()["api-1"] == "exited"
        yard.run("resume", "api")
        until(lambda: yard.states()["api-1"] == "running", "it was not looked after again")


def test_one_wrong_file_is_one_rejected_revision_whoever_reads_it(yard: Yard) -> None:
    yard.write(web("one"), more=QUICK)
    with Watching(yard) as watching:
        until(lambda: yard.database.exists() and "apply_completed" in yard.types(), watching.told())
        yard.write("web: {imag: x}", more=QUICK)
        until(lambda: "revision_rejected" in yard.types(), "it was not rejected")
        assert yard.run("apply", check=False).returncode == 3
    assert yard.types().count("revision_rejected") == 1


def test_a_frozen_fleet_heals_and_takes_up_no_edit(yard: Yard) -> None:
    frozen = QUICK.replace("}", f", {FREEZE}}}")
    yard.write(web("one"), more=frozen)
    yard.run("apply", "--override-freeze")
    yard.write(web("two"), more=frozen)
    with Watching(yard) as watching:
        watching.says("frozen until")
        turns(yard, watching)
    assert yard.types().count("revision_accepted") == 1

"""Why: the chain from what is back to the edit, told as a story."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.errors import NotFound
from reconciler.events.envelope import Event
from reconciler.ops.why import Story, chain, why
from tests.support.story import Log


@pytest.fixture
def log() -> Log:
    return Log()


def only(stories: tuple[Story, ...]) -> Story:
    (one,) = stories
    return one


def types(story: Story) -> list[str]:
    return [link.event.event_type for link in story.links]


def running(log: Log) -> Event:
    """The story so far: `web` was declared in a commit and runs."""
    defined = log.edit(commit="1a2b3c4d5e6f7a8b", author="Ada")
    return log.create(log.decide("create_container", defined))


FIRST = ["container_started", "container_created", "action_intended", "service_defined", "revision_accepted"]


def test_from_the_container_back_to_the_commit(log: Log) -> None:
    running(log)
    story = only(why(log, "service/web"))
    assert types(story) == FIRST
    assert story.summary == ("service/web/1: create container because new in the file (ada, cli, commit 1a2b3c4d5e6f)")
    assert story.changes == ()


def test_the_changed_fields_are_those_of_the_decision(log: Log) -> None:
    running(log)
    change = {"path": "image", "old": "localhost/web:1", "new": "localhost/web:2"}
    intent = log.decide("replace_container", log.edit(2), text="image changed", changes=[change])
    log.see("container_vanished")
    log.create(intent, container="c2")
    story = only(why(log, "web"))
    assert story.changes == (change,)
    assert story.summary.startswith("service/web/1: replace container because image changed")
    assert story.links[2].text == "replace container service/web/1 was decided: image changed [image]"


def test_a_verdict_of_the_health_check_is_not_the_end_of_the_story(log: Log) -> None:
    running(log)
    log.see("container_health_changed", health="healthy")
    story = only(why(log, "web"))
    assert types(story) == ["container_health_changed", *FIRST]
    assert "create container because new in the file" in story.summary


def test_what_happened_from_outside_is_the_answer_and_the_rest_its_background(log: Log) -> None:
    running(log)
    log.see("container_exited", exit_code=137)
    story = only(why(log, "web"))
    assert types(story) == ["container_exited", *FIRST]
    assert story.summary.startswith("service/web/1: container web/1 exited with code 137; Fleet did not do it")
    assert story.summary.endswith("(seen by fleet, cli)")


def test_a_container_that_was_healed_leads_back_to_what_befell_the_one_before(log: Log) -> None:
    running(log)
    gone = log.see("container_vanished")
    log.create(log.decide("create_container", gone, text="it is gone and Fleet did not remove it"), container="c2")
    story = only(why(log, "web"))
    assert types(story) == ["container_started", "container_created", "action_intended", "container_vanished"]
    assert "because it is gone and Fleet did not remove it (seen by fleet, cli)" in story.summary


def test_a_failure_that_nothing_put_right_comes_first(log: Log) -> None:
    running(log)
    intent = log.decide("replace_container", log.edit(2), text="image changed")
    failed = {
        "action": "replace_container",
        "resource": "service/web",
        "replica": 1,
        "intent_id": f"evt_{intent.event_id.hex}",
        "error": "no such image",
        "apply_id": "apply_1",
    }
    log.record("action_failed", "service/web", failed, after=intent)
    log.see("container_health_changed", health="healthy")
    story = only(why(log, "web"))
    # The verdict is newer than the failure, but says nothing about it.
    assert types(story)[0] == "container_health_changed"
    log.record("action_failed", "service/web", failed, after=intent)
    story = only(why(log, "web"))
    assert types(story) == ["action_failed", "action_intended", "service_defined", "revision_accepted"]
    assert "replace container because image changed, but no such image" in story.summary


def test_a_failure_that_was_put_right_is_past(log: Log) -> None:
    start = running(log)
    data = {"service": "web", "replica": 1, "failures": 2, "delay_ms": 20_000, "until": 1}
    log.record("backoff_started", "service/web", data, after=start)
    assert types(only(why(log, "web")))[0] == "backoff_started"
    log.see("container_started", external=False)
    assert types(only(why(log, "web")))[0] == "container_started"


def test_each_replica_has_its_story_and_one_can_be_named(log: Log) -> None:
    defined = log.edit()
    for replica in (1, 2):
        log.create(log.decide("create_container", defined, replica=replica), replica=replica, container=f"c{replica}")
    assert [story.resource for story in why(log, "web")] == ["service/web/1", "service/web/2"]
    assert only(why(log, "web/2")).resource == "service/web/2"
    assert only(why(log, "service/web/2")).resource == "service/web/2"


def test_a_service_without_containers_tells_its_last_event(log: Log) -> None:
    log.edit()
    log.record("service_stop_requested", "service/web", {"service": "web"}, actor="bob")
    story = only(why(log, "web"))
    assert story.summary == "service/web: service/web was asked to stop (bob, cli)"


def test_a_replica_that_was_never_made_tells_what_failed(log: Log) -> None:
    intent = log.decide("create_container", log.edit(), replica=2)
    data = {"action": "create_container", "resource": "service/web", "replica": 2, "because": "postgres failed",
            "apply_id": "apply_1"}  # fmt: skip
    log.record("action_skipped", "service/web", data, after=intent)
    assert "but postgres failed" in only(why(log, "web/2")).summary
    with pytest.raises(NotFound):
        why(log, "web/3")


def test_networks_volumes_and_images(log: Log) -> None:
    accepted = log.edit()
    log.record("network_created", "fleet/shop", {"network": "default", "engine_name": "shop-default"}, after=accepted)
    log.record("image_pulled", "fleet/shop", {"image": "localhost/web:1", "image_id": "sha256:1"})
    assert types(only(why(log, "network/default"))) == ["network_created", "service_defined", "revision_accepted"]
    assert only(why(log, "network/shop-default")).resource == "network/default"
    assert only(why(log, "default")).resource == "network/default"
    assert only(why(log, "image/localhost/web:1")).resource == "image/localhost/web:1"
    with pytest.raises(NotFound, match="nothing of volume/data"):
        why(log, "volume/data")


def test_a_bare_name_that_means_two_things(log: Log) -> None:
    log.edit()
    log.record("network_created", "fleet/shop", {"network": "web", "engine_name": "shop-web"})
    with pytest.raises(NotFound, match="more than one") as raised:
        why(log, "web")
    assert raised.value.hint == "say which: service/web, network/web"


def test_other_streams_tell_their_last_event(log: Log) -> None:
    log.edit()
    assert only(why(log, "fleet/shop")).summary.startswith("fleet/shop: revision 1")


def test_an_unknown_resource_lists_what_there_is(log: Log) -> None:
    with pytest.raises(NotFound, match="service/db") as raised:
        why(log, "db")
    assert raised.value.hint == "nothing has been applied yet: fleet apply"
    log.edit()
    with pytest.raises(NotFound) as raised:
        why(log, "db")
    assert raised.value.hint == "known: service/web"


def test_a_chain_that_was_tampered_with_into_a_circle_ends(log: Log) -> None:
    start = running(log)
    root = log.recorded[0]
    log.recorded[0] = replace(root, causation_id=start.event_id)
    assert len(list(chain(log, start))) == 5

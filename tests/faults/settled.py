"""Fleets that crash tests make, replace and take away, and what must hold when the next apply is over."""

from __future__ import annotations

from reconciler.ops.verify import verify
from reconciler.projections.store import EventQuery, open_store
from tests.integration.apply.yard import Yard
from tests.support.podman import BUSYBOX

SLEEPER = f"image: {BUSYBOX}, command: [sleep, '3600'], stop_signal: SIGKILL"
HEALTHY = "healthcheck: {test: [CMD, 'true'], interval: 200ms, timeout: 2s, retries: 5}"

ONE = f"""
db: {{{SLEEPER}, {HEALTHY}, volumes: ['data:/data'], secrets: [{{source: p, target: /run/p}}]}}
web: {{{SLEEPER}, configs: [{{source: ./conf, target: /etc/conf}}], depends_on: {{db: healthy}}}}
"""
TWO = f"""
db: {{{SLEEPER}, {HEALTHY}, volumes: ['data:/data'], environment: {{A: b}}, update: {{auto_revert: true}}}}
web: {{{SLEEPER}, configs: [{{source: ./conf, target: /etc/conf}}], environment: {{A: b}}, update: {{order: start-first}}}}
"""
MORE = "volumes: {data: {}}\nsecrets: {p: {env: P}}"


def settle(yard: Yard, parallel: int) -> None:
    """The next apply; and one more for as long as what other threads had asked of the engine still comes to pass."""
    yard.apply()
    for _ in range(5 if parallel > 1 else 0):
        head = yard.head()
        yard.apply()
        if yard.head() == head:
            return


def check(yard: Yard, wanted: str, told: str) -> None:
    """It is as declared, nothing is there twice, another apply does nothing, and the log is sound."""
    names = {"db-1": "running", "web-1": "running"} if wanted else {}
    assert yard.states() == names, told
    assert len(yard.runtime.observe(yard.label).containers) == len(names), told
    assert yard.plan() == [], told
    head = yard.head()
    assert yard.apply() is None, told
    assert [(one.event_type, one.data) for one in yard.events(EventQuery(after=head))] == [], told
    if wanted:
        assert yard.runtime.exec(f"{yard.name}-web-1", ("cat", "/etc/conf")) == (0, b"content"), told
    with open_store(yard.database, mode="read") as store:
        recorded = {(one.container_id, one.name) for one in store.projected().all_containers()}
    assert recorded == {(one.container_id, one.name) for one in yard.containers().values()}, told
    report = verify(yard.database)
    assert report.sound, (told, report.faults)

"""The reconciler as a whole against a world that somebody else changes, that dies on it, lies to it and falls silent.

File, look, plan, apply, log and its database are the real ones; the engine is simulated. When the world stops changing it
converges; what it does not own it never touches; it keeps within max_unavailable; it never acts on an unknown.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reconciler.errors import ActionFailed, RuntimeUnreachable
from reconciler.ops.verify import verify
from reconciler.runtime.model import LABEL_PROJECT, LABEL_RESOURCE, ContainerOrder, Observed
from reconciler.spec.desired import ServiceSpec
from tests.faults.conftest import FULL
from tests.integration.apply.yard import Yard
from tests.support.simulated import IMAGE, Crashed, Fault, SimulatedRuntime

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of the test's own in it
NAMES = ("a", "b", "c")
LOOKS = frozenset({"observe", "inspect", "find", "image_id", "networks", "volumes", "secrets", "run_healthcheck"})
LOOKS |= {"network_exists", "volume_exists", "network_users"}
VERBS = ("observe", "inspect", "image_id", "create", "start", "stop", "remove", "rename", "run_healthcheck")
FAULT = (
    st.sampled_from(VERBS),
    st.integers(1, 3),
    st.sampled_from(["before", "after"]),
    st.sampled_from([RuntimeUnreachable, ActionFailed, Crashed]),
)


class World(SimulatedRuntime):
    """The engine, which remembers how few of a service ever ran, when it fell silent, and what a list once showed.

    Attributes:
        lowest: by service, the least number that ran since it was cleared.
        silent_at: how many calls there were when it did not answer for the first time.
        stale: what a list shows, instead of what there is.
    """

    def __init__(self) -> None:
        super().__init__(now=int(time.time()))
        self.lowest: dict[str, int] = {}
        self.silent_at: int | None = None
        self.stale: Observed | None = None

    def running(self) -> Counter[str]:
        """How many run of each service."""
        return Counter(
            one.order.labels.get(LABEL_RESOURCE, "") for one in self.containers.values() if one.state == "running"
        )

    def observe(self, project: str) -> Observed:
        now = super().observe(project)
        return self.stale if self.stale is not None else now

    def leave(self, verb: str) -> None:
        running = self.running()
        self.lowest = {name: min(least, running[name]) for name, least in self.lowest.items()}
        super().leave(verb)

    def _strike(self, verb: str, when: Any) -> None:
        try:
            super()._strike(verb, when)
        except RuntimeUnreachable:
            self.silent_at = self.silent_at or len(self.calls)
            raise

    def once(self, verb: str, nth: int, error: BaseException, when: Literal["before", "after"]) -> None:
        """The nth next call of a verb goes wrong."""
        self._faults.append(Fault(verb, nth, error, when))

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()
        self.silent_at = self.stale = None
        self.calls.clear()


@st.composite
def declared(draw: Any) -> dict[str, dict[str, Any]]:
    """What of each service is in the file; each depends on earlier ones only."""
    found: dict[str, dict[str, Any]] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True).map(sorted)):
        checked = draw(st.booleans())
        found[name] = {
            "image": IMAGE,
            "command": ["serve", draw(st.sampled_from("123"))],
            "replicas": draw(st.integers(1, 4)),
            "update": {
                "order": draw(st.sampled_from(["stop-first", "start-first"])),
                "max_unavailable": draw(st.integers(1, 2)),
            },
            "depends_on": {other: "started" for other in found if draw(st.booleans())},
            "protect": draw(st.sampled_from([False, False, False, True])),
            **({"healthcheck": {"test": ["CMD", "true"], "interval": "2ms", "timeout": "2ms"}} if checked else {}),
        }
    return found


class Reconciler(RuleBasedStateMachine):
    """Edits, people, accidents, faults and deaths in any order, with applies between them."""

    @initialize()
    def begin(self) -> None:
        # What a disk does is not what is tested here, and waiting for it takes nearly all the time.
        self.place = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.patch = pytest.MonkeyPatch()
        folder = Path(self.place.name)
        (folder / "project").mkdir()
        self.patch.setenv("FLEET_DATA_DIR", str(folder / "data"))
        self.world = World()
        self.yard = Yard(folder / "project", folder / "data", "shop", self.world)
        plain = {"image": IMAGE, "command": ["serve", "1"], "replicas": 2, "update": {"max_unavailable": 1}}
        self.wanted: dict[str, dict[str, Any]] = {"a": {**plain, "protect": False}}
        self.strangers: dict[str, Any] = {}
        self.lists: list[Observed] = []
        self.as_declared = False
        self._write()

    def _write(self) -> None:
        self.yard.write(
            "\n".join(
                f"{name}: {one!r}".replace("False", "false").replace("True", "true")
                for name, one in self.wanted.items()
            )
        )

    @rule(wanted=declared())
    def edit(self, wanted: dict[str, dict[str, Any]]) -> None:
        self.wanted = wanted
        self._write()

    @rule(command=st.sampled_from("456"))
    def roll_out(self, command: str) -> None:
        """Everything is as declared, and then another command is."""
        self.apply()
        self._want_command(command)
        self.apply()

    def _want_command(self, command: str) -> None:
        self.wanted = {name: {**one, "command": ["serve", command]} for name, one in self.wanted.items()}
        self._write()

    @rule(name=st.sampled_from(["shop-x-1", "stranger"]), owner=st.sampled_from(["", "another"]))
    def stranger_appears(self, name: str, owner: str) -> None:
        if any(one.name == name for one in self.world.containers.values()):
            return
        labels = {LABEL_PROJECT: owner, LABEL_RESOURCE: "service/a"} if owner else {}
        made = self.world.create(
            ContainerOrder(ServiceSpec(name="x", image=IMAGE, command=("serve",)), name, IMAGE, labels)
        )
        self.world.start(made)
        self.strangers[made] = copy.deepcopy(self.world.containers[made])

    @rule(which=st.integers(0, 9), deed=st.sampled_from(["vanish", "end", "pause", "rename"]))
    def accident(self, which: int, deed: str) -> None:
        ours = sorted(one.name for identity, one in self.world.containers.items() if identity not in self.strangers)
        if not ours:
            return
        name = ours[which % len(ours)]
        running = self.world._named(name).state == "running"
        self.world.now += 1
        self.as_declared = False
        match deed:
            case "vanish":
                self.world.vanish(name)
            case "end" if running:
                self.world.end(name, 1)
            case "pause" if running:
                self.world.pause(name)
            case "rename" if f"{name}-renamed" not in {one.name for one in self.world.containers.values()}:
                self.world.rename(name, f"{name}-renamed")

    @rule(faults=st.lists(st.tuples(*FAULT), min_size=4, max_size=8), commands=st.permutations("789"))
    def things_go_wrong(self, faults: list[tuple[str, int, Any, type[BaseException]]], commands: list[str]) -> None:
        """Whatever it is: where the engine fell silent, nothing more is begun, however much there is to do."""
        for number, (verb, nth, when, error) in enumerate(faults):
            self._want_command(commands[number % 3])
            self.world.heal()
            self.as_declared = False
            self.world.once(verb, nth, error("it was told to"), when)
            with suppress(RuntimeUnreachable, ActionFailed, Crashed):
                self.yard.apply(parallel=1)
            if self.world.silent_at is not None:
                begun = [call for call in self.world.calls[self.world.silent_at :] if call.split()[0] not in LOOKS]
                assert begun == [], (verb, nth, when)
        self.world.heal()

    @rule(back=st.integers(1, 5))
    def a_list_is_stale(self, back: int) -> None:
        if len(self.lists) < back:
            return
        self.world.stale = self.lists[-back]
        self.as_declared = False
        self.yard.apply(parallel=1)
        self.world.heal()

    @rule()
    def apply(self) -> None:
        self.world.heal()
        self.lists.append(self.world.observe(self.yard.label))
        before = self.world.running()
        self.world.lowest = dict(before)
        result = self.yard.apply(parallel=4)
        assert result is None or result.succeeded, result.failures
        assert self.yard.plan() == []
        if self.as_declared:
            self._was_available(before)
        self.as_declared = True
        running = self.world.running()
        for name, one in self.wanted.items():
            strangers = sum(
                each.order.labels.get(LABEL_RESOURCE) == f"service/{name}" for each in self.strangers.values()
            )
            assert running[f"service/{name}"] - strangers == one["replicas"] or one["protect"]

    def _was_available(self, before: Counter[str]) -> None:
        for name, one in self.wanted.items():
            stay = min(before[f"service/{name}"], one["replicas"])
            least = self.world.lowest.get(f"service/{name}", 0)
            assert least >= stay - one["update"]["max_unavailable"], (name, before, self.world.lowest)

    @invariant()
    def strangers_are_as_they_were(self) -> None:
        for identity, before in getattr(self, "strangers", {}).items():
            assert self.world.containers[identity] == before

    def teardown(self) -> None:
        """The world has stopped changing: it converges, and the log is sound."""
        if not hasattr(self, "yard"):
            return
        self.apply()
        assert self.yard.apply() is None
        if self.yard.database.exists():
            report = verify(self.yard.database)
            assert report.sound, report.faults
        self.patch.undo()
        self.place.cleanup()


Reconciler.TestCase.settings = settings(max_examples=100 if FULL else 12, stateful_step_count=12, deadline=None)
TestReconciler = pytest.mark.timeout(1_800)(Reconciler.TestCase)

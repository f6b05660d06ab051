"""Every way of saving a file comes to one reconcile of what was saved last; what is wrong leaves the last good one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.events.envelope import Event
from reconciler.events.store.query import EventQuery
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import STAYS, Watching, until, write_at_once

IMAGE = "localhost/fleet-busybox:1"
QUIET = "reconcile: {interval: 1h, debounce: 150ms}"
BODY = f"  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n"))


def _text(yard: Yard, label: str) -> str:
    """The fleet file with one label that tells versions of it apart."""
    block = f"web:\n{BODY}  labels: {{version: '{label}'}}\n"
    lines = "".join(f"  {line}\n" for line in block.splitlines())
    return f"version: 1\nname: {yard.name}\n{QUIET}\nservices:\n{lines}"


def _in_place(file: Path, text: str) -> None:
    with file.open("r+") as opened:
        opened.write(text)
        opened.truncate()


def _truncate_then_write(file: Path, text: str) -> None:
    file.write_text("")
    time.sleep(0.05)
    file.write_text(text)


def _in_halves(file: Path, text: str) -> None:
    with file.open("w") as opened:
        opened.write(text[: len(text) // 2])
        opened.flush()
        time.sleep(0.05)
        opened.write(text[len(text) // 2 :])


def _as_vim_does(file: Path, text: str) -> None:
    backup = file.with_name(file.name + "~")
    file.rename(backup)
    file.write_text(text)
    backup.unlink()


def _by_rename(file: Path, text: str) -> None:
    write_at_once(file, text)


def _deleted_and_made_again(file: Path, text: str) -> None:
    file.unlink()
    time.sleep(0.05)
    file.write_text(text)


def _with_temporary_files(file: Path, text: str) -> None:
    swap, number = file.with_name(f".{file.name}.swp"), file.with_name("4913")
    swap.write_text("swap")
    number.write_text("")
    number.unlink()
    file.write_text(text)
    swap.unlink()


def _a_hundred_times_in_a_second(file: Path, text: str) -> None:
    for number in range(100):
        file.write_text(text.replace("version: 'new'", f"version: 'save {number}'"))
        time.sleep(0.01)
    file.write_text(text)


WAYS: tuple[Callable[[Path, str], None], ...] = (
    _in_place,
    _truncate_then_write,
    _in_halves,
    _as_vim_does,
    _by_rename,
    _deleted_and_made_again,
    _with_temporary_files,
    _a_hundred_times_in_a_second,
)


def _revisions(yard: Yard, after: int = 0) -> list[Event]:
    return yard.events(EventQuery(types=("revision_accepted", "revision_rejected"), after=after))


def _version(event: Event) -> str:
    version: str = event.data["document"]["services"]["web"]["labels"]["version"]
    return version


def _one_reconcile(yard: Yard, watching: Watching, head: int) -> None:
    """Exactly one revision follows, and it is the one that was saved last."""
    until(lambda: "apply_completed" in yard.types(after=head), watching.told())
    seen = len(watching.lines)
    until(lambda: yard.plan() == [], watching.told())
    assert [_version(one) for one in _revisions(yard, head)] == ["new"], watching.told()
    assert yard.types(after=head).count("apply_started") == 1
    assert len(watching.lines) == seen or watching.lines[-1]["event"].startswith("apply")


@pytest.mark.parametrize("polling", [False, True], ids=["notices", "polling"])
@pytest.mark.parametrize("save", WAYS, ids=lambda way: way.__name__.strip("_"))
def test_one_reconcile_of_the_final_content(yard: Yard, save: Callable[[Path, str], None], polling: bool) -> None:
    file = yard.project.file
    file.write_text(_text(yard, "old"))
    with Watching(yard, *(["--polling"] if polling else [])) as watching:
        watching.says("apply succeeded")
        head = yard.head()
        save(file, _text(yard, "new"))
        _one_reconcile(yard, watching, head)


def test_a_link_that_is_turned_to_another_file(yard: Yard) -> None:
    for name in ("old", "new"):
        (yard.folder / name).mkdir()
        (yard.folder / name / "fleet.yaml").write_text(_text(yard, name))
    (yard.folder / "current").symlink_to("old")
    yard.project.file.symlink_to("current/fleet.yaml")
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        head = yard.head()
        beside = yard.folder / "beside"
        beside.symlink_to("new")
        os.replace(beside, yard.folder / "current")
        _one_reconcile(yard, watching, head)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("", ""),
        (", line 6", "version: 1\nname: shop\nservices:\n  web:\n    image: [\n"),
        (", line 4", "version: 1\nname: shop\nservices:\n  web:\n    imag: x\n"),
    ],
    ids=["empty", "half-written", "wrong"],
)
def test_a_wrong_file_is_rejected_once_and_the_last_good_revision_holds(yard: Yard, line: str, text: str) -> None:
    file = yard.project.file
    good = _text(yard, "old").replace("interval: 1h", "interval: 1s")
    file.write_text(good)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        head = yard.head()
        file.write_text(text)
        said = watching.says(f"rejected revision 2{line}")
        assert said["level"] == "error"
        # The last good revision is not only remembered: it is what is healed to.
        container = next(iter(yard.containers().values()))
        yard.runtime.stop(container.container_id, 0)
        until(lambda: "container_started" in yard.types(after=head), watching.told())
        file.write_text(good)
        file.write_text(text)
        started = time.monotonic()
        until(lambda: time.monotonic() - started > 2, "")
        assert [one.event_type for one in _revisions(yard, head)] == ["revision_rejected"], watching.told()
        file.write_text(_text(yard, "new"))
        until(lambda: len(_revisions(yard, head)) == 2, watching.told())
    assert [one.data["revision"] for one in _revisions(yard, head)] == [2, 3]


def test_a_missing_file_is_rejected_too(yard: Yard) -> None:
    file = yard.project.file
    file.write_text(_text(yard, "old"))
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        head = yard.head()
        file.unlink()
        watching.says("rejected revision 2")
        file.write_text(_text(yard, "new"))
        until(lambda: "apply_completed" in yard.types(after=head), watching.told())


def test_a_wrong_first_file_is_waited_for(yard: Yard) -> None:
    yard.project.file.write_text("services: ]")
    with Watching(yard) as watching:
        watching.says("rejected revision 1, line 1")
        yard.project.file.write_text(_text(yard, "new"))
        watching.says("apply succeeded")


def test_what_the_file_includes_and_reads_is_watched_too(yard: Yard) -> None:
    (yard.folder / "web.env").write_text("COLOUR=red\n")
    (yard.folder / "web.conf").write_text("one\n")
    (yard.folder / "more.yaml").write_text(f"services:\n  more:\n    image: {IMAGE}\n    command: [sleep, '1000']\n")
    files = "  env_file: web.env\n  configs: [{source: web.conf, target: /web.conf}]\n"
    yard.write(f"web:\n{BODY}{files}", more=f"{QUIET}\ninclude: [more.yaml]")
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        for name, text in (
            ("web.env", "COLOUR=blue\n"),
            ("web.conf", "two\n"),
            ("more.yaml", f"services:\n  more:\n    image: {IMAGE}\n    command: [sleep, '2000']\n"),
        ):
            head = yard.head()
            (yard.folder / name).write_text(text)
            until(lambda head=head: "apply_completed" in yard.types(after=head), f"{name}\n{watching.told()}")


def test_a_file_that_drops_much_waits_for_a_yes_and_the_rest_is_looked_after(yard: Yard) -> None:
    several = "".join(f"s{number}:\n{BODY}" for number in range(4))
    settings = "reconcile: {interval: 1s, debounce: 100ms, max_destroy: 2}"
    yard.write(f"{several}web:\n{BODY}", more=settings)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        head = yard.head()
        yard.write(f"web:\n{BODY}", more=settings)
        said = watching.says("waits for a yes")
        assert said["destroys"] == 4
        yard.runtime.stop(yard.containers()[f"{yard.name}-s1-1"].container_id, 0)
        until(lambda: "container_started" in yard.types(after=head), watching.told())
        assert len(yard.containers()) == 5
        yard.run("apply", "--yes", "--wait-lease", "20s")
        assert list(yard.states()) == ["web-1"]
        until(lambda: yard.plan() == [], watching.told())


def test_a_build_context_is_watched_with_all_that_is_in_it(yard: Yard) -> None:
    context = yard.folder / "image"
    (context / "deep").mkdir(parents=True)
    (context / "Containerfile").write_text(f"FROM {IMAGE}\nCOPY deep/page /page\n")
    (context / "deep" / "page").write_text("one\n")
    built = BODY.replace(f"image: {IMAGE}", "build: {context: image}")
    yard.write(f"web:\n{built}", more=QUIET)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        head = yard.head()
        (context / "deep" / "page").write_text("two\n")
        until(lambda: "apply_completed" in yard.types(after=head), watching.told())
        container = next(iter(yard.containers().values()))
        assert yard.runtime.exec(container.container_id, ("cat", "/page")) == (0, b"two\n")

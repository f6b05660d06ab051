"""Images are built from folders by real Podman, and a registry out of reach is an error with words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.errors import ActionFailed, NotFound
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.client import segment
from reconciler.spec.desired import ServiceSpec
from tests.support.podman import ownership


@pytest.fixture
def reference(podman: Podman, unique_name: str) -> Iterator[str]:
    """The name of an image that is removed at the end."""
    reference = f"localhost/{unique_name}:1"
    yield reference
    with suppress(NotFound):
        podman._client.act("DELETE", f"/images/{segment(reference)}", "clean up", query={"force": True})


def printed(podman: Podman, image: str, name: str, project: str) -> bytes:
    """What the image's own command prints."""
    made = podman.create(ContainerOrder(ServiceSpec("web"), name, image, ownership(project)))
    podman.start(made)
    podman._client.act("POST", f"/containers/{made}/wait", "wait")
    return b"\n".join(line for _, line in podman.logs(made))


def test_a_folder_becomes_an_image(
    podman: Podman, busybox_image: str, reference: str, unique_name: str, project_label: str, tmp_path: Path
) -> None:
    (tmp_path / "Containerfile").write_text(
        f"FROM {busybox_image} AS base\n"
        "ARG WORD=none\n"
        "COPY . /app\n"
        "RUN echo $WORD > /app/word\n"
        'CMD ["sh", "-c", "cd /app; cat word; find . -type f -o -type l | sort; cat link"]\n'
        "FROM base AS other\n"
        'CMD ["echo", "the other stage"]\n'
    )
    (tmp_path / ".containerignore").write_text("*.log\nsecret\n!kept.log\n")
    for name in ("a.txt", "b.log", "kept.log", "secret/key", "sub/deep/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "link").symlink_to("sub/deep/c.txt")
    os.mkfifo(tmp_path / "pipe")
    steps: list[str] = []
    identity = podman.build(reference, str(tmp_path), "", {"WORD": "given"}, "base", steps.append)
    assert podman.image_id(reference) == identity
    assert any("COPY" in step for step in steps)
    lines = printed(podman, reference, unique_name, project_label).decode().splitlines()
    assert lines[0] == "given"
    assert lines[1:-1] == [
        "./.containerignore",
        "./Containerfile",
        "./a.txt",
        "./kept.log",
        "./link",
        "./sub/deep/c.txt",
        "./word",
    ]
    assert lines[-1] == "sub/deep/c.txt"


def test_another_stage_from_instructions_beside_the_context(
    podman: Podman, busybox_image: str, reference: str, unique_name: str, project_label: str, tmp_path: Path
) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "a.txt").write_text("a")
    (tmp_path / "Other").write_text(
        f'FROM {busybox_image} AS one\nCOPY a.txt /\nCMD ["ls", "-A", "/a.txt"]\nFROM one AS two\nRUN exit 1\n'
    )
    podman.build(reference, str(tmp_path / "context"), "../Other", {}, "one")
    assert printed(podman, reference, unique_name, project_label) == b"/a.txt"


def test_a_step_that_fails_is_told_in_its_own_words(
    podman: Podman, busybox_image: str, reference: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {busybox_image}\nRUN exit 9\n")
    with pytest.raises(ActionFailed, match=f"could not build image {reference}: .*exit status 9"):
        podman.build(reference, str(tmp_path), "", {}, "")
    assert podman.image_id(reference) is None


def test_instructions_that_are_not_there(podman: Podman, reference: str, tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match="neither a Containerfile nor a Dockerfile"):
        podman.build(reference, str(tmp_path), "", {}, "")
    with pytest.raises(ActionFailed, match="is not there"):
        podman.build(reference, str(tmp_path / "none"), "", {}, "")


def test_a_file_that_goes_while_it_is_sent(podman: Podman, reference: str, tmp_path: Path) -> None:
    from reconciler.runtime.podman.building import build_context

    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "gone").write_text("x")
    _, archive = build_context(tmp_path, "", "build it")
    (tmp_path / "gone").unlink()
    with pytest.raises(ActionFailed, match="gone cannot be read"):
        list(archive)


def test_a_pull_says_why_it_cannot(podman: Podman) -> None:
    with pytest.raises(ActionFailed, match="could not pull image localhost:1/shop/web:1: .*refused"):
        podman.pull("localhost:1/shop/web:1")


def test_a_reference_that_is_none(podman: Podman) -> None:
    with pytest.raises(ActionFailed, match="could not pull image"):
        podman.pull("Not A Reference")

"""The soak in its shortest form: seconds instead of half an hour, and few containers. `make soak` runs it as it is meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.faults.soak import Soak


def test_a_fleet_stays_as_declared_while_everything_is_killed(
    tmp_path: Path, podman_socket: str, busybox_image: str, unique_name: str, clean_up: Callable[[str], str]
) -> None:
    soak = Soak(
        tmp_path,
        name=unique_name,
        seconds=float(os.environ.get("FLEET_SOAK_SECONDS", "12")),
        containers=3,
        specialists=2,
        engine=podman_socket,
        seed=7,
    )
    clean_up(soak.project)
    try:
        assert soak.run() == []
    finally:
        soak.clean_up()

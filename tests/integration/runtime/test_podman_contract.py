"""Real Podman passes the contract of runtimes."""

from __future__ import annotations

import pytest

from reconciler.runtime.model import ContainerRuntime
from reconciler.runtime.podman import Podman
from tests.support.runtime_contract import ContainerRuntimeContract


class TestPodman(ContainerRuntimeContract):
    @pytest.fixture
    def runtime(self, podman: Podman) -> ContainerRuntime:
        return podman

    @pytest.fixture
    def image(self, busybox_image: str) -> str:
        return busybox_image

    @pytest.fixture
    def project(self, project_label: str) -> str:
        return project_label

"""The fixtures that other tests stand on."""

from __future__ import annotations

from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import NetworkSpec, ServiceSpec, VolumeSpec
from tests.support.podman import ownership, sweep


def test_the_image_runs_a_shell(podman: Podman, busybox_image: str, unique_name: str, project_label: str) -> None:
    service = ServiceSpec(name="web", command=("sleep", "1000"))
    made = podman.create(ContainerOrder(service, unique_name, busybox_image, ownership(project_label)))
    podman.start(made)
    assert podman.exec(made, ("sh", "-c", "echo $((6 * 7))")) == (0, b"42\n")


def test_sweeping_leaves_nothing_of_the_project(
    podman: Podman, busybox_image: str, unique_name: str, project_label: str
) -> None:
    labels = ownership(project_label)
    podman.create_network(NetworkSpec("net", unique_name), labels)
    podman.create_volume(VolumeSpec("data", unique_name), labels)
    podman.put_secret(unique_name, b"x", labels)
    service = ServiceSpec(name="web", command=("sleep", "1000"))
    podman.start(podman.create(ContainerOrder(service, unique_name, busybox_image, labels, networks={unique_name: ()})))
    sweep(podman, project_label)
    left = (podman.observe(project_label).containers, podman.networks(project_label), podman.volumes(project_label))
    assert left == ((), (), ())
    assert podman.secrets(project_label) == ()

"""Services as people ask for them."""

from __future__ import annotations

import pytest

from reconciler.errors import NotFound
from reconciler.ops.service_view import (
    ServiceReplica,
    chosen,
    image_of,
    no_container,
    not_running,
    published,
    service_replicas,
    tag_of,
    version_in,
)
from reconciler.projections.projected import Projected, ProjectedContainer, ProjectedService
from reconciler.runtime.model import ContainerDetails, Observed, ObservedContainer
from reconciler.spec.desired import Desired, PortMapping, ServiceSpec, to_document


def desired(*services: ServiceSpec) -> Desired:
    return Desired(name="shop", project="p", services={service.name: service for service in services})


def seen(identity: str, name: str, resource: str = "", replica: str = "1", state: str = "running") -> ObservedContainer:
    labels = {"fleet.resource": resource, "fleet.replica": replica} if resource else {}
    return ObservedContainer(identity, name, state, labels, "image:1", "i")  # type: ignore[arg-type]


def recorded(identity: str, service: str, name: str, replica: int = 1, **more: object) -> ProjectedContainer:
    key = str(more.pop("key", f"{service}/{replica}"))
    return ProjectedContainer(key, service, replica, identity, name, "v1:x", **more)  # type: ignore[arg-type]


def log(*containers: ProjectedContainer, services: tuple[ProjectedService, ...] = ()) -> Projected:
    by_service: dict[str, tuple[ProjectedContainer, ...]] = {}
    for container in containers:
        by_service[container.service] = (*by_service.get(container.service, ()), container)
    return Projected(containers=by_service, services={service.name: service for service in services})


WEB = ServiceSpec("web", image="image:1", replicas=2)


def lines(replicas: tuple[ServiceReplica, ...]) -> list[str]:
    return [
        f"{r.service}/{r.replica} {r.name} {r.container.state if r.container else 'none'} {r.mode}" for r in replicas
    ]


def test_before_anything_ran() -> None:
    job = ServiceSpec("seed", kind="job", image="image:1", container_name="seeder")
    assert lines(service_replicas(desired(WEB, job), Projected(), Observed(()))) == [
        "seed/1 seeder none job",
        "web/1 shop-web-1 none service",
        "web/2 shop-web-2 none service",
    ]


def test_containers_by_log_and_by_label() -> None:
    projected = log(recorded("a", "web", "shop-web-1"))
    observed = Observed((seen("a", "renamed"), seen("b", "shop-web-2", "service/web", "2", "exited")))
    assert lines(service_replicas(desired(WEB), projected, observed)) == [
        "web/1 renamed running service",
        "web/2 shop-web-2 exited service",
    ]


def test_one_that_has_gone_is_shown_without() -> None:
    projected = log(recorded("a", "web", "shop-web-1"), recorded("z", "web", "shop-web-1", key="web/1+z"))
    assert lines(service_replicas(desired(ServiceSpec("web")), projected, Observed(()))) == [
        "web/1 shop-web-1 none service"
    ]


def test_what_left_the_file_is_shown_while_it_is_there() -> None:
    old = ProjectedService("old", to_document(ServiceSpec("old")), "v1:x", wanted="down")
    projected = log(recorded("a", "old", "shop-old-1"), services=(old,))
    (replica,) = service_replicas(desired(), projected, Observed((seen("a", "shop-old-1"),)))
    assert (replica.service, replica.running, replica.wanted) == ("old", True, "down")
    assert service_replicas(desired(), log(recorded("a", "gone", "x")), Observed(())) == ()


def test_a_stranger_with_our_labels() -> None:
    observed = Observed((seen("a", "x", "service/new", "?"), seen("b", "y", "specialist/s"), seen("c", "z")))
    assert lines(service_replicas(None, Projected(), observed)) == ["new/1 x running service"]


def test_one_that_was_taken_over() -> None:
    projected = log(recorded("a", "web", "legacy", adopted=True))
    (replica,) = service_replicas(desired(ServiceSpec("web")), projected, Observed((seen("a", "legacy"),)))
    assert replica.mode == "adopted"


def test_nobody_could_look() -> None:
    replicas = service_replicas(desired(WEB), log(recorded("a", "web", "shop-web-1")), None)
    assert [replica.container for replica in replicas] == [None, None]


REPLICAS = service_replicas(desired(WEB, ServiceSpec("db", container_name="pg")), Projected(), Observed(()))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ["pg", "shop-web-1", "shop-web-2"]),
        (("web",), ["shop-web-1", "shop-web-2"]),
        (("service/web",), ["shop-web-1", "shop-web-2"]),
        (("web/2",), ["shop-web-2"]),
        (("service/web/2",), ["shop-web-2"]),
        (("pg",), ["pg"]),
        (("web/2", "db", "web"), ["pg", "shop-web-1", "shop-web-2"]),
    ],
)
def test_choosing(names: tuple[str, ...], expected: list[str]) -> None:
    assert [replica.name for replica in chosen(REPLICAS, names)] == expected


def test_an_unknown_one_lists_those_there_are() -> None:
    with pytest.raises(NotFound, match=r"no service 'wbe'; there are: db, web") as problem:
        chosen(REPLICAS, ("wbe",))
    assert problem.value.hint == "did you mean web?"
    with pytest.raises(NotFound, match="there are none yet") as problem:
        chosen((), ("web",))
    assert problem.value.hint == ""


def test_what_is_said_of_one_that_is_not_there() -> None:
    (db, *_) = REPLICAS
    assert (no_container(db).what, no_container(db).hint) == (
        "service db has no container pg yet",
        "fleet services up db",
    )
    assert not_running(db).what == "service db does not run: its container pg is missing"
    stopped = ServiceReplica("db", 1, "pg", None, seen("a", "pg", state="exited"))
    assert not_running(stopped).what == "service db does not run: its container pg is exited"
    assert (stopped.running, stopped.mode) == (False, "service")


def test_images_tags_and_versions() -> None:
    assert image_of(REPLICAS[1]) == "image:1"
    assert image_of(ServiceReplica("db", 1, "pg", None, seen("a", "pg"))) == "image:1"
    assert image_of(ServiceReplica("db", 1, "pg", None, None)) == ""
    references = ("postgres:16", "host:5000/a/b", "host:5000/a/b:2", "a@sha256:12", "a:1@sha256:12", "")
    assert [tag_of(reference) for reference in references] == ["16", "", "2", "", "1", ""]
    assert version_in(b"postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n") == "15.14"
    assert (version_in(b"16\n"), version_in(b"none")) == ("16", "")


def test_ports_as_declared_and_as_chosen() -> None:
    spec = ServiceSpec("web", ports=(PortMapping(80), PortMapping(81, 8081), PortMapping(82, 8082, "127.0.0.1")))
    replica = ServiceReplica("web", 1, "web", spec, seen("a", "web"))
    assert published(replica, None) == ("(any)->80/tcp", "8081->81/tcp", "127.0.0.1:8082->82/tcp")
    details = ContainerDetails(seen("a", "web"), (("0.0.0.0", 40123, 80, "tcp"),), {})
    assert published(replica, details) == ("40123->80/tcp",)
    assert published(ServiceReplica("web", 1, "web", None, None), None) == ()

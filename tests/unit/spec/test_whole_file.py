"""Sections of the file against each other: templates, networks, profiles, variables, work."""

from __future__ import annotations

import pytest

from reconciler.spec.desired import SecretUse, desired_from_document, to_document
from reconciler.spec.places import Place, Places
from reconciler.spec.roles import definition_digest

from .reading import desired, read, service


def test_a_fleet_without_a_name_is_named_after_its_folder() -> None:
    assert to_document(desired("services: {}")) == {"name": "shop", "project": "000000000000"}


def test_the_postgres_template() -> None:
    found = desired("secrets: {pw: {env: PW}}\nservices:\n  db: {provider: postgres, password: {secret: pw}}\n")
    db = found.services["db"]
    assert db.image == "postgres:16"
    assert db.container_name == "fleettools-pg"
    assert [(port.host_ip, port.host_port, port.container_port) for port in db.ports] == [("127.0.0.1", 5432, 5432)]
    assert [(mount.source, mount.target) for mount in db.mounts] == [("fleettools-pg-data", "/var/lib/postgresql/data")]
    assert db.environment == {"POSTGRES_PASSWORD": SecretUse(secret="pw")}
    assert db.healthcheck is not None
    assert db.healthcheck.test == ("CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres")
    assert (db.healthcheck.interval_ms, db.healthcheck.retries) == (2_000, 30)
    assert found.volumes["fleettools-pg-data"].engine_name == "fleettools-pg-data"


def test_what_the_file_says_goes_over_the_template() -> None:
    found = desired(
        """
secrets: {pw: {env: PW}}
volumes: {mine: , fleettools-pg-data: {external: true}}
services:
  db:
    provider: postgres
    image: localhost/pg:1
    container_name: pg
    port: 15432
    user: shop
    database: orders
    password: {secret: pw}
    environment: {POSTGRES_INITDB_ARGS: -k, POSTGRES_DB: other}
    volumes: ["mine:/var/lib/postgresql/data/", "./init:/docker-entrypoint-initdb.d:ro"]
    healthcheck: {interval: 1s}
"""
    )
    db = found.services["db"]
    assert (db.image, db.container_name, db.user) == ("localhost/pg:1", "pg", "")
    assert [port.host_port for port in db.ports] == [15432]
    assert [(mount.kind, mount.source) for mount in db.mounts] == [("bind", "/project/shop/init"), ("volume", "mine")]
    assert db.environment == {
        "POSTGRES_DB": "other",
        "POSTGRES_INITDB_ARGS": "-k",
        "POSTGRES_PASSWORD": SecretUse(secret="pw"),
        "POSTGRES_USER": "shop",
    }
    assert db.healthcheck is not None
    assert db.healthcheck.test[-4:] == ("-U", "shop", "-d", "orders")
    assert (db.healthcheck.interval_ms, db.healthcheck.timeout_ms) == (1_000, 2_000)
    assert found.volumes["fleettools-pg-data"].external


def test_the_template_follows_its_volume_to_another_place() -> None:
    found = service("provider: postgres\nvolumes: ['fleettools-pg-data:/var/lib/postgresql']")
    assert [mount.target for mount in found.mounts] == ["/var/lib/postgresql"]


def test_the_template_gives_way_to_ports_a_build_and_no_health_check() -> None:
    found = service(
        "provider: postgres\nports: ['5433:5432']\nhealthcheck: {disable: true}\nenvironment: {POSTGRES_PASSWORD: x}"
    )
    assert [(port.host_ip, port.host_port) for port in found.ports] == [("", 5433)]
    assert found.healthcheck is not None
    assert found.healthcheck.test == ("NONE",)
    assert "POSTGRES_HOST_AUTH_METHOD" not in found.environment


def test_a_provider_on_any_port() -> None:
    assert service("provider: postgres\nport: 0").ports[0].host_port == 0


def test_services_share_the_fleets_own_network_unless_they_say_otherwise() -> None:
    found = desired(
        """
name: shop
networks: {back: {internal: true, subnet: 10.9.0.0/24}, out: {external: true}, named: {name: n, external: true}}
services:
  a: {image: x:1}
  b: {image: x:1, networks: [back, default]}
  c: {image: x:1, network_mode: none}
"""
    )
    assert {name: network.engine_name for name, network in found.networks.items()} == {
        "back": "shop-back",
        "default": "shop-default",
        "named": "n",
        "out": "out",
    }
    assert [use.network for use in found.services["b"].networks] == ["back", "default"]
    assert found.services["c"].networks == ()


def test_nobody_on_the_fleets_network_means_that_there_is_none() -> None:
    found = desired("networks: {default: {name: mine}}\nservices: {a: {image: x:1, network_mode: none}}\n")
    assert found.networks == {}
    assert (
        desired("networks: {default: {name: mine}}\nservices: {a: {image: x:1}}").networks["default"].engine_name
        == "mine"
    )


def test_profiles_choose_services() -> None:
    text = "services:\n  a: {image: x:1}\n  b: {image: x:1, profiles: [debug, ops]}\n  c: {image: x:1, profiles: debug}\n  d: {image: x:1, profiles: []}\n"
    assert list(desired(text).services) == ["a", "d"]
    assert desired(text).inactive == ("b", "c")
    assert list(desired(text, profiles=("debug",)).services) == ["a", "b", "c", "d"]
    assert list(desired(text, profiles=("ops",)).services) == ["a", "b", "d"]


def test_variables_keep_their_types_and_are_looked_at_once() -> None:
    found = desired(
        """
variables:
  tag: {type: string}
  count: {type: integer, default: 1}
  ports: {type: list, default: ["80"]}
  debug: false
  text: {default: "${tag} $$"}
services:
  web:
    image: x:${tag}
    replicas: ${count}
    ports: ${ports}
    init: ${debug}
    command: [sh, -c, "echo $HOME $$HOME $${tag} ${text} ${debug} ${count}$"]
""",
        variables={"tag": "1.10", "ports": "[80, 81/udp]", "count": "3"},
        environ={"FLEET_VAR_DEBUG": "true"},
    )
    web = found.services["web"]
    assert (web.image, web.replicas, web.init) == ("x:1.10", 3, True)
    assert [(port.container_port, port.protocol) for port in web.ports] == [(80, "tcp"), (81, "udp")]
    assert web.command == ("sh", "-c", "echo $HOME $HOME ${tag} ${tag} $$ true 3$")


def test_a_value_that_is_no_text_of_this_machine() -> None:
    found = read("variables: {a: x}\n", variables={"a": "\udcff"})
    assert found.lines == ["fleet.yaml:1:13: variables.a: --var a is not UTF-8 text"]


def test_a_secret_like_value_is_not_shown() -> None:
    text = "variables: {db_password: {type: integer, default: hunter2}}\n"
    assert "hunter2" not in str(read(text).lines)
    assert "hunter3" not in str(read(text, variables={"db_password": "hunter3"}).lines)


def test_sorties_take_their_missions_priority() -> None:
    found = desired("missions:\n  m:\n    priority: high\n    sorties: {a: , b: {priority: low, title: B}}\n")
    mission = found.missions["m"]
    assert (mission.title, mission.priority) == ("m", "high")
    assert [(sortie.title, sortie.priority) for sortie in mission.sorties.values()] == [("a", "high"), ("B", "low")]


def test_specialists_in_all_their_forms() -> None:
    found = desired(
        """
specialists:
  a: {harness: {image: x:1}, heartbeat: {interval: 5s}, working_dir: ./work, capabilities: python}
  b: {harness: {command: run it}, restart: on-failure:3, heartbeat: {timeout: PT2M}}
  c: {harness: codex, budget: {cost_usd: 2, tokens: 1000, wall_time: 1h}}
  d:
"""
    ).specialists
    assert [worker.harness.kind for worker in found.values()] == ["container", "command", "codex", "shell"]
    assert (found["a"].heartbeat_interval_ms, found["a"].heartbeat_timeout_ms) == (5_000, 60_000)
    assert found["a"].working_dir == "/project/shop/work"
    assert found["b"].restart.max_attempts == 3
    assert found["b"].heartbeat_timeout_ms == 120_000
    assert (found["c"].budget.cost_usd, found["c"].budget.wall_time_ms) == (2.0, 3_600_000)


def test_settings() -> None:
    found = desired(
        """
secrets: {hook: {env: HOOK}, file: {file: ~/x}, run: {command: pass show x}}
notifications:
  - {events: apply_failed, webhook: {secret: hook}}
  - {events: ["*", apply_failed], command: "notify-send failed"}
  - {events: ["*"], webhook: "https://example.org/x"}
reconcile:
  interval: 1m
  ignore_drift: [{resource: "service/*", until: 2026-11-24}, {resource: service/web, field: image, until: "2026-11-24T20:00:00+02:00"}]
  freeze: [{start: "0  18 * * 1-5,0", duration: 2h, timezone: UTC}]
database: {path: x.db, compaction: {enabled: false}, backup: {enabled: true, path: ./b}}
moved: {service/a: service/b}
services: {b: {image: x:1}}
"""
    )
    assert [(sink.webhook_secret, sink.webhook, sink.command) for sink in found.notifications] == [
        ("hook", "", ()),
        ("", "", ("notify-send", "failed")),
        ("", "https://example.org/x", ()),
    ]
    assert [drift.until for drift in found.reconcile.ignore_drift] == ["2026-11-24T00:00:00Z", "2026-11-24T18:00:00Z"]
    assert found.reconcile.freeze[0].start == "0 18 * * 1-5,0"
    assert (found.database.path, found.database.compaction.enabled) == ("x.db", False)
    assert found.database.backup.path == "/project/shop/b"
    assert found.secrets["file"].file == "/home/me/x"
    assert found.secrets["run"].command == ("pass", "show", "x")
    assert found.moved == {"service/a": "service/b"}


def test_moves_as_a_list_mean_the_same() -> None:
    after = "services: {b: {image: x:1}}\n"
    assert desired(f"moved: [{{from: service/a, to: service/b}}]\n{after}").moved == {"service/a": "service/b"}


def test_a_built_image_without_a_name_gets_one() -> None:
    found = read("name: shop\nservices: {Web: {build: {context: ./nowhere}, profiles: [x]}}\n", profiles=())
    assert found.problems == []


def test_a_document_holds_no_default_and_comes_back_as_it_was() -> None:
    found = desired(
        """
services:
  web:
    image: x:1
    ports: ["8080:80/tcp"]
    restart: {policy: always, backoff: {initial: 10s}}
    healthcheck: {test: [CMD, a], interval: 30s}
    update: {order: stop-first}
    resources: {cpus: 0.0}
reconcile: {interval: 30s, self_heal: true, max_destroy: 3, ignore_drift: []}
database: {compaction: {enabled: true}, backup: {}}
specialists: {a: {harness: {kind: shell}, budget: {}, heartbeat: {interval: 20s}}}
"""
    )
    document = to_document(found)
    assert set(document) == {"name", "project", "services", "networks", "specialists"}
    assert document["services"]["web"] == {
        "name": "web",
        "image": "x:1",
        "ports": ({"container_port": 80, "host_port": 8080},),
        "networks": ({"network": "default"},),
        "healthcheck": {"test": ("CMD", "a")},
    }
    again = desired_from_document(document)
    assert again == found
    assert to_document(again) == document
    assert definition_digest(again.services["web"]) == definition_digest(found.services["web"])


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("service/web", (2, 3)),
        ("services.web.ports[1]", (4, 19)),
        ("services.web.environment.A", (5, 19)),
        ("mission/m", (8, 3)),
        ("sortie/m/one", (9, 15)),
        ("specialist/s", (10, 15)),
    ],
)
def test_places(key: str, place: tuple[int, int]) -> None:
    assert _places()[key] == Place("fleet.yaml", *place)


@pytest.mark.parametrize(
    ("address", "field", "line"),
    [
        ("service/web", "ports", 4),
        ("service/web", "environment.A", 5),
        ("service/web", "environment.NONE", 5),
        ("service/web", "stop_grace_ms", 6),
        ("service/web", "mounts", 2),
        ("sortie/m/one", "timeout_ms", 9),
        ("specialist/s", "heartbeat_interval_ms", 10),
        ("fleet/x", "y", None),
    ],
)
def test_the_place_of_a_field(address: str, field: str, line: int | None) -> None:
    found = _places().field(address, field)
    assert (found.line if found else None) == line


def _places() -> Places:
    found = read(
        """services:
  web:
    image: x:1
    ports: ["80", 81]
    environment: {A: b}
    stop_grace_period: 5s
missions:
  m:
    sorties: {one: {timeout: 5s}}
specialists: {s: {heartbeat: {interval: 5s}}}
"""
    )
    assert found.tree is not None
    places = Places(found.tree)
    assert len(places) == len(list(places))
    return places


def test_a_service_may_be_called_x() -> None:
    assert list(desired("x-own: 1\nservices: {x-ray: {image: x:1, x-own: 1}}\n").services) == ["x-ray"]

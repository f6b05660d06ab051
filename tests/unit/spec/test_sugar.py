"""Spellings that mean the same give the same definition, and that definition is this one."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.spec.desired import to_document
from reconciler.spec.roles import digest_of

from .reading import desired, given, service

HEALTH = {"test": ["CMD", "true"]}

SAME: list[tuple[str, dict[str, Any], list[str]]] = [
    ("an image", {"image": "redis:latest"}, ["image: redis", "image: redis:latest", "image: 'redis:latest'"]),
    ("a port of a registry", {"image": "host:5000/redis:latest"}, ["image: host:5000/redis"]),
    ("an image's id", {"image": "3f57d9401f8d"}, ["image: 3f57d9401f8d"]),
    ("a numeric tag", {"image": "x:1.10"}, ["image: x:1.10"]),
    (
        "a command",
        {"command": ["httpd", "-p", "80", "a b"]},
        ["command: httpd -p 80 'a b'", "command: [httpd, -p, 80, a b]", 'command: ["httpd", "-p", "80", "a b"]'],
    ),
    ("an empty entrypoint", {"entrypoint": []}, ["entrypoint: []", 'entrypoint: ""']),
    (
        "environment",
        {"environment": {"A": "1", "B": "true", "C": "x=y", "D": ""}},
        [
            "environment: {A: 1, B: true, C: x=y, D: ''}",
            "environment: [A=1, B=true, 'C=x=y', D=]",
            "environment:\n  D: ''\n  C: x=y\n  B: 'true'\n  A: '1'",
        ],
    ),
    (
        "a secret in the environment",
        {"environment": {"T": {"from": "secret", "secret": "token"}}, "secret_digests": {"token": ""}},
        ["environment: {T: {secret: token}}", "environment:\n  T:\n    secret: token"],
    ),
    (
        "a container port",
        {"ports": [{"container_port": 80}]},
        ["ports: [80]", 'ports: ["80"]', "ports: 80", "ports: [{target: 80}]"],
    ),
    (
        "a published port",
        {"ports": [{"container_port": 80, "host_port": 8080}]},
        [
            'ports: ["8080:80"]',
            "ports: [8080:80]",
            "ports: ['8080:80/tcp']",
            "ports: ['0.0.0.0:8080:80']",
            "ports: [{target: 80, published: 8080}]",
            'ports: [{target: 80, published: "8080", protocol: tcp, host_ip: 0.0.0.0}]',
        ],
    ),
    (
        "a port on one address",
        {"ports": [{"container_port": 80, "host_ip": "127.0.0.1", "host_port": 8080, "protocol": "udp"}]},
        ["ports: ['127.0.0.1:8080:80/udp']", "ports: ['127.0.0.1:8080:80/UDP']"],
    ),
    (
        "IPv6",
        {"ports": [{"container_port": 80, "host_ip": "::1", "host_port": 8080}]},
        [
            "ports: ['[::1]:8080:80']",
            "ports: ['[0:0:0:0:0:0:0:1]:8080:80']",
            "ports: [{target: 80, published: 8080, host_ip: '::1'}]",
        ],
    ),
    (
        "any port on one address",
        {"ports": [{"container_port": 80, "host_ip": "127.0.0.1"}]},
        ["ports: ['127.0.0.1::80']"],
    ),
    (
        "a range of ports",
        {"ports": [{"container_port": 80, "host_port": 8080}, {"container_port": 81, "host_port": 8081}]},
        ["ports: ['8080-8081:80-81']", "ports: ['8081:81', '8080:80']"],
    ),
    (
        "a range of container ports",
        {"ports": [{"container_port": 80}, {"container_port": 81}]},
        ["ports: ['80-81']", "ports: [81, 80]"],
    ),
    (
        "no ports",
        {},
        ["ports: []", "ports:", "environment: {}", "labels: []", "tags: []", "command:", "depends_on: []"],
    ),
    (
        "a named volume",
        {"mounts": [{"kind": "volume", "target": "/d", "source": "data"}]},
        [
            "volumes: ['data:/d']",
            "volumes: ['data:/d/:rw']",
            "volumes: [{source: data, target: /d}]",
            "volumes: [{type: volume, source: data, target: //d}]",
        ],
    ),
    (
        "a bind",
        {"mounts": [{"kind": "bind", "target": "/d", "source": "/project/shop/web", "read_only": True}]},
        [
            "volumes: ['./web:/d:ro']",
            "volumes: ['./x/../web/:/d:ro']",
            "volumes: ['/project/shop/web:/d:ro']",
            "volumes: [{source: ./web, target: /d, read_only: true}]",
            "volumes: [{type: bind, source: web, target: /d, read_only: true}]",
        ],
    ),
    (
        "a bind from home",
        {"mounts": [{"kind": "bind", "target": "/d", "source": "/home/me/x"}]},
        ["volumes: ['~/x:/d']", "volumes: [{type: bind, source: ~/x, target: /d}]"],
    ),
    (
        "a tmpfs",
        {"mounts": [{"kind": "tmpfs", "target": "/t", "size": 67108864, "mode": 0o1777}]},
        [
            "tmpfs: /t:size=64m,mode=1777",
            "tmpfs: ['/t:mode=01777,size=65536k']",
            "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 64m, mode: 1777}}]",
            "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 67108864, mode: 0o1777}}]",
        ],
    ),
    (
        "networks",
        {"networks": [{"network": "back"}, {"network": "front"}]},
        ["networks: [front, back]", "networks: {back: , front: {}}", "networks: [back, front, back]"],
    ),
    ("one network", {"networks": [{"network": "back"}]}, ["networks: back", "networks: [back]"]),
    (
        "aliases",
        {"networks": [{"network": "back", "aliases": ["a", "b"]}]},
        ["networks: {back: {aliases: [b, a]}}", "networks: {back: {aliases: [a, b, a]}}"],
    ),
    ("the bridge", {}, ["network_mode: bridge", "networks: default", "pid: private", "ipc: private"]),
    (
        "a config of text",
        {
            "configs": [
                {
                    "target": "/c",
                    "digest": "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
                    "content": "a",
                    "mode": 0o440,
                }
            ]
        },
        [
            "configs: [{content: a, target: /c, mode: 0440}]",
            "configs: [{content: a, target: /c, mode: 440}]",
            "configs: [{content: a, target: /c/, mode: '0o440'}]",
        ],
    ),
    (
        "a secret file",
        {"secrets": [{"secret": "token", "target": "/run/secrets/token"}], "secret_digests": {"token": ""}},
        [
            "secrets: [token]",
            "secrets: [{source: token}]",
            "secrets: [{source: token, target: token, mode: 0400}]",
            "secrets: [{source: token, target: /run/secrets/token, uid: 0}]",
        ],
    ),
    (
        "a health check",
        {
            "healthcheck": {
                "test": ["CMD-SHELL", "curl localhost"],
                "interval_ms": 90000,
                "timeout_ms": 1500,
                "retries": 5,
                "start_period_ms": 250,
            }
        },
        [
            "healthcheck: {test: curl localhost, interval: 1m30s, timeout: 1.5s, retries: 5, start_period: 250ms}",
            "healthcheck: {test: [CMD-SHELL, curl localhost], interval: PT1M30S, timeout: 1500ms, retries: 5, start_period: 0.25}",
            "healthcheck: {test: [CMD-SHELL, curl localhost], interval: 90, timeout: 1s500ms, retries: 5, start_period: 0.25s}",
        ],
    ),
    (
        "a health check's defaults",
        {"healthcheck": HEALTH},
        [
            "healthcheck: {test: [CMD, 'true']}",
            "healthcheck: {test: [CMD, true], interval: 30s, timeout: 0.5m, retries: 3, start_period: 0}",
        ],
    ),
    (
        "no health check",
        {"healthcheck": {"test": ["NONE"]}},
        ["healthcheck: {disable: true}", "healthcheck: {test: NONE}", "healthcheck: {test: [NONE], interval: 5s}"],
    ),
    (
        "a health check that is not disabled",
        {"healthcheck": HEALTH},
        ["healthcheck: {test: [CMD, true], disable: false}"],
    ),
    (
        "always restarted",
        {},
        [
            "restart: always",
            "restart: {policy: always}",
            "restart: {supervisor: fleet, max_attempts: 0}",
            "restart: {backoff: {initial: 10s, max: 5m, reset_after: 10m}}",
        ],
    ),
    (
        "never restarted",
        {"restart": {"policy": "no"}},
        ["restart: no", 'restart: "no"', "restart: false", "restart: never", "restart: {policy: no}"],
    ),
    (
        "restarted on failure",
        {"restart": {"policy": "on-failure", "max_attempts": 5}},
        ["restart: on-failure:5", "restart: {policy: on-failure, max_attempts: 5}"],
    ),
    (
        "a job",
        {"kind": "job", "restart": {"policy": "no"}},
        ["job: true", "kind: job", "kind: job\njob: true", "job: true\nrestart: no"],
    ),
    ("no job", {}, ["job: false", "kind: service"]),
    (
        "resources",
        {"resources": {"memory": 1073741824, "cpus": 0.5}},
        [
            "resources: {memory: 1g, cpus: 0.5}",
            "resources: {cpus: .5, memory: 1024m}",
            "resources: {memory: 1GiB, cpus: 0.50, pids: 0}",
            "resources: {memory: 1073741824, cpus: 5e-1}",
        ],
    ),
    ("whole processors", {"resources": {"cpus": 2.0}}, ["resources: {cpus: 2}", "resources: {cpus: 2.0}"]),
    ("no limits", {}, ["resources: {}", "resources: {cpus: 0}", "resources: {memory: 0}"]),
    (
        "an update",
        {"update": {"order": "start-first"}},
        ["update: {order: start-first}", "update: {order: start-first, max_unavailable: 1, auto_revert: false}"],
    ),
    ("tags", {"tags": ["a", "b"]}, ["tags: [b, a]", "tags: [a, b, a]"]),
    ("one tag", {"tags": ["a"]}, ["tags: a", "tags: [a]"]),
    (
        "capabilities",
        {"cap_add": ["NET_ADMIN", "SYS_TIME"]},
        ["cap_add: [SYS_TIME, NET_ADMIN]", "cap_add: [cap_net_admin, CAP_SYS_TIME]"],
    ),
    ("labels", {"labels": {"a": "1", "b": ""}}, ["labels: {b: , a: 1}", "labels: [a=1, b]", "labels: ['b=', 'a=1']"]),
    (
        "extra hosts",
        {"extra_hosts": {"a": "1.2.3.4", "b": "::1"}},
        [
            "extra_hosts: ['a:1.2.3.4', 'b:::1']",
            "extra_hosts: ['b=::1', 'a=1.2.3.4']",
            "extra_hosts: {a: 1.2.3.4, b: '::1'}",
        ],
    ),
    ("a host of this machine", {"extra_hosts": {"a": "host-gateway"}}, ["extra_hosts: {a: host-gateway}"]),
    ("an address that means every one", {"dns": ["0.0.0.0"]}, ["dns: 0.0.0.0"]),
    (
        "kernel settings",
        {"sysctls": {"net.core.somaxconn": "1024"}},
        ["sysctls: {net.core.somaxconn: 1024}", "sysctls: [net.core.somaxconn=1024]"],
    ),
    (
        "limits",
        {"ulimits": [{"name": "nofile", "soft": 5, "hard": 5}]},
        [
            "ulimits: {nofile: 5}",
            "ulimits: {nofile: {soft: 5, hard: 5}}",
            "ulimits: {nofile: {soft: 5}}",
            "ulimits: {nofile: {hard: 5}}",
        ],
    ),
    ("no limit", {"ulimits": [{"name": "core", "soft": -1, "hard": -1}]}, ["ulimits: {core: -1}"]),
    (
        "the signal to stop",
        {"stop_signal": "SIGINT"},
        ["stop_signal: SIGINT", "stop_signal: int", "stop_signal: 2", "stop_signal: sigint"],
    ),
    ("a real-time signal", {"stop_signal": "SIGRTMIN+3"}, ["stop_signal: SIGRTMIN+3", "stop_signal: RTMIN+3"]),
    (
        "the time to stop",
        {"stop_grace_ms": 90000},
        ["stop_grace_period: 1m30s", "stop_grace_period: 90", "stop_grace_period: PT90S", "stop_grace_period: 1.5m"],
    ),
    ("the usual time to stop", {}, ["stop_grace_period: 10s", "stop_grace_period: 10"]),
    ("the usual shared memory", {}, ["shm_size: 64m", "shm_size: 67108864"]),
    ("a user", {"user": "1000"}, ["user: 1000", "user: '1000'"]),
    ("a user and a group", {"user": "1000:1000"}, ["user: 1000:1000"]),
    ("a folder", {"working_dir": "/srv"}, ["working_dir: /srv", "working_dir: /srv/", "working_dir: //srv/./x/.."]),
    ("what a pull means", {}, ["pull: missing", "pull: if_not_present"]),
    (
        "nothing special",
        {},
        ["read_only: false", "replicas: 1", "protect: false", "allow: []", "x-mine: {anything: [1]}"],
    ),
    ("replicas", {"replicas": 0}, ["replicas: 0", "replicas: 0x0"]),
]


@pytest.mark.parametrize(("title", "document", "texts"), SAME, ids=[title for title, *_ in SAME])
def test_spellings_of_one_definition(title: str, document: dict[str, Any], texts: list[str]) -> None:
    found = [given(text) for text in texts]
    assert found == [document] * len(texts)
    assert len({digest_of(to_document(service(text))) for text in texts}) == 1


def test_dependencies_in_all_their_forms() -> None:
    def depends_on(text: str) -> dict[str, str]:
        others = "db: {image: x:1, healthcheck: {test: 'true'}}\n  init: {image: x:1, job: true}"
        found = desired(f"services:\n  {others}\n  web: {{image: x:1, depends_on: {text}}}\n")
        return dict(found.services["web"].depends_on)

    assert depends_on("[db, init]") == {"db": "started", "init": "started"}
    assert depends_on("db") == {"db": "started"}
    assert (
        depends_on("{init: completed, db: healthy}")
        == depends_on("{db: service_healthy, init: service_completed_successfully}")
        == depends_on("{db: {condition: service_healthy}, init: {condition: completed}}")
        == {"db": "healthy", "init": "completed"}
    )
    assert depends_on("{db: {}}") == {"db": "started"}

"""One file in which every key of every section stands with a value that is not its default."""

from __future__ import annotations

EVERYTHING = """\
version: 1
name: shop
x-common: &common {init: true, tags: [all]}
variables:
  tag: {type: string, default: "1", description: which image, env: TAG, choices: ["1", "2"]}
  count: 2
secrets:
  token: {env: TOKEN}
  file: {file: /etc/secret}
  run: {command: [pass, show, x]}
networks:
  back: {internal: true, subnet: 10.9.0.0/24}
  out: {external: true, name: outer}
  default:
volumes:
  data: {name: shop-data}
  old: {external: true}
handlers:
  reload: {service: web, command: [nginx, -s, reload]}
  again: {restart: db}
services:
  db:
    provider: postgres
    port: 15432
    user: shop
    database: orders
    password: {secret: token}
  init: {image: x:1, job: true, replicas: 2, restart: on-failure:2, resources: {pids: 5}}
  plain: {image: x:1, network_mode: host, pid: host, ipc: host, privileged: true,
          allow: [privileged, host-network, host-pid, host-ipc]}
  web:
    <<: *common
    image: localhost/web:${tag}
    pull: never
    command: [sh, -c, "echo $$$$ $${HOME}"]
    entrypoint: [/entry]
    environment: {A: "1", B: {secret: token}, C: "$$ text"}
    ports: ["8080:80", "127.0.0.1:8443:443/udp", "[::1]:9090:90", 70, "127.0.0.1::71"]
    volumes:
      - data:/data
      - ./web:/srv:ro
      - {type: tmpfs, target: /cache, tmpfs: {size: 64m, mode: 1777}}
    tmpfs: /run
    networks: {back: {aliases: [w, www]}, out: }
    configs: [{content: "a\\nb\\n", target: /etc/web.conf, mode: "0440", uid: 1, gid: 2}]
    secrets: [file, {source: run, target: /run/x, mode: "0440", uid: 1, gid: 2}]
    healthcheck: {test: [CMD, wget], interval: 5s, timeout: 2s, retries: 5, start_period: 1s}
    container_name: front
    hostname: front
    user: 1000:1000
    working_dir: /srv
    read_only: true
    tty: true
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    labels: {team: shop}
    extra_hosts: {a: 1.2.3.4}
    dns: [1.1.1.1]
    sysctls: {net.core.somaxconn: 1024}
    ulimits: {nofile: {soft: 5, hard: 10}, core: 0}
    shm_size: 128m
    stop_signal: SIGINT
    stop_grace_period: 30s
    restart: {policy: always, supervisor: engine, max_attempts: 3, backoff: {initial: 1s, max: 1m, reset_after: 2m}}
    resources: {cpus: 0.5, memory: 256m, pids: 100}
    depends_on: {db: healthy, init: completed}
    update: {order: start-first, max_unavailable: 2, auto_revert: true}
    profiles: [front]
    protect: true
    notify: [reload]
specialists:
  builder:
    replicas: ${count}
    capabilities: [python]
    harness: {kind: command, command: [run, "{prompt}"], model: m, permissions: all, tools: [edit]}
    heartbeat: {interval: 10s, timeout: 30s}
    budget: {sorties_per_hour: 30, wall_time: 30m, tokens: 1000, cost_usd: 1.5}
    environment: {A: {secret: token}, B: c}
    secrets: {C: token}
    working_dir: ./work
    stop_grace_period: 5m
    restart: on-failure
    protect: true
    tags: [a]
  boxed: {harness: {image: x:1}}
missions:
  m:
    title: M
    description: What it is for
    priority: high
    parallel: 2
    tags: [m]
    sorties:
      one: {title: One, description: d, priority: low, requires: [python], assigned_to: builder, run: make, files: [a.py],
            retries: 2, retry_delay: 1s, timeout: 20m, when: success, review: {kind: code, by: builder}}
      two: {depends_on: [one], prompt: "do it", priority: medium, when: failure}
moved: {service/old: service/web}
notifications:
  - {events: ["apply_*"], webhook: {secret: token}}
  - {events: ["*"], command: [notify, x]}
  - {events: ["*"], webhook: "https://example.org/$$x"}
reconcile:
  interval: 1m
  self_heal: false
  max_destroy: 0
  ignore_drift: [{resource: service/web, field: image, why: by hand, until: 2026-11-24}]
  freeze: [{start: "0 18 * * 5", duration: 60h, timezone: Europe/Berlin, why: weekend}]
  debounce: 1s
database:
  path: ./log.db
  wal_autocheckpoint: 5
  busy_timeout_ms: 100
  cache_size_mb: 1
  durability: normal
  compaction: {enabled: false, threshold_events: 5, threshold_age_hours: 6, schedule: "0 1 * * *"}
  backup: {enabled: true, path: /backup, schedule: "0 2 * * *", keep: 3}
"""

#!/usr/bin/env bash
# This repository's own fleet: brought up, and taken away again.
#
#   scripts/demo.sh up      images (pulled, or built from Debian's packages where no registry answers), fleet apply, a look
#   scripts/demo.sh down    agents, containers, volume, network, secrets, images and data: all that `up` made
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cd "$root"
source "$here/podman_env.sh"
venv=${VENV:-$root/.venv}
fleet=$venv/bin/fleet
web_image=localhost/fleet-demo-web:1
postgres_image=localhost/fleet-demo-postgres:1
brought=.demo/images

say() {
    if [ -t 1 ]; then
        printf '\n\033[1m%s\033[0m\n' "$*"
    else
        printf '\n%s\n' "$*"
    fi
}

ours() { # IMAGE: not here before the demo, so clean-demo takes it away
    mkdir -p .demo
    chmod 0700 .demo
    echo "$1" >>"$brought"
}

provide_image() { # NAME REGISTRY-REFERENCE LOCAL-NAME: NAME exists afterwards
    podman image exists "$1" && return
    local source=$2
    if podman image exists "$2"; then
        :
    elif timeout 300 podman pull --quiet "$2" >/dev/null 2>&1; then
        ours "$2"
    else
        source=localhost/fleet-$3:1
        podman image exists "$source" || ours "$source"
        "$here/images.sh" "$3"
    fi
    podman tag "$source" "$1"
}

make_password() {
    [ -s .demo/pg_password ] && return
    mkdir -p .demo
    chmod 0700 .demo
    (umask 077 && "$venv/bin/python" -c 'import secrets; print(secrets.token_urlsafe(24), end="")' >.demo/pg_password)
}

up() {
    local image
    say "Images"
    provide_image "$web_image" docker.io/library/busybox:1.36 busybox
    provide_image "$postgres_image" docker.io/library/postgres:16 postgres
    for image in "$web_image" "$postgres_image"; do
        printf '  %s  %s\n' "$image" "$(podman image inspect --format '{{.Id}}' "$image" | cut -c1-12)"
    done
    make_password
    say "fleet apply"
    "$fleet" apply --yes --wait --timeout 5m
    say "What it brought up answers"
    "$venv/bin/python" "$here/demo_check.py"
    say "What its agents wrote"
    sed 's/^/  /' .demo/out/welcome.txt
    say "fleet status"
    "$fleet" status
    local command=$fleet
    command -v fleet >/dev/null && [ "$(command -v fleet)" = "$fleet" ] && command=fleet
    command=${command#"$root"/}
    cat <<TEXT

Go on:
  1. change something in fleet.yaml: the greeting, say
  2. $command plan       what would happen, field by field; nothing is touched
  3. $command apply      make it happen
  4. $command why web    why the container is as it is, back to your edit
  5. $command missions graph welcome, $command why sortie/welcome/draft   what the agents did
  make clean-demo takes it all away again.
TEXT
}

each() { # COMMAND...: run with the lines of standard input as further arguments, if there are any
    local lines said
    mapfile -t lines
    [ ${#lines[@]} -eq 0 ] && return
    # Without systemd, Podman complains of timers that it never made; what it says counts only when it fails.
    said=$("$@" "${lines[@]}" 2>&1) || {
        echo "$said" >&2
        return 1
    }
}

down() {
    command -v podman >/dev/null || return 0
    local python=$venv/bin/python
    [ -x "$python" ] || python=python3
    local project data
    read -r project data < <("$python" -c '
import sys; sys.path.insert(0, ".")
from pathlib import Path
from reconciler.paths import project_data_dir, project_hash
print(project_hash(Path(".")), project_data_dir(Path(".")))')
    # Agents first: nobody is left then to write to what goes.
    [ ! -x "$fleet" ] || "$fleet" specialists stop >/dev/null 2>&1 || true
    local mine=(--filter "label=fleet.project=$project")
    podman ps --all --quiet "${mine[@]}" | each podman rm --force --time 1
    podman volume ls --quiet "${mine[@]}" | each podman volume rm
    podman network ls --quiet "${mine[@]}" | each podman network rm
    podman secret ls --format '{{.Name}}' | { grep "^fleet-$project-" || true; } | each podman secret rm
    for image in "$web_image" "$postgres_image"; do
        # Another fleet may stand on the same image; then only the name goes.
        podman rmi "$image" >/dev/null 2>&1 || podman untag "$image" 2>/dev/null || true
    done
    # What was here before the demo stays, and so does what others have taken up since.
    [ ! -e "$brought" ] || sort -u "$brought" | while read -r image; do podman rmi "$image" >/dev/null 2>&1 || true; done
    rm -rf "$data" .demo
    echo "the demo is gone: agents, containers, volume, network, secrets, images, and $data"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    *)
        echo "usage: scripts/demo.sh up|down" >&2
        exit 1
        ;;
esac

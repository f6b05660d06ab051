#!/usr/bin/env bash
# Runs a command while a Podman service listens on the default socket: one that is there already, or one that is started
# for the command and ended after it.
#
#   scripts/with_podman.sh COMMAND...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/podman_env.sh"
python=${VENV:-$(dirname "$here")/.venv}/bin/python

if [ "$(id -u)" = 0 ]; then
    socket=/run/podman/podman.sock
else
    socket=${XDG_RUNTIME_DIR:-/tmp/podman-run-$(id -u)}/podman/podman.sock
fi

answers() {
    # A socket file outlives its service, so being there says nothing.
    "$python" - "$socket" <<'PYTHON' 2>/dev/null
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.settimeout(5)
    connection.connect(sys.argv[1])
PYTHON
}

if ! answers; then
    mkdir -p "$(dirname "$socket")"
    # Not from here: its containers' monitors leave a file where it was started when one runs out of memory.
    (cd / && exec podman system service --time=0 "unix://$socket") </dev/null >/dev/null 2>&1 &
    service=$!
    trap 'kill "$service" 2>/dev/null || true' EXIT
    for _ in $(seq 100); do
        answers && break
        kill -0 "$service" 2>/dev/null || break
        sleep 0.1
    done
    answers || {
        echo "scripts/with_podman.sh: podman system service does not answer on $socket" >&2
        exit 1
    }
fi
"$@"

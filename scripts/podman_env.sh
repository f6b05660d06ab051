# Sourced: makes the `podman` command work where nothing but this project has configured it.
#
# A machine without systemd (a container, a test machine) cannot raise limits and often has cgroups in hybrid mode, in
# which crun refuses to start anything. There Podman is given a configuration of its own through the environment; the
# machine's is never changed, and one that is set already is kept.
if [ ! -d /run/systemd/system ] && [ -z "${CONTAINERS_CONF:-}" ] && command -v runc >/dev/null; then
    CONTAINERS_CONF=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/containers.conf
    export CONTAINERS_CONF
fi

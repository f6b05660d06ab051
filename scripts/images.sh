#!/usr/bin/env bash
# Container images from Debian packages, for machines that no image registry reaches.
#
#   scripts/images.sh busybox    localhost/fleet-busybox:1    2 MB: sh, httpd, wget, nc and the rest of busybox
#   scripts/images.sh postgres   localhost/fleet-postgres:1   a real PostgreSQL that reads the variables of the official image
#
# An image carries the digest of its recipe, so that it is built again only when this folder's recipe for it changes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/podman_env.sh"

recipe_digest() { # FILE... : what an image is made from
    cat "$@" | sha256sum | cut -c1-16
}

built_already() { # IMAGE DIGEST
    [ "$(podman image inspect --format '{{index .Labels "recipe"}}' "$1" 2>/dev/null)" = "$2" ]
}

forget() { # IMAGE-ID: one that was just replaced, unless something stands on it
    [ -z "$1" ] || podman rmi "$1" >/dev/null 2>&1 || true
}

need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || {
        echo "scripts/images.sh: $1 is missing; install Debian's package $2" >&2
        exit 1
    }
}

busybox_image() {
    local image=localhost/fleet-busybox:1 digest
    digest=$(recipe_digest "$here/images/busybox.sh")
    built_already "$image" "$digest" && return
    need busybox busybox-static
    local old
    old=$(podman image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
    local root=$work/busybox
    "$here/images/busybox.sh" "$root"
    tar -C "$root" --owner=0 --group=0 -c . |
        podman import -q --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' --change "LABEL recipe=$digest" - "$image" >/dev/null
    forget "$old"
    echo "built $image"
}

postgres_image() {
    local image=localhost/fleet-postgres:1 digest
    digest=$(recipe_digest "$here/images/postgres.sh" "$here/images/postgres-entrypoint.sh")
    built_already "$image" "$digest" && return
    need mmdebstrap mmdebstrap
    local old
    old=$(podman image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
    "$here/images/postgres.sh" "$work/postgres.tar"
    podman import -q \
        --change 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV PGDATA=/var/lib/postgresql/data' \
        --change 'USER postgres' --change 'EXPOSE 5432' --change 'STOPSIGNAL SIGINT' \
        --change 'ENTRYPOINT ["/usr/bin/postgres-entrypoint.sh"]' --change 'CMD ["postgres"]' \
        --change "LABEL recipe=$digest" "$work/postgres.tar" "$image" >/dev/null
    forget "$old"
    echo "built $image"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in "$@"; do
    case $name in
        busybox) busybox_image ;;
        postgres) postgres_image ;;
        *)
            echo "scripts/images.sh: there is no image $name; known: busybox postgres" >&2
            exit 1
            ;;
    esac
done

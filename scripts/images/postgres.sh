#!/usr/bin/env bash
# The file tree of the PostgreSQL image as a tar file, made from Debian's packages.
#
# Packages are unpacked and their scripts do not run, so the user, the data folder and the socket's folder are made here.
# What a server does not need (the JIT compiler, Perl, documentation) is left out: it is two thirds of the size.
set -euo pipefail
target=$1
entrypoint=$(cd "$(dirname "$0")" && pwd)/postgres-entrypoint.sh
export ENTRYPOINT_FILE=$entrypoint

mmdebstrap --quiet --variant=extract --include=postgresql-15,libc-bin,dash,coreutils \
    --extract-hook='
        set -eu
        root=$1
        printf "%s\n" "root:x:0:0:root:/root:/bin/sh" "postgres:x:999:999::/var/lib/postgresql:/bin/sh" >"$root/etc/passwd"
        printf "%s\n" "root:x:0:" "postgres:x:999:" >"$root/etc/group"
        mkdir -p "$root/var/lib/postgresql/data" "$root/var/run/postgresql" "$root/tmp"
        chmod 0700 "$root/var/lib/postgresql/data"
        chmod 1777 "$root/tmp"
        chown -R 999:999 "$root/var/lib/postgresql" "$root/var/run/postgresql"
        [ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
        install -m 0755 "$ENTRYPOINT_FILE" "$root/usr/bin/postgres-entrypoint.sh"
        rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/i18n \
            "$root"/usr/share/perl* "$root"/usr/lib/*/perl* "$root"/usr/bin/perl* "$root"/usr/lib/*/libperl* \
            "$root"/usr/lib/*/libLLVM* "$root"/usr/lib/*/libz3* "$root"/usr/lib/postgresql/15/lib/bitcode \
            "$root"/usr/lib/postgresql/15/lib/llvmjit* "$root"/var/lib/dpkg/info
    ' bookworm "$target"

#!/bin/sh
# Starts PostgreSQL, making its data folder on the first start.
#
# Reads POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) and POSTGRES_HOST_AUTH_METHOD, as the
# official image does.
set -eu

if [ "${1:-postgres}" != postgres ]; then
    exec "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    fi
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo "postgres: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE for the first start" >&2
        exit 1
    fi
    password_file=$(mktemp)
    # initdb takes no empty password; where everybody is trusted, nobody asks for it.
    printf '%s' "${POSTGRES_PASSWORD:-unused}" >"$password_file"
    initdb --username="$user" --pwfile="$password_file" --auth-local=trust --auth-host=scram-sha-256 \
        --locale=C.UTF-8 --encoding=UTF8 --pgdata="$PGDATA"
    rm -f "$password_file"
    echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    if [ "$database" != postgres ]; then
        echo "CREATE DATABASE \"$database\"" | postgres --single -D "$PGDATA" postgres >/dev/null
    fi
fi
unset POSTGRES_PASSWORD
exec "$@"

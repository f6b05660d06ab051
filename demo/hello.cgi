#!/bin/sh
# The greeting from fleet.yaml, and whether the database answers under its name on the fleet's network.
printf 'Content-Type: text/plain\r\n\r\n'
echo "$GREETING"
if nc -w 2 postgres 5432 </dev/null >/dev/null 2>&1; then
    echo "the database is reachable"
else
    echo "the database is not reachable"
fi

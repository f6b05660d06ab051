#!/bin/sh
# For any other build server: commit and branch come from the checkout, the actor from FLEET_ACTOR.
set -eu
fleet validate
code=0
fleet apply --ci --summary summary.md --junit waits.xml --timeout 15m --wait-lease 5m || code=$?
case $code in
    0) ;;
    3) echo "the file is wrong" >&2 ;;
    4) echo "another writer is at work" >&2 ;;
    7) echo "a person has to say yes: it would destroy more than reconcile.max_destroy, or the fleet is frozen" >&2 ;;
    124) echo "it was not ready in time" >&2 ;;
esac
exit "$code"

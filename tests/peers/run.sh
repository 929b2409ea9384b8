#!/usr/bin/env bash
# Runs a peer test in its own Python environment: tests/peers/run.sh SCRIPT.py [ARGUMENTS]
# Without MONZA_SHARED it is skipped (exit code 77), or fails when MONZA_REQUIRE_DATA is 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ -z ${MONZA_SHARED:-} ]]; then
    echo "skipped: needs real models; MONZA_SHARED does not name their folder"
    [[ ${MONZA_REQUIRE_DATA:-} == 1 ]] && exit 1
    exit 77
fi
python=$(flock "$here/make_env.sh" "$here/make_env.sh" | tail -n 1)
script=$1; shift
cd "$here/../.."
exec "$python" "$here/$script" "$@"

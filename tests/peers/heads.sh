#!/usr/bin/env bash
# Masks, poses and turned boxes beside Ultralytics (heads_test.py), in a Python environment of its own:
#   tests/peers/heads.sh [ARGUMENTS]
# Without MONZA_SHARED it is skipped (exit code 77), or fails when MONZA_REQUIRE_DATA is 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ -z ${MONZA_SHARED:-} ]]; then
    echo "skipped: needs photos; MONZA_SHARED does not name their folder"
    [[ ${MONZA_REQUIRE_DATA:-} == 1 ]] && exit 1
    exit 77
fi
env=$here/../../build/heads-venv
[[ -x $env/bin/python ]] || python3 -m venv "$env"
"$env/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements-heads.txt"
exec "$env/bin/python" "$here/heads_test.py" --pictures "$MONZA_SHARED/data/images" "$@"

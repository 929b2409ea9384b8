#!/usr/bin/env bash
# Makes the Python environment of the peer comparisons in build/peers-venv (or the folder given)
# and prints its interpreter. Repeating it only checks the versions. With NNCF, whose packages are many, beside them:
#   tests/peers/make_env.sh [FOLDER [REQUIREMENTS]]
#   tests/peers/make_env.sh build/nncf-venv tests/peers/requirements_nncf.txt
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1:-} == -h || ${1:-} == --help ]]; then sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0; fi
env=${1:-$here/../../build/peers-venv}
requirements=${2:-$here/requirements.txt}

python=
for candidate in python3.12 python3.11 python3; do
    if "$candidate" -c 'import venv' 2>/dev/null; then python=$candidate; break; fi
done
[[ -n $python ]] || { echo "make_env: no Python 3: install python3 and python3-venv" >&2; exit 1; }
if [[ ! -x $env/bin/python ]]; then
    "$python" -m venv "$env" || { echo "make_env: install python3-venv, then try again" >&2; exit 1; }
fi
"$env/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" || {
    echo "make_env: the packages of $requirements could not be fetched" >&2; exit 1; }
echo "$env/bin/python"

#!/usr/bin/env bash
# Logits of small language models as PyPI's transformers computes them (families_golden.py), in a Python environment of
# its own:
#   tests/peers/families.sh [--write] [--only NAME]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
env=$here/../../build/families-venv
[[ -x $env/bin/python ]] || python3 -m venv "$env"
"$env/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements-families.txt"
exec "$env/bin/python" "$here/families_golden.py" "$@"

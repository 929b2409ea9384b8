#!/usr/bin/env bash
# Unpacks the ONNX backend tests of MONZA_SHARED into build/onnx-tests and runs them with `monza conformance`.
# What fails must stand in expected_failures.txt beside this file; what stands there must fail.
# Without MONZA_SHARED it is skipped (exit code 77), or fails when MONZA_REQUIRE_DATA is 1.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ -z ${MONZA_SHARED:-} ]]; then
    echo "skipped: needs the ONNX backend tests; MONZA_SHARED does not name their folder"
    [[ ${MONZA_REQUIRE_DATA:-} == 1 ]] && exit 1
    exit 77
fi
tests=build/onnx-tests
if [[ ! -e $tests/.done ]]; then
    mkdir -p "$tests"
    tar -xJf "$MONZA_SHARED"/data/onnx-backend-tests/*.tar.xz -C "$tests"
    touch "$tests/.done"
fi
exec build/bin/monza conformance "$tests" --expectations tests/conformance/expected_failures.txt

#!/usr/bin/env python3
"""Holds `monza run` against ONNX Runtime on every ONNX model under MONZA_SHARED.

FP32 models: |error| <= 1e-4 of the largest value + 1e-5. Models that quantise: cosine >= 0.999,
or, where ONNX Runtime does not agree with itself that far (optimisations off, inputs changed by
1e-6 relative), at least its own cosine less 0.002. Integer and boolean outputs of FP32 models
must be equal.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/compare_models.py
  ... compare_models.py --filter yolo --extra build/peers/models
"""
import argparse
import json
import pathlib
import sys

import numpy as np

import inputs
import peerlib

# Given to the tool, whose verdict is checked; the limits of this test are judged here.
RTOL, ATOL = 1e-4, 1e-5


def check_output(ours, ref, integer, own) -> tuple[bool, str]:
    """Whether one output agrees, and the evidence in words."""
    if ours is None:
        return False, "missing"
    if ours.shape != ref.shape or ours.dtype != ref.dtype:
        return False, f"is {ours.dtype}{list(ours.shape)}, expected {ref.dtype}{list(ref.shape)}"
    if ref.dtype.kind != "f" and not integer:
        return bool(np.array_equal(ours, ref)), "exact"
    if not np.isfinite(ours).all():
        return False, "not finite"
    if integer:
        least = 0.999 if own >= 0.999 else own - 0.002
        got = peerlib.cosine(ours, ref)
        return got >= least, f"cosine {got:.6f} (at least {least:.6f}, ONNX Runtime with itself {own:.6f})"
    largest = float(np.abs(ref).max()) if ref.size else 0.0
    error = float(np.abs(ours.astype(np.float64) - ref).max()) if ref.size else 0.0
    limit = 1e-4 * largest + 1e-5
    return error <= limit, f"error {error:.2e} (limit {limit:.2e})"


def check_report(report, ours, ref) -> str:
    """What the tool's own comparison says wrongly, or nothing."""
    for name, value in ref.items():
        told = (report or {}).get("outputs", {}).get(name)
        if told is None or set(told) < {"max_abs_error", "max_rel_error", "cosine", "ok"}:
            return f"--json lacks {name}"
        if name in ours and value.size and value.dtype.kind == "f" and ours[name].shape == value.shape:
            difference = np.abs(ours[name].astype(np.float64) - value)
            error, within = float(difference.max()), bool((difference <= ATOL + RTOL * np.abs(value)).all())
            if abs(told["max_abs_error"] - error) > 1e-3 * error + 1e-9:
                return f"--json says max_abs_error {told['max_abs_error']} of {name}, it is {error}"
            if told["ok"] != within and abs(error - ATOL) > 1e-8:
                return f"--json says ok {told['ok']} of {name}, it is {within}"
    return ""


def compare(model, case, feed, tool, folder) -> dict:
    """Runs one input set through both and judges every output."""
    integer = peerlib.is_integer(model)
    ref = peerlib.run(peerlib.session(peerlib.without_saturation(model) if integer else model), feed)
    own = peerlib.self_agreement(model, feed, ref) if integer else {}
    row = {"model": model.stem, "case": case, "integer": integer, "outputs": {}, "ok": False, "error": ""}
    args = peerlib.write_inputs(feed, folder)
    np.savez(folder / "ref.npz", **ref)
    out = folder / "out.npz"
    out.unlink(missing_ok=True)
    code, report, words = peerlib.monza(["run", model, *args, "--output", out, "--expect", folder / "ref.npz",
                                         "--rtol", RTOL, "--atol", ATOL, "--json"], tool)
    # 1 means "not within rtol and atol", which are stricter than the limits here.
    if code not in (0, 1) or not out.exists():
        row["error"] = f"exit {code}: {words}"
        return row
    with np.load(out) as z:
        ours = {k: z[k] for k in z.files}
    for name, value in ref.items():
        ok, words = check_output(ours.get(name), value, integer, own.get(name, 1.0))
        row["outputs"][name] = {"ok": ok, "evidence": words}
    row["error"] = check_report(report, ours, ref)
    row["ok"] = all(o["ok"] for o in row["outputs"].values()) and not row["error"]
    return row


def show(row):
    """One line for a set that agrees, one more for each output that does not."""
    name = row["model"] + (f" [{row['case']}]" if row["case"] else "")
    worst = next((o["evidence"] for o in row["outputs"].values() if not o["ok"]),
                 next((o["evidence"] for o in row["outputs"].values()), ""))
    print(f"{'ok  ' if row['ok'] else 'FAIL'} {name:45} {row['error'].splitlines()[0] if row['error'] else worst}")
    for output, o in row["outputs"].items():
        if not o["ok"]:
            print(f"       {output}: {o['evidence']}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--extra", nargs="*", default=[], help="more ONNX files or folders of them")
    parser.add_argument("--filter", default="", help="only models whose name contains this")
    parser.add_argument("--json", type=pathlib.Path, help="also write the results to this file")
    args = parser.parse_args()
    rows = []
    for model in peerlib.models(args.extra):
        if args.filter not in model.stem:
            continue
        for case, feed in inputs.cases(model):
            folder = peerlib.WORK / "compare" / f"{model.stem}{'-' + case if case else ''}"
            rows.append(compare(model, case, feed, args.tool, folder))
            show(rows[-1])
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    failed = sum(not r["ok"] for r in rows)
    print(f"{len(rows) - failed} of {len(rows)} input sets agree")
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()

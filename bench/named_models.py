#!/usr/bin/env python3
"""Real models from packages (tests/peers/fetch_named.sh) in Monza beside ONNX Runtime, 1 thread: does each run, does it
agree, how long does it take.

Inputs are drawn: what a model declares, and extents for the dimensions that it leaves open. The error is the largest
difference over the largest value of ONNX Runtime's output; times are the least of interleaved rounds. Prints a Markdown
table, worst first.

  tests/peers/fetch_named.sh && MONZA_SHARED=DIR build/peers-venv/bin/python bench/named_models.py
"""
import argparse
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "peers"), str(ROOT / "bench")]
import inputs
import operators
import peerlib

WORK = ROOT / "build" / "peers" / "named_runs"

# Extents of open dimensions by a part of the file's name: what the model's own package feeds it.
EXTENTS = {"_rec": {2: 48, 3: 320}, "_det": {2: 320, 3: 320}, "_cls": {2: 48, 3: 192},
           "silero_vad": {"input": {1: 576}, "state": {1: 1}}}
# Below what the indices of a model lie that has fewer than names of inputs tell.
TOKENS = {"bilstm": 54}


def feed_of(session, name):
    """Inputs of the declared types; open extents are 1 for the first axis, else as EXTENTS says, 320 for pictures, 32."""
    rng = np.random.default_rng(0)
    feed = {}
    for i in session.get_inputs():
        special = next((e for word, e in EXTENTS.items() if word in name), {})
        special = special.get(i.name, special)
        picture = len(i.shape) == 4 and i.shape[1] == 3
        shape = [d if isinstance(d, int) else special.get(k, 1 if k == 0 else 320 if picture else 32)
                 for k, d in enumerate(i.shape)]
        feed[i.name] = inputs._values(i.name, shape, np.dtype(inputs.NUMPY[i.type[7:-1]]), rng)
        if tokens := next((t for word, t in TOKENS.items() if word in name), None):
            feed[i.name] %= tokens
    return feed


def error_of(got, want):
    """The largest difference of all outputs over the largest value of each."""
    worst = 0.0
    for name, value in want.items():
        value, have = np.asarray(value, np.float64), np.asarray(got[name], np.float64)
        if value.shape != have.shape:
            return float("inf")
        if value.size:
            worst = max(worst, float(np.abs(have - value).max() / max(np.abs(value).max(), 1e-30)))
    return worst


def measure(model, args):
    row = {"name": model.stem}
    try:
        session = peerlib.session(model)
        feed = feed_of(session, model.stem)
        want = dict(zip([o.name for o in session.get_outputs()], session.run(None, feed)))
    except Exception as error:
        return {**row, "note": f"ONNX Runtime does not run it on drawn inputs: {str(error).splitlines()[0][:90]}"}
    folder = WORK / model.stem
    folder.mkdir(parents=True, exist_ok=True)
    try:
        got = peerlib.monza_run(model, feed, folder, extra=["--threads", 1, "-q"])
    except RuntimeError as error:
        return {**row, "note": str(error)[:200].replace("\n", " ")}
    row["error"] = error_of(got, want)
    engine = folder / "m.engine"
    shapes = [a for n, v in feed.items() for a in ("--shape", f"{n}={'x'.join(map(str, v.shape))}")] if any(
        not isinstance(d, int) for i in session.get_inputs() for d in i.shape) else []
    code, _, words = peerlib.monza(["build", model, "--output", engine, "--threads", 1, "-q", *shapes])
    if code != 0:
        return {**row, "note": words[:200].replace("\n", " ")}
    files = [a for k, n in enumerate(feed) for a in ("--input", f"{n}={folder / f'input_{k}.npy'}")]
    ours, theirs = float("inf"), float("inf")
    for _ in range(args.rounds):
        theirs = min(theirs, operators.time_ort(session, feed, args.seconds))
        code, found, words = peerlib.monza(["bench", engine, *files, "--threads", 1, "--warmup", 0.05, "--duration",
                                            args.seconds, "--json", "-q"])
        if code != 0:
            return {**row, "note": words[:200].replace("\n", " ")}
        ours = min(ours, found["latency_ms"]["min"])
    return {**row, "ort": theirs, "monza": ours, "ratio": ours / theirs, "note": ""}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "peers" / "named")
    parser.add_argument("--filter", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    rows = [measure(m, args) for m in sorted(args.models.glob("*.onnx")) if args.filter in m.stem]
    rows.sort(key=lambda r: -r.get("ratio", 1e9))
    print("| model | error | ONNX Runtime, ms | Monza, ms | ratio | |\n|---|---|---|---|---|---|")
    for r in rows:
        number = lambda key, form: format(r[key], form) if key in r else ""
        print(f"| {r['name']} | {number('error', '.1e')} | {number('ort', '.2f')} | {number('monza', '.2f')} | "
              f"{number('ratio', '.2f')} | {r['note']} |")


if __name__ == "__main__":
    main()

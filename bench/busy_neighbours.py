#!/usr/bin/env python3
"""Monza beside ONNX Runtime and OpenVINO while foreign threads keep the CPUs busy, as on a shared server.

Starts --neighbours processes that only compute (by default as many as there are CPUs), then times all three in turn, each
in its own process, with as many threads as CPUs, for several rounds. The least of the rounds' medians counts, since a median says what a user
waits among neighbours. Prints a Markdown table with the times without neighbours beside it; exits 1 when a peer is faster.

  MONZA_SHARED=DIR build/peers-venv/bin/python bench/busy_neighbours.py MODEL.onnx ... [--threads 2]
"""
import argparse
import contextlib
import multiprocessing
import os
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "peers"))
import compare
import inputs


def burn(started):
    """Multiplies small matrices for ever: a neighbour that uses vector units, and no memory to speak of."""
    a = np.random.default_rng(1).random(512)
    started.release()
    while True:
        a = a * 0.999 + 0.001


@contextlib.contextmanager
def neighbours(count):
    """`count` busy processes while the block runs."""
    os.environ["OMP_NUM_THREADS"] = "1"
    started = multiprocessing.Semaphore(0)
    crowd = [multiprocessing.Process(target=burn, args=(started,), daemon=True) for _ in range(count)]
    for process in crowd:
        process.start()
    for _ in crowd:
        started.acquire()
    try:
        yield
    finally:
        for process in crowd:
            process.terminate()
            process.join()


def medians(model, npz, engine, args) -> dict:
    """The least median of all rounds by engine, in milliseconds, or why there is none."""
    found = {"ort": [], "openvino": [], "monza": []}
    for _ in range(args.rounds):
        for which in ("ort", "openvino"):
            found[which].append(compare.peer(which, model, npz, args.threads, args))
        found["monza"].append(compare.monza(engine, npz, args.threads, args))
    for which, rounds in found.items():
        bad = next((r["error"] for r in rounds if "latency_ms" not in r), None)
        if bad:
            sys.exit(f"{which}: {bad}")
    return {which: min(r["latency_ms"]["median"] for r in rounds) for which, rounds in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, help="ONNX files")
    parser.add_argument("--tool", type=pathlib.Path, default=compare.peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--neighbours", type=int, default=len(os.sched_getaffinity(0)), help="busy processes (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (%(default)s)")
    args = parser.parse_args()
    args.precision = "fp32"
    compare.WORK.mkdir(parents=True, exist_ok=True)
    print(f"{compare.processor()}; {args.threads} threads, {args.neighbours} busy neighbours, "
          f"least median of {args.rounds} x {args.seconds} s\n")
    print("| model | neighbours | ONNX Runtime ms | OpenVINO ms | Monza ms | ratio |\n|---|---|---|---|---|---|")
    worst = 0.0
    for model in args.models:
        feed = next(iter(dict(inputs.cases(model)).values()))
        npz = compare.WORK / f"{model.stem}.npz"
        np.savez(npz, **feed)
        engine, refused = compare.build(model, feed, args.threads, args)  # timed on a quiet machine, as users build
        if refused:
            sys.exit(refused)
        for count in (0, args.neighbours):
            with neighbours(count):
                ms = medians(model, npz, engine, args)
            ratio = ms["monza"] / min(ms["ort"], ms["openvino"])
            worst = max(worst, ratio)
            print(f"| {model.stem} | {count} | {ms['ort']:.1f} | {ms['openvino']:.1f} | {ms['monza']:.1f} | {ratio:.2f} |",
                  flush=True)
    sys.exit(0 if worst <= 1 else 1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What the first inference costs: load, context and first run, less a steady run, each in a process of its own.

Each model is built once, then `monza bench` loads the engine, makes a context and runs it, --runs times over.
Nothing else may run: on two CPUs, any other process takes one of the threads' time. Prints a Markdown table.

  MONZA_SHARED=DIR build/peers-venv/bin/python bench/first_inference.py MODEL.onnx ... --threads 1 2
"""
import argparse
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "peers"))
import inputs
import peerlib
from compare import processor, shape_args, has_free_extents

WORK = ROOT / "build" / "peers" / "bench"


def extra_ms(engine, threads, args) -> tuple[float, float]:
    """Milliseconds from before the load to the first result that a steady run does not take, and those that it takes."""
    time.sleep(0.2)  # what the process before has left to the system is done
    code, found, words = peerlib.monza(["bench", engine, "--threads", threads, "--iterations", args.iterations,
                                        "--warmup", 0, "--json"], args.tool)
    if code != 0 or not found:
        sys.exit(f"bench ended with {code}: {words}")
    steady = found["latency_ms"]["median"]
    return found["load_ms"] + found["context_ms"] + found["first_run_ms"] - steady, steady


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, help="ONNX files")
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=20, help="processes for each row (%(default)s)")
    parser.add_argument("--iterations", type=int, default=10, help="steady runs of each process (%(default)s)")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    print(f"{processor()}; {args.runs} processes each\n")
    print("| model | threads | steady ms | load + context + first, less steady, ms: median | least | 90 % | most |\n"
          "|---|---|---|---|---|---|---|")
    for model in args.models:
        for threads in args.threads:
            engine = WORK / f"{model.stem}-{threads}-first.engine"
            feed = next(iter(dict(inputs.cases(model)).values()))
            shapes = shape_args(feed) if has_free_extents(model) else []
            code, _, words = peerlib.monza(["build", model, "--output", engine, "--threads", threads, *shapes], args.tool)
            if code != 0:
                sys.exit(f"build ended with {code}: {words}")
            measured = [extra_ms(engine, threads, args) for _ in range(args.runs)]
            extra = sorted(m[0] for m in measured)
            print(f"| {model.stem} | {threads} | {statistics.median(m[1] for m in measured):.1f} | "
                  f"{statistics.median(extra):.1f} | {extra[0]:.1f} | {extra[len(extra) * 9 // 10]:.1f} | {extra[-1]:.1f} |",
                  flush=True)


if __name__ == "__main__":
    main()

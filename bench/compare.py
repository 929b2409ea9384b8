#!/usr/bin/env python3
"""Monza beside ONNX Runtime and OpenVINO on every model, in one run on this machine.

Each model is built into an engine file, then all three are timed in turn, each in its own process,
for several rounds; the least latency of all rounds counts. The ratio is Monza's time over the faster
peer's: below 1 Monza is faster. Prints a Markdown table; --json writes all figures.

  MONZA_SHARED=DIR build/peers-venv/bin/python bench/compare.py --models build/peers/models
  ... bench/compare.py --filter resnet --threads 1 --seconds 5
  ... bench/compare.py --precision bf16 --filter vit
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "peers"))
import inputs
import peerlib

WORK = ROOT / "build" / "peers" / "bench"


def chosen(extra, word) -> list[pathlib.Path]:
    """The models to time; the first of two files with one name counts."""
    found = {}
    for model in peerlib.models(extra):
        if word in model.stem:
            found.setdefault(model.stem, model)
    return list(found.values())


def peer(which, model, npz, threads, args) -> dict:
    """One measurement of a peer, or why there is none."""
    done = subprocess.run([sys.executable, ROOT / "bench" / "peer_bench.py", which, model, "--inputs", npz,
                           "--threads", str(threads), "--seconds", str(args.seconds),
                           "--precision", args.precision if which == "openvino" else "fp32"],
                          capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}


def shape_args(feed) -> list[str]:
    """--shape for each input."""
    return [a for name, v in feed.items() for a in ("--shape", f"{name}={'x'.join(map(str, v.shape))}")]


def build(model, feed, threads, args) -> tuple[pathlib.Path, str]:
    """The engine file for this number of threads, and the tool's words if there is none."""
    engine = WORK / f"{model.stem}-{threads}-{args.precision}.engine"
    engine.unlink(missing_ok=True)
    shapes = shape_args(feed) if has_free_extents(model) else []
    code, _, words = peerlib.monza(["build", model, "--output", engine, "--threads", threads,
                                    "--precision", args.precision, *shapes], args.tool, timeout=1200)
    return engine, "" if code == 0 and engine.exists() else f"build ended with {code}: {words}"


def has_free_extents(model) -> bool:
    """True when an input leaves an extent open."""
    return any(not isinstance(d, int) for i in peerlib.session(model, optimise=False).get_inputs() for d in i.shape)


def monza(engine, npz, threads, args) -> dict:
    """One measurement of an engine file, on the inputs that the peers get."""
    code, found, words = peerlib.monza(["bench", engine, "--input", npz, "--threads", threads,
                                        "--duration", args.seconds, "--json"], args.tool)
    if code != 0 or not found:
        return {"error": f"bench ended with {code}: {words}"}
    return {**found, "memory_mib": found["peak_rss_mib"] - found["rss_before_mib"]}


def best(rounds) -> dict:
    """The round with the least latency, or the error of the first."""
    good = [r for r in rounds if "latency_ms" in r]
    return min(good, key=lambda r: r["latency_ms"]["min"]) if good else rounds[0]


def measure(model, threads, args) -> dict:
    """All three on one model at one number of threads, in turn."""
    sets = dict(inputs.cases(model))
    name = "cached" if "cached" in sets else next(iter(sets))
    feed = sets[name]
    npz = WORK / f"{model.stem}.npz"
    np.savez(npz, **feed)
    row = {"model": model.stem, "case": name, "threads": threads, "precision": args.precision}
    engine, refused = build(model, feed, threads, args)
    rounds = {"ort": [], "openvino": [], "monza": []}
    for _ in range(args.rounds):
        for which in ("ort", "openvino"):
            rounds[which].append(peer(which, model, npz, threads, args))
        rounds["monza"].append({"error": refused} if refused else monza(engine, npz, threads, args))
    row.update({k: best(v) for k, v in rounds.items()})
    rivals = [row[k]["latency_ms"]["min"] for k in ("ort", "openvino") if "latency_ms" in row[k]]
    if rivals and "latency_ms" in row["monza"]:
        row["ratio"] = row["monza"]["latency_ms"]["min"] / min(rivals)
    return row


def cell(found) -> str:
    return f"{found['latency_ms']['min']:.2f}" if "latency_ms" in found else "-"


def line(row, limit) -> str:
    """One row of the table."""
    ratio = f"{row['ratio']:.2f}{'' if row['ratio'] <= limit else ' (!)'}" if "ratio" in row else "-"
    memory = " / ".join(f"{row[k]['memory_mib']:.0f}" if "memory_mib" in row[k] else "-" for k in ("ort", "monza"))
    load = " / ".join(f"{row[k]['load_ms']:.1f}" if "load_ms" in row[k] else "-" for k in ("ort", "monza"))
    return (f"| {row['model']} | {row['threads']} | {cell(row['ort'])} | {cell(row['openvino'])} | "
            f"{cell(row['monza'])} | {ratio} | {load} | {memory} |")


def processor() -> str:
    """The CPU's model and the CPUs that this process may use."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = next((l.split(":")[1].strip() for l in text.splitlines() if l.startswith("model name")), "unknown CPU")
    return f"{name}, {len(os.sched_getaffinity(0))} CPUs"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--models", nargs="*", default=[], help="more ONNX files or folders of them")
    parser.add_argument("--filter", default="", help="only models whose name contains this")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each (%(default)s)")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32",
                        help="of monza and OpenVINO; ONNX Runtime runs the file as it is")
    parser.add_argument("--limit", type=float, default=1.3, help="mark ratios above this; exit 1 if any (%(default)s)")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure to this file")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    print(f"{processor()}; batch 1, {args.precision}, least of {args.rounds} x {args.seconds} s\n")
    print("| model | threads | ONNX Runtime ms | OpenVINO ms | Monza ms | ratio | load ms, ORT / Monza "
          "| memory MiB, ORT / Monza |\n|---|---|---|---|---|---|---|---|")
    rows = []
    for model in chosen(args.models, args.filter):
        for threads in args.threads:
            rows.append(measure(model, threads, args))
            print(line(rows[-1], args.limit), flush=True)
    for row in rows:
        if "error" in row["monza"] and row["threads"] == args.threads[0]:
            print(f"\n{row['model']}: {row['monza']['error']}")
    if args.json:
        args.json.write_text(json.dumps({"processor": processor(), "rows": rows}, indent=1))
    ratios = [r["ratio"] for r in rows if "ratio" in r]
    if ratios:
        print(f"\ngeometric mean of the ratios {np.exp(np.mean(np.log(ratios))):.3f} over {len(ratios)} rows, "
              f"largest {max(ratios):.2f}")
    sys.exit(0 if rows and len(ratios) == len(rows) and max(ratios) <= args.limit else 1)


if __name__ == "__main__":
    main()

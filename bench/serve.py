#!/usr/bin/env python3
"""What `monza serve` adds to what the engine costs: a table of requests a second and of latency, beside `monza bench`.

The server runs on one CPU, the load on another. For each model, at each batch: `monza bench` on the server's CPU, then the server
with one client, with several, and with as many as it takes, in turn for several rounds; the best of the rounds counts, since what
disturbs only slows. `overhead` is the median latency of one client above bench's median. Prints a Markdown table.

  MONZA_SHARED=DIR python3 bench/serve.py [MODEL.onnx[:SHAPES] ...] [--rounds 3] [--seconds 3]

SHAPES as `monza bench --shape` takes them, with commas between: bert.onnx:sequence=128.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOL = pathlib.Path(os.environ.get("MONZA_TOOL", ROOT / "build" / "bin" / "monza"))
CROWDS = (1, 8, 32)


def tool(cpu, *words):
    done = subprocess.run(["taskset", "-c", str(cpu), str(TOOL), *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout)


class Server:
    """Serves one engine on one CPU while the block runs."""

    def __init__(self, cpu, engine, options):
        words = ["taskset", "-c", str(cpu), str(TOOL), "serve", str(engine), "--threads", "1", "--http-port", "0", "--grpc-port", "-1", "--metrics-port", "-1", "--json", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["http_port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def load(cpu, port, name, seconds, concurrency, shapes):
    words = [word for shape in shapes for word in ("--shape", shape)]
    return tool(cpu, "load", f"http://127.0.0.1:{port}/v2/models/{name}", "--concurrency", concurrency, "--duration", seconds, "--warmup", "0.3", "--json", *words)


def measure(model, shapes, args):
    """Best figures of the rounds: bench's median and rate, and (median, p99, rows a second) by crowd."""
    with tempfile.TemporaryDirectory() as folder:
        engine = pathlib.Path(folder) / (model.stem + ".engine")
        options = [word for shape in shapes for word in ("--shape", shape)]
        tool(args.server_cpu, "build", model, "--output", engine, "--threads", "1", "--quiet", "--json", *options)
        best, crowds = None, {}
        for _ in range(args.rounds):
            raw = tool(args.server_cpu, "bench", engine, "--threads", "1", "--duration", args.seconds, "--json")
            if best is None or raw["latency_ms"]["median"] < best["latency_ms"]["median"]:
                best = raw
            with Server(args.server_cpu, engine, args.option) as server:
                for crowd in CROWDS:
                    r = load(args.load_cpu, server.port, engine.stem, args.seconds, crowd, [])
                    if r["lost"] or set(r["statuses"]) - {"200"}:
                        sys.exit(f"{model.name}: {r}")
                    if crowd not in crowds or r["requests_per_s"] > crowds[crowd]["requests_per_s"]:
                        crowds[crowd] = r
    return best, crowds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    parser.add_argument("--option", action="append", default=[], help="of `monza serve` (repeat)")
    args = parser.parse_args()
    models = args.models or [str(pathlib.Path(os.environ["MONZA_SHARED"]) / "models" / "onnx" / name) for name in ("opt-mnist.onnx", "yolov8n.onnx")]
    print("| model | bench, ms | bench, runs/s | " + " | ".join(f"{c} client{'s' * (c > 1)}: median ms / p99 / per s" for c in CROWDS) + " | overhead, us | most of bench |")
    print("|---|" + "---|" * (len(CROWDS) + 4))
    for text in models:
        file, _, shapes = text.partition(":")
        raw, crowds = measure(pathlib.Path(file), shapes.split(",") if shapes else [], args)
        cells = [f"{r['latency_ms']['median']:.3f} / {r['latency_ms']['p99']:.3f} / {r['rows_per_s']:.0f}" for r in crowds.values()]
        overhead = (crowds[1]["latency_ms"]["median"] - raw["latency_ms"]["median"]) * 1e3
        share = max(r["rows_per_s"] for r in crowds.values()) / raw["throughput_per_s"]
        print(f"| {pathlib.Path(file).stem} | {raw['latency_ms']['median']:.4f} | {raw['throughput_per_s']:.0f} | {' | '.join(cells)} | {overhead:.0f} | {100 * share:.0f} % |", flush=True)


if __name__ == "__main__":
    main()

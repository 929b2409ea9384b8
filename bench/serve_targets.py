#!/usr/bin/env python3
"""The targets of serving as one table: what is asked for, what was measured, in one run beside `monza bench`.

The server runs on one CPU, the load on another. Rounds alternate between the raw engine and the server; the best of the rounds
counts, since what else the machine does only slows. Overload and drain are one run each.

  tiny model       requests a second over HTTP (binary tensors, keep-alive; `monza load`) and gRPC (`h2load`, Debian's
                   nghttp2-client), and the median latency of one client above that of `monza bench`
  batches          rows a second at each batch beside `monza bench` at that batch, clients sending single rows
  overload         single rows at three times what the model takes: those that were computed, beside the peak
  drain            SIGTERM under load again and again, until so many requests were sent: none may be lost (gRPC: where
                   tritonclient is, as in the environment of tests/peers/make_env.sh)

  MONZA_SHARED=DIR python3 bench/serve_targets.py [--model FILE.onnx[:BATCHES] ...] [--rounds 3] [--seconds 3] [--drain 100000]
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

from serve import TOOL, load, tool

CROWDS = (1, 8, 32)


class Server:
    """Serves engines on one CPU while the block runs."""

    def __init__(self, cpu, engines, *options):
        words = ["taskset", "-c", str(cpu), str(TOOL), "serve", *map(str, engines), "--threads", "1", "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", "--json", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        said = json.loads(self.process.stdout.readline())
        self.port, self.grpc_port, self.metrics_port = said["http_port"], said["grpc_port"], said["metrics_port"]

    def get(self, path, metrics=False):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port if metrics else self.port}{path}") as answer:
            return answer.read().decode()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end()


def varint(n) -> bytes:
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def grpc_message(metadata) -> bytes:
    """A ModelInferRequest of zeros for a model's single row, as gRPC frames it."""
    sizes = {"FP32": 4, "INT64": 8, "INT32": 4, "UINT8": 1}
    message, raw = field(1, metadata["name"].encode()), b""
    for one in metadata["inputs"]:
        shape = [max(1, n) for n in one["shape"]]
        message += field(5, field(1, one["name"].encode()) + field(2, one["datatype"].encode()) + field(3, b"".join(map(varint, shape))))
        count = 1
        for n in shape:
            count *= n
        raw += field(7, bytes(count * sizes[one["datatype"]]))
    message += raw
    return b"\0" + len(message).to_bytes(4, "big") + message


def grpc_ok(server) -> int:
    found = re.search(r'monza_grpc_answers_total\{code="0"\} (\d+)', server.get("/metrics", metrics=True))
    return int(found.group(1)) if found else 0


def h2load(cpu, server, name, seconds, clients, folder):
    """Requests a second that were answered with OK, and the median latency in ms."""
    body, log = folder / "body", folder / "log"
    body.write_bytes(grpc_message(json.loads(server.get(f"/v2/models/{name}"))))
    log.unlink(missing_ok=True)
    before = grpc_ok(server)
    subprocess.run(["taskset", "-c", str(cpu), "h2load", "-c", str(clients), "-m", "1", "-D", str(seconds), "-d", body, "--log-file", log, "-H", "content-type: application/grpc",
                    "-H", "te: trailers", f"http://127.0.0.1:{server.grpc_port}/inference.GRPCInferenceService/ModelInfer"], check=True, stdout=subprocess.DEVNULL)
    times = [int(line.split()[2]) for line in log.read_text().splitlines()]
    return (grpc_ok(server) - before) / seconds, statistics.median(times) / 1e3


def row(what, asked, measured):
    print(f"| {what} | {asked} | {measured} |", flush=True)


def build(args, model, folder, batch=1):
    engine = folder / f"{model.stem}.engine"
    shape = ["--max-shape", f"{batch_symbol(model)}={batch}"] if batch > 1 else []
    tool(args.server_cpu, "build", model, "--output", engine, "--threads", "1", "--quiet", "--json", *shape)
    return engine


def batch_symbol(model):
    """The model's name for its first dimension; a number where it is fixed."""
    inputs = tool(0, "inspect", model, "--json")["inputs"]
    return str(inputs[0]["shape"][0])


def tiny(args, folder):
    model = pathlib.Path(os.environ["MONZA_SHARED"]) / "models" / "onnx" / "opt-mnist.onnx"
    engine = build(args, model, folder)
    raw, http, http_ms, grpc, grpc_ms = [], [], [], [], []
    for _ in range(args.rounds):
        raw.append(tool(args.server_cpu, "bench", engine, "--threads", "1", "--duration", args.seconds, "--json")["latency_ms"]["median"])
        with Server(args.server_cpu, [engine]) as server:
            for crowd in CROWDS:
                r = load(args.load_cpu, server.port, model.stem, args.seconds, crowd, [])
                http.append(r["requests_per_s"])
                if crowd == 1:
                    http_ms.append(r["latency_ms"]["median"])
                if shutil.which("h2load"):
                    rate, ms = h2load(args.load_cpu, server, model.stem, args.seconds, crowd, folder)
                    grpc.append(rate)
                    if crowd == 1:
                        grpc_ms.append(ms)
    row("opt-mnist, the run alone", "", f"{min(raw) * 1e3:.1f} us")
    row("opt-mnist, HTTP binary", "50,000/s", f"{max(http):,.0f}/s")
    row("opt-mnist, HTTP, one client's median above the run", "25 us", f"{(min(http_ms) - min(raw)) * 1e3:.0f} us")
    if grpc:
        row("opt-mnist, gRPC", "35,000/s", f"{max(grpc):,.0f}/s")
        row("opt-mnist, gRPC, one client's median above the run", "25 us", f"{(min(grpc_ms) - min(raw)) * 1e3:.0f} us")
    else:
        row("opt-mnist, gRPC", "35,000/s", "not measured: no h2load")
    return engine


def batches(args, text, folder):
    file, _, sizes = text.partition(":")
    model = pathlib.Path(file)
    for size in map(int, sizes.split(",") if sizes else ["1"]):
        engine = build(args, model, folder, size)
        raw, served = [], []
        shape = ["--shape", f"{batch_symbol(model)}={size}"] if size > 1 else []
        for _ in range(args.rounds):
            raw.append(size * tool(args.server_cpu, "bench", engine, "--threads", "1", "--duration", args.seconds, "--json", *shape)["throughput_per_s"])
            with Server(args.server_cpu, [engine]) as server:
                served.append(load(args.load_cpu, server.port, model.stem, args.seconds, 2 * size, [])["rows_per_s"])
        share = max(s / r for s, r in zip(served, raw))
        row(f"{model.stem}, batch {size}: {max(served):.1f} rows/s of {max(raw):.1f}", "90 % of bench", f"{100 * share:.0f} %")
        if size == 1:
            overload(args, engine, max(served))


def overload(args, engine, peak):
    """Three times what the model takes, with a short queue: refusals are answers, too, and cost the same CPU."""
    with Server(args.server_cpu, [engine], "--max-queue", "2") as server:
        url = f"http://127.0.0.1:{server.port}/v2/models/{engine.stem}"
        r = tool(args.load_cpu, "load", url, "--rate", 3 * peak, "--concurrency", 64, "--duration", 4 * args.seconds, "--json")
    good = r["statuses"].get("200", 0) / r["seconds"]
    row(f"{engine.stem}, overload: {sum(r['statuses'].values()) / r['seconds']:.1f}/s answered, {good:.1f}/s computed", "95 % of the peak", f"{100 * good / peak:.0f} %, {r['lost']} lost")


def drain(args, engine):
    """Servers that are ended under load, until enough requests were sent."""
    sent = lost = cut = ends = 0
    while sent < args.drain:
        with Server(args.server_cpu, [engine]) as server:
            words = ["taskset", "-c", str(args.load_cpu), TOOL, "load", f"http://127.0.0.1:{server.port}/v2/models/{engine.stem}", "--concurrency", "8", "--duration", "30", "--warmup", "0", "--json"]
            client = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            time.sleep(1)
            cut += server.end() != 0
            r = json.loads(client.communicate()[0])
        sent, lost, ends = sent + r["answered"] + r["lost"], lost + r["lost"], ends + 1
    row(f"drain over HTTP: {sent:,} requests, {ends} ends", "0 lost", f"{lost} lost, {cut} servers cut somebody off")


def drain_grpc(args, engine):
    """The same by Triton's client. A refusal that says to come again, and a connection that none was made of, lose nothing."""
    try:
        import numpy
        import tritonclient.grpc as grpc
        from tritonclient.utils import InferenceServerException
    except ImportError:
        return row("drain over gRPC", "0 lost", "not measured: run in the environment of tests/peers/make_env.sh")
    kinds = {"FP32": "float32", "INT64": "int64", "INT32": "int32", "UINT8": "uint8"}
    sent, lost, cut, ends = 0, [], 0, 0
    while sent < args.drain:
        with Server(args.server_cpu, [engine]) as server:
            client = grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
            inputs = []
            for one in json.loads(server.get(f"/v2/models/{engine.stem}"))["inputs"]:
                given = grpc.InferInput(one["name"], [max(1, n) for n in one["shape"]], one["datatype"])
                given.set_data_from_numpy(numpy.zeros(given.shape(), kinds[one["datatype"]]))
                inputs.append(given)

            def ask(counts):
                while True:
                    try:
                        client.infer(engine.stem, inputs)
                    except InferenceServerException as e:
                        if "is ending" not in str(e) and "connect" not in str(e):
                            lost.append(str(e))
                        return
                    counts[0] += 1

            counts = [[0] for _ in range(8)]
            threads = [threading.Thread(target=ask, args=(one,)) for one in counts]
            for thread in threads:
                thread.start()
            time.sleep(4)
            cut += server.end() != 0
            for thread in threads:
                thread.join()
        sent, ends = sent + sum(one[0] for one in counts) + 8, ends + 1
    row(f"drain over gRPC: {sent:,} requests, {ends} ends", "0 lost", f"{len(lost)} lost {lost[:1] or ''}, {cut} servers cut somebody off")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="FILE.onnx[:1,2,4,8], of which batches are measured (repeat)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--drain", type=int, default=100_000)
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    args = parser.parse_args()
    print("| what | asked for | measured |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        engine = tiny(args, folder)
        for text in args.model or [str(pathlib.Path(os.environ["MONZA_SHARED"]) / "models" / "onnx" / "yolov8n.onnx")]:
            batches(args, text, folder)
        drain(args, engine)
        drain_grpc(args, engine)


if __name__ == "__main__":
    main()

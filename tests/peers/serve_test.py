#!/usr/bin/env python3
"""`monza serve` driven by Triton's own Python client, unchanged, beside ONNX Runtime.

Starts a server on ports of its own with a small network and a model with an open batch, asks for all that the client knows,
compares outputs in both forms (JSON, binary), sends from many threads, and ends the server while it is under load.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/serve_test.py
"""
import argparse
import concurrent.futures
import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

import peerlib

CLIENTS = 8


def rows_model(path: pathlib.Path):
    """y = tanh(x w), c = the sum of each row of k: rows of a batch whose size is open."""
    info, helper = onnx.TensorProto, onnx.helper
    w = np.random.default_rng(0).standard_normal((16, 4)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Tanh", ["p"], ["y"]),
         helper.make_node("ReduceSum", ["k", "axes"], ["c"], keepdims=0)], "rows",
        [helper.make_tensor_value_info("x", info.FLOAT, ["batch", 16]), helper.make_tensor_value_info("k", info.INT64, ["batch", 3])],
        [helper.make_tensor_value_info("y", info.FLOAT, ["batch", 4]), helper.make_tensor_value_info("c", info.INT64, ["batch"])],
        [onnx.numpy_helper.from_array(w, "w"), onnx.numpy_helper.from_array(np.array([1], np.int64), "axes")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


class Server:
    """The tool, serving; ended by SIGTERM."""

    def __init__(self, tool, models, *options):
        words = [str(tool), "serve", *map(str, models), "--http-port", "0", "--metrics-port", "0", "--json", "--quiet", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the server did not start: exit code {self.process.wait()}")
        self.said = json.loads(line)
        self.address = f"127.0.0.1:{self.said['http_port']}"

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def expect(truth, what):
    print(("ok    " if truth else "FAIL  ") + what, flush=True)
    expect.failed += not truth


expect.failed = 0


def inputs_of(feed, binary):
    inputs = []
    for name, value in feed.items():
        one = http.InferInput(name, list(value.shape), {"float32": "FP32", "int64": "INT64"}[str(value.dtype)])
        one.set_data_from_numpy(value, binary_data=binary)
        inputs.append(one)
    return inputs


def refusal(call) -> str:
    try:
        call()
    except InferenceServerException as e:
        return str(e)
    return ""


def check_interface(client):
    expect(client.is_server_live() and client.is_server_ready(), "live and ready")
    expect(client.get_server_metadata()["name"] == "monza", "server metadata")
    expect(client.is_model_ready("rows") and client.is_model_ready("rows", "1") and not client.is_model_ready("none"), "model ready")
    metadata = client.get_model_metadata("rows")
    expect(metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 16]}, {"name": "k", "datatype": "INT64", "shape": [-1, 3]}],
           "model metadata")
    expect(client.get_model_config("rows")["max_batch_size"] == 8, "model config")
    expect({m["name"] for m in client.get_model_repository_index()} == {"rows", "opt-mnist"}, "repository index")


def check_outputs(client, sessions, random):
    for name, feeds in {"opt-mnist": [{"Input3": random.standard_normal((1, 1, 28, 28), np.float32)}],
                        "rows": [{"x": random.standard_normal((n, 16), np.float32), "k": random.integers(-9, 9, (n, 3))} for n in (1, 3, 8)]}.items():
        for feed in feeds:
            wanted = sessions[name].run(None, feed)
            names = [o.name for o in sessions[name].get_outputs()]
            for send in (True, False):
                for receive in (True, False):
                    outputs = [http.InferRequestedOutput(o, binary_data=receive) for o in names]
                    result = client.infer(name, inputs_of(feed, send), outputs=outputs, request_id="r-1")
                    same = all(np.allclose(result.as_numpy(o), w, rtol=1e-4, atol=1e-5) and result.as_numpy(o).shape == w.shape
                               and result.as_numpy(o).dtype == w.dtype for o, w in zip(names, wanted))
                    expect(same and result.get_response()["id"] == "r-1",
                           f"{name} {list(next(iter(feed.values())).shape)}, {'bytes' if send else 'JSON'} in, {'bytes' if receive else 'JSON'} out")
            result = client.infer(name, inputs_of(feed, True))
            expect(all(np.allclose(result.as_numpy(o), w, rtol=1e-4, atol=1e-5) for o, w in zip(names, wanted)), f"{name}, outputs not named")


def check_refusals(client):
    x, k = np.zeros((9, 16), np.float32), np.zeros((9, 3), np.int64)
    cases = {
        "the model takes [1..8,16]": lambda: client.infer("rows", inputs_of({"x": x, "k": k}, True)),
        "input 'k' is missing": lambda: client.infer("rows", inputs_of({"x": x[:1]}, True)),
        "there is no model 'none'": lambda: client.infer("none", inputs_of({"x": x}, True)),
        "has no version '7'": lambda: client.get_model_metadata("rows", "7"),
        "the extension 'systemsharedmemory' is not supported": client.get_system_shared_memory_status,
        "cannot be loaded and unloaded": lambda: client.load_model("rows"),
        "the classification extension is not supported":
            lambda: client.infer("rows", inputs_of({"x": x[:1], "k": k[:1]}, True), outputs=[http.InferRequestedOutput("y", class_count=2)]),
        "Content-Encoding": lambda: client.infer("rows", inputs_of({"x": x[:1], "k": k[:1]}, True), request_compression_algorithm="gzip"),
        "sequences are not supported": lambda: client.infer("rows", inputs_of({"x": x[:1], "k": k[:1]}, True), sequence_id=5, sequence_start=True),
    }
    for words, call in cases.items():
        said = refusal(call)
        expect(words in said, f"refused: {said}")


def check_crowd(address, client, session, random):
    """Rows of many requests share runs, and each gets its own."""
    feeds = [{"x": random.standard_normal((1 + i % 3, 16), np.float32), "k": random.integers(-9, 9, (1 + i % 3, 3))} for i in range(200)]

    def one(feed):
        with http.InferenceServerClient(address) as own:
            result = own.infer("rows", inputs_of(feed, True))
        return np.allclose(result.as_numpy("y"), session.run(["y"], feed)[0], rtol=1e-4, atol=1e-5) and (result.as_numpy("c") == feed["k"].sum(1)).all()

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        expect(all(pool.map(one, feeds)), f"{len(feeds)} requests of {CLIENTS} threads")
    with http.InferenceServerClient(address, concurrency=CLIENTS) as own:
        waits = [own.async_infer("rows", inputs_of(f, True)) for f in feeds]
        expect(all((w.get_result().as_numpy("c") == f["k"].sum(1)).all() for w, f in zip(waits, feeds)), "the same, asynchronously")
    stats = client.get_inference_statistics("rows")["model_stats"][0]
    done = stats["inference_stats"]["success"]["count"]
    expect(stats["execution_count"] > 0 and stats["inference_count"] >= done >= 2 * len(feeds), f"statistics: {done} requests, {stats['execution_count']} runs")


def check_end(server, tool):
    words = [str(tool), "load", f"http://{server.address}/v2/models/opt-mnist", "--concurrency", str(CLIENTS), "--duration", "20", "--warmup", "0", "--json"]
    load = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    code = server.end()
    report = json.loads(load.communicate(timeout=60)[0])
    expect(code == 0 and report["lost"] == 0 and report["answered"] > 0 and set(report["statuses"]) == {"200"},
           f"ended under load: exit code {code}, {report['answered']} answered, {report['lost']} lost")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    args = parser.parse_args()
    folder = peerlib.WORK / "serve"
    folder.mkdir(parents=True, exist_ok=True)
    rows_model(folder / "rows.onnx")
    models = {"rows": folder / "rows.onnx", "opt-mnist": peerlib.shared() / "models" / "onnx" / "opt-mnist.onnx"}
    sessions = {name: ort.InferenceSession(str(path)) for name, path in models.items()}
    random = np.random.default_rng(1)
    server = Server(args.tool, models.values(), "--threads", "1")
    try:
        with http.InferenceServerClient(server.address) as client:
            check_interface(client)
            check_outputs(client, sessions, random)
            check_refusals(client)
            check_crowd(server.address, client, sessions["rows"], random)
        check_end(server, args.tool)
    finally:
        server.process.kill()
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()

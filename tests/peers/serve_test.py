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
import queue
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import onnx
import onnxruntime as ort
import tritonclient.grpc as grpc
import tritonclient.http as http
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException, deserialize_bytes_tensor, serialize_byte_tensor

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
        words = [str(tool), "serve", *map(str, models), "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", "--json", "--quiet", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the server did not start: exit code {self.process.wait()}")
        self.said = json.loads(line)
        self.address = f"127.0.0.1:{self.said['http_port']}"
        self.grpc_address = f"127.0.0.1:{self.said['grpc_port']}"

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
        "the server may not open shared memory": lambda: client.register_system_shared_memory("r", "/other", 8),
        "cannot be loaded and unloaded": lambda: client.load_model("rows"),
        "Content-Encoding": lambda: client.infer("rows", inputs_of({"x": x[:1], "k": k[:1]}, True), request_compression_algorithm="gzip"),
        "sequences are not supported": lambda: client.infer("rows", inputs_of({"x": x[:1], "k": k[:1]}, True), sequence_id=5, sequence_start=True),
    }
    for words, call in cases.items():
        said = refusal(call)
        expect(words in said, f"refused: {said}")


def check_shared_memory(client, module, make_inputs, session, random, name):
    """Both directions by system shared memory, and classes, with the client of either protocol."""
    feed = rows_feed(random, 3)
    wanted = session.run(None, feed)
    size = feed["x"].nbytes + feed["k"].nbytes
    region = shm.create_shared_memory_region("in", "/monza_peer_in", size)
    results = shm.create_shared_memory_region("out", "/monza_peer_out", wanted[0].nbytes)
    try:
        shm.set_shared_memory_region(region, [feed["x"], feed["k"]])
        client.register_system_shared_memory("in", "/monza_peer_in", size)
        client.register_system_shared_memory("out", "/monza_peer_out", wanted[0].nbytes)
        inputs = make_inputs(feed)
        inputs[0].set_shared_memory("in", feed["x"].nbytes)
        inputs[1].set_shared_memory("in", feed["k"].nbytes, offset=feed["x"].nbytes)
        y, c = module.InferRequestedOutput("y"), module.InferRequestedOutput("c")
        y.set_shared_memory("out", wanted[0].nbytes)
        result = client.infer("rows", inputs, outputs=[y, c])
        got = shm.get_contents_as_numpy(results, np.float32, list(wanted[0].shape))
        expect(np.allclose(got, wanted[0], rtol=1e-4, atol=1e-5) and (result.as_numpy("c") == wanted[1]).all(), f"{name}: shared memory")
        expect(len(client.get_system_shared_memory_status(**({"as_json": True} if module is grpc else {}))) > 0, f"{name}: regions")
        client.unregister_system_shared_memory()
        expect("is registered as 'in'" in refusal(lambda: client.infer("rows", inputs)), f"{name}: a region that is gone")
    finally:
        shm.destroy_shared_memory_region(region)
        shm.destroy_shared_memory_region(results)
    result = client.infer("rows", make_inputs(feed), outputs=[module.InferRequestedOutput("y", class_count=2)])
    top = [[int(text.decode().split(":")[1]) for text in row] for row in result.as_numpy("y")]
    expect(top == np.argsort(-wanted[0], axis=1)[:, :2].tolist(), f"{name}: classes")


def scale_model(path: pathlib.Path, factor: float):
    """y = factor x, of rows of two."""
    info, helper = onnx.TensorProto, onnx.helper
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "f"], ["y"])], "scale", [helper.make_tensor_value_info("x", info.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", info.FLOAT, ["batch", 2])], [onnx.numpy_helper.from_array(np.array([factor], np.float32), "f")])
    partial = path.with_name(".partial")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), partial)
    partial.rename(path)


def check_repository(tool, folder):
    """Triton's layout: loaded, reloaded and unloaded by the clients of both protocols while others ask."""
    shutil.rmtree(folder, ignore_errors=True)
    scale_model(folder / "scale" / "1" / "model.onnx", 2)
    (folder / "scale" / "config.pbtxt").write_text('name: "scale" backend: "onnxruntime" max_batch_size: 4\n'
                                                   'input [ { name: "x" data_type: TYPE_FP32 dims: [ 2 ] } ]\nversion_policy { latest { num_versions: 2 } }\n')
    scale_model(folder / "other" / "1" / "model.onnx", 5)
    server = Server(tool, [], "--threads", "1", "--model-repository", folder, "--model-control-mode", "explicit", "--load-model", "scale")
    try:
        client, rpc = http.InferenceServerClient(server.address), grpc.InferenceServerClient(server.grpc_address)
        one = {"x": np.ones((1, 2), np.float32)}
        scale = lambda version="": float(client.infer("scale", inputs_of(one, True), model_version=version).as_numpy("y")[0, 0])
        expect(scale() == 2 and client.get_model_config("scale")["max_batch_size"] == 4, "repository: a model of the start")
        expect("there is no model 'other'" in refusal(lambda: client.get_model_metadata("other")), "repository: one that is not loaded")
        rpc.load_model("other")
        expect(client.is_model_ready("other"), "repository: loaded over gRPC")
        ended, wrong = threading.Event(), []

        def ask():
            with http.InferenceServerClient(server.address) as own:
                while not ended.is_set():
                    try:
                        got = float(own.infer("scale", inputs_of(one, True)).as_numpy("y")[0, 0])
                        if got < 2 or got > 9:
                            wrong.append(got)
                    except InferenceServerException as e:
                        wrong.append(str(e))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for version in range(2, 8):
            scale_model(folder / "scale" / str(version) / "model.onnx", version + 1)
            client.load_model("scale")
        ended.set()
        for thread in threads:
            thread.join()
        expect(not wrong and scale() == 8 and scale("6") == 7, f"repository: six reloads under load: {wrong[:3]}")
        expect(client.get_model_metadata("scale")["versions"] == ["6", "7"], "repository: the versions that are served")
        (folder / "scale" / "8").mkdir()
        (folder / "scale" / "8" / "model.onnx").write_bytes(b"no model")
        said = refusal(lambda: rpc.load_model("scale"))
        state = {(m["name"], m["version"]): (m["state"], m["reason"]) for m in client.get_model_repository_index()}
        expect(said and str(folder) not in said and scale() == 8 and state[("scale", "7")][0] == "READY" and state[("scale", "7")][1],
               f"repository: a broken version leaves the old: {said}")
        client.unload_model("scale")
        expect(not client.is_model_ready("scale") and rpc.is_model_ready("other"), "repository: unloaded")
        expect(list((folder / "scale" / "7").glob(".monza-*.engine")) != [], "repository: engines are kept beside the models")
        expect(server.end() == 0, "repository: ended")
    finally:
        server.process.kill()


def strings_model(path: pathlib.Path):
    """y = a then b, in rows; n = whether y is of digits alone."""
    info, helper = onnx.TensorProto, onnx.helper
    graph = helper.make_graph(
        [helper.make_node("StringConcat", ["a", "b"], ["y"]), helper.make_node("RegexFullMatch", ["y"], ["n"], pattern="[0-9]+")], "strings",
        [helper.make_tensor_value_info(name, info.STRING, ["batch", 2]) for name in ("a", "b")],
        [helper.make_tensor_value_info("y", info.STRING, ["batch", 2]), helper.make_tensor_value_info("n", info.BOOL, ["batch", 2])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def check_strings(tool, path):
    """BYTES in and out: JSON, bytes, shared memory, gRPC raw and written out, and from many clients at once."""
    strings_model(path)
    server = Server(tool, [path], "--threads", "1", "--shared-memory", "monza_peer_")
    a, b = np.array([["1", "grün"], ["", "x\n"]], object), np.array([["2", "!"], ["7", "\0"]], object)
    wanted = [["12", "grün!"], ["7", "x\n\0"]]
    text = lambda got: [[e if isinstance(e, str) else e.decode() for e in row] for row in got.tolist()]
    right = lambda result: text(result.as_numpy("y")) == wanted and result.as_numpy("n").tolist() == [[True, False], [True, False]]
    try:
        for module, address, forms in ((http, server.address, (True, False)), (grpc, server.grpc_address, (True,))):
            client = module.InferenceServerClient(address)
            for binary in forms:
                inputs = [module.InferInput(name, [2, 2], "BYTES") for name in ("a", "b")]
                for one, value in zip(inputs, (a, b)):
                    one.set_data_from_numpy(value, **({"binary_data": binary} if module is http else {}))
                expect(right(client.infer("strings", inputs)), f"{module.__name__}: strings{'' if binary else ' in JSON'}")
            region_bytes = serialize_byte_tensor(a).item()
            region = shm.create_shared_memory_region("text", "/monza_peer_text", len(region_bytes))
            results = shm.create_shared_memory_region("joined", "/monza_peer_joined", 256)
            try:
                shm.set_shared_memory_region(region, [serialize_byte_tensor(a)])
                client.register_system_shared_memory("text", "/monza_peer_text", len(region_bytes))
                client.register_system_shared_memory("joined", "/monza_peer_joined", 256)
                inputs[0].set_shared_memory("text", len(region_bytes))
                y, n = module.InferRequestedOutput("y"), module.InferRequestedOutput("n")
                y.set_shared_memory("joined", 256)
                client.infer("strings", inputs, outputs=[y, n])
                got = shm.get_contents_as_numpy(results, np.object_, [2, 2])
                expect(text(got) == wanted, f"{module.__name__}: strings in shared memory")
                client.unregister_system_shared_memory()
            finally:
                shm.destroy_shared_memory_region(region)
                shm.destroy_shared_memory_region(results)
            client.close()
        # The client has no form for contents that are written out: the message itself does.
        request = grpc.service_pb2.ModelInferRequest(model_name="strings")
        for name, value in (("a", a), ("b", b)):
            tensor = request.inputs.add(name=name, datatype="BYTES", shape=[2, 2])
            tensor.contents.bytes_contents.extend(e.encode() for e in value.flatten())
        with grpc.InferenceServerClient(server.grpc_address) as client:
            answer = client._client_stub.ModelInfer(request)
        expect(text(deserialize_bytes_tensor(answer.raw_output_contents[0]).reshape(2, 2)) == wanted, "gRPC: strings that are written out")

        def one(i):
            with http.InferenceServerClient(server.address) as own:
                inputs = [http.InferInput(name, [1, 2], "BYTES") for name in ("a", "b")]
                value = np.array([[f"{i}" * (1 + i % 50), f"-{i}"]], object)
                for given in inputs:
                    given.set_data_from_numpy(value)
                return text(own.infer("strings", inputs).as_numpy("y")) == [[2 * e for e in value[0]]]

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            expect(all(pool.map(one, range(200))), f"200 requests of strings from {CLIENTS} threads")
        words = [str(tool), "load", f"http://{server.address}/v2/models/strings", "--duration", "0.5", "--json"]
        report = json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True).stdout)
        expect(set(report["statuses"]) == {"200"}, "monza load sends strings")
        expect(server.end() == 0, "strings: ended")
    finally:
        server.process.kill()


def check_urgency(client, make_inputs, random, name):
    inputs = make_inputs(rows_feed(random, 1))
    expect(client.infer("rows", inputs, priority=1, timeout=10_000_000).as_numpy("c") is not None, f"{name}: priority and timeout")
    said = refusal(lambda: client.infer("rows", inputs, timeout=1))
    expect("than its timeout" in said, f"{name}: too late: {said}")


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


def grpc_inputs(feed):
    inputs = []
    for name, value in feed.items():
        one = grpc.InferInput(name, list(value.shape), {"float32": "FP32", "int64": "INT64"}[str(value.dtype)])
        one.set_data_from_numpy(value)
        inputs.append(one)
    return inputs


def rows_feed(random, n):
    return {"x": random.standard_normal((n, 16), np.float32), "k": random.integers(-9, 9, (n, 3))}


def check_grpc(address, session, random):
    """The same over gRPC: all that the client knows."""
    client = grpc.InferenceServerClient(address)
    expect(client.is_server_live() and client.is_server_ready() and client.is_model_ready("rows", "1") and not client.is_model_ready("none"),
           "gRPC: live and ready")
    expect(client.get_server_metadata(as_json=True)["name"] == "monza", "gRPC: server metadata")
    metadata = client.get_model_metadata("rows", as_json=True)
    expect(metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "16"]}, {"name": "k", "datatype": "INT64", "shape": ["-1", "3"]}],
           "gRPC: model metadata")
    config = client.get_model_config("rows").config
    expect(config.max_batch_size == 8 and list(config.input[0].dims) == [16] and config.HasField("dynamic_batching"), "gRPC: model config")
    expect({m.name for m in client.get_model_repository_index().models} == {"rows", "opt-mnist"}, "gRPC: repository index")
    for n in (1, 3, 8):
        feed = rows_feed(random, n)
        wanted = session.run(None, feed)
        result = client.infer("rows", grpc_inputs(feed), outputs=[grpc.InferRequestedOutput("c"), grpc.InferRequestedOutput("y")], request_id="r-1")
        expect(np.allclose(result.as_numpy("y"), wanted[0], rtol=1e-4, atol=1e-5) and (result.as_numpy("c") == wanted[1]).all()
               and result.get_response().id == "r-1", f"gRPC: rows of {n}")
    cases = {
        "StatusCode.INVALID_ARGUMENT] the model takes [1..8,16]": lambda: client.infer("rows", grpc_inputs(rows_feed(random, 9))),
        "StatusCode.NOT_FOUND] there is no model 'none'": lambda: client.infer("none", grpc_inputs(rows_feed(random, 1))),
        "StatusCode.NOT_FOUND] model 'rows' has no version '7'": lambda: client.get_model_metadata("rows", "7"),
        "StatusCode.UNIMPLEMENTED] sequences": lambda: client.infer("rows", grpc_inputs(rows_feed(random, 1)), sequence_id=5, sequence_start=True),
        "StatusCode.UNIMPLEMENTED]": lambda: client.infer("rows", grpc_inputs(rows_feed(random, 1)), compression_algorithm="gzip"),
    }
    for words, call in cases.items():
        said = refusal(call)
        expect(all(part in said for part in words.split("] ")), f"gRPC refused: {said}")
    check_shared_memory(client, grpc, grpc_inputs, session, random, "gRPC")
    check_urgency(client, grpc_inputs, random, "gRPC")
    check_grpc_crowd(client, address, session, random)
    stats = client.get_inference_statistics("rows").model_stats[0]
    expect(stats.execution_count > 0 and stats.inference_stats.success.count >= 200, "gRPC: statistics")
    client.close()


def check_grpc_crowd(client, address, session, random):
    feeds = [rows_feed(random, 1 + i % 3) for i in range(200)]
    wanted = [session.run(None, f)[0] for f in feeds]

    def one(i):
        result = client.infer("rows", grpc_inputs(feeds[i]))
        return np.allclose(result.as_numpy("y"), wanted[i], rtol=1e-4, atol=1e-5)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        expect(all(pool.map(one, range(len(feeds)))), f"gRPC: {len(feeds)} requests of {CLIENTS} threads")
    answers = queue.Queue()
    with grpc.InferenceServerClient(address) as own:
        own.start_stream(callback=lambda result, error: answers.put((result, error)))
        for i, feed in enumerate(feeds):
            own.async_stream_infer("rows", grpc_inputs(feed), request_id=str(i))
        own.async_stream_infer("none", grpc_inputs(feeds[0]), request_id="x")
        got = [answers.get(timeout=30) for _ in range(len(feeds) + 1)]
        own.stop_stream()
    right = [error is None and result.get_response().id == str(i) and np.allclose(result.as_numpy("y"), wanted[i], rtol=1e-4, atol=1e-5)
             for i, (result, error) in enumerate(got[:-1])]
    expect(all(right), f"gRPC: {len(feeds)} requests of a stream, answered in order")
    expect("there is no model 'none'" in str(got[-1][1]), f"gRPC: a stream says what is wrong and goes on: {got[-1][1]}")


def check_tokens(tool, models, folder, random):
    (folder / "users").write_text("secret-of-users\n")
    (folder / "admins").write_text("secret-of-admins\n")
    server = Server(tool, models, "--threads", "1", "--token-file", folder / "users", "--admin-token-file", folder / "admins",
                    "--shared-memory", "monza_peer_")
    try:
        user, admin = ({"authorization": f"Bearer secret-of-{who}"} for who in ("users", "admins"))
        for module, make, address in ((http, lambda feed: inputs_of(feed, True), server.address), (grpc, grpc_inputs, server.grpc_address)):
            client, feed, name = module.InferenceServerClient(address), make(rows_feed(random, 1)), module.__name__
            expect(client.is_server_ready(), f"{name}: probes need no token")
            said = refusal(lambda: client.infer("rows", feed)), refusal(lambda: client.infer("rows", feed, headers={"authorization": "Bearer secret"}))
            expect(all("needs a token" in text for text in said), f"{name}: no token: {said[0]}")
            expect(client.infer("rows", feed, headers=dict(user)).as_numpy("y") is not None, f"{name}: a user's token")
            said = [refusal(lambda: client.register_system_shared_memory("r", "/monza_peer_none", 8, headers=dict(who))) for who in (user, admin)]
            expect("needs a token" in said[0] and "there is no shared memory" in said[1], f"{name}: what admins alone may")
        expect(server.end() == 0, "tokens: ended")
    finally:
        server.process.kill()


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", folder / "key.new", "-out", folder / "certificate.new"],
                   check=True, stderr=subprocess.DEVNULL)
    for name in ("key", "certificate"):
        (folder / f"{name}.new").rename(folder / f"{name}.pem")
    return (folder / "certificate.pem").read_bytes()


def check_tls(tool, models, folder, random):
    """Both protocols over TLS, and after the certificate was renewed; what is an admin's on a port of its own."""
    certificate = make_certificate(folder)
    server = Server(tool, models, "--threads", "1", "--tls-cert", folder / "certificate.pem", "--tls-key", folder / "key.pem",
                    "--admin-port", "0", "--shared-memory", "monza_peer_")
    try:
        def right(trusted):
            feed = rows_feed(random, 2)
            (folder / "trusted.pem").write_bytes(trusted)
            options = {"ssl": True, "ssl_context_factory": lambda: ssl.create_default_context(cafile=folder / "trusted.pem")}
            with http.InferenceServerClient(server.address, **options) as client:
                same = (client.infer("rows", inputs_of(feed, True)).as_numpy("c") == feed["k"].sum(1)).all()
            with grpc.InferenceServerClient(server.grpc_address, ssl=True, root_certificates=folder / "trusted.pem") as client:
                return same and (client.infer("rows", grpc_inputs(feed)).as_numpy("c") == feed["k"].sum(1)).all()

        expect(right(certificate), "TLS: both protocols")
        with http.InferenceServerClient(server.address, ssl=True, ssl_context_factory=lambda: ssl.create_default_context(cafile=folder / "trusted.pem")) as client:
            expect("port of admins" in refusal(lambda: client.register_system_shared_memory("r", "/monza_peer_none", 8)), "TLS: no admins here")
        with grpc.InferenceServerClient(server.grpc_address, ssl=True, root_certificates=folder / "trusted.pem") as client:
            expect("port of admins" in refusal(lambda: client.load_model("rows")), "TLS: nor over gRPC")
        admins = f"127.0.0.1:{server.said['admin_port']}"
        with http.InferenceServerClient(admins, ssl=True, ssl_context_factory=lambda: ssl.create_default_context(cafile=folder / "trusted.pem")) as client:
            expect("there is no shared memory" in refusal(lambda: client.register_system_shared_memory("r", "/monza_peer_none", 8)), "TLS: the port of admins")
        renewed = make_certificate(folder)
        time.sleep(21)
        expect(right(renewed), "TLS: a renewed certificate")
        plain = subprocess.run(["curl", "-s", "-m", "5", f"http://{server.address}/v2"], stdout=subprocess.PIPE)
        expect(plain.returncode != 0 and not plain.stdout, "TLS: nothing in the clear")
        expect(server.end() == 0, "TLS: ended")
    finally:
        server.process.kill()


def check_grpc_end(tool, models, session, random):
    """SIGTERM while clients and a stream send: what was accepted is answered, the rest is told UNAVAILABLE."""
    server = Server(tool, models, "--threads", "1")
    client = grpc.InferenceServerClient(server.grpc_address)
    feed = grpc_inputs(rows_feed(random, 1))
    answered, refused = [], []

    def send():
        while not refused:
            try:
                client.infer("rows", feed)
                answered.append(1)
            except InferenceServerException as e:
                refused.append(str(e.status()))

    threads = [threading.Thread(target=send) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    stream_said = queue.Queue()
    with grpc.InferenceServerClient(server.grpc_address) as own:
        own.start_stream(callback=lambda result, error: stream_said.put(error))
        own.async_stream_infer("rows", feed)
        expect(stream_said.get(timeout=30) is None, "gRPC: a stream before the end")
        time.sleep(1)
        code = server.end()
        for thread in threads:
            thread.join()
        expect("is ending" in str(stream_said.get(timeout=30)), "gRPC: an idle stream is told of the end")
    expect(code == 0 and len(answered) > 0 and set(refused) == {"StatusCode.UNAVAILABLE"},
           f"gRPC: ended under load: exit code {code}, {len(answered)} answered, then {set(refused)}")


def check_end(server, tool):
    words = [str(tool), "load", f"http://{server.address}/v2/models/opt-mnist", "--concurrency", str(CLIENTS), "--duration", "20", "--warmup", "0", "--json"]
    load = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    code = server.end()
    report = json.loads(load.communicate(timeout=60)[0])
    expect(code == 0 and report["lost"] == 0 and report["answered"] > 0 and set(report["statuses"]) == {"200"},
           f"ended under load: exit code {code}, {report['answered']} answered, {report['lost']} lost")


def check_records(server, access, traces, random):
    """Settings by the clients of both protocols, and what was written down of their requests."""
    client, rpc = http.InferenceServerClient(server.address), grpc.InferenceServerClient(server.grpc_address)
    expect(client.get_trace_settings()["trace_rate"] == "1000" and client.get_log_settings()["log_warning"] is True, "records: settings over HTTP")
    expect(rpc.update_trace_settings(settings={"trace_rate": "50"}, as_json=True)["settings"]["trace_rate"]["value"] == ["50"]
           and rpc.update_log_settings({"log_info": True}, as_json=True)["settings"]["log_info"]["bool_param"], "records: settings over gRPC")
    expect(client.update_log_settings({"log_info": False})["log_info"] is False, "records: the log's level")
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{span}-01"}
    client.infer("rows", inputs_of(rows_feed(random, 2), True), request_id="over-http", headers=dict(headers))
    rpc.infer("rows", grpc_inputs(rows_feed(random, 3)), request_id="over-grpc", headers=headers)
    time.sleep(1)
    lines = {line["id"]: line for line in map(json.loads, access.read_text().splitlines()) if line.get("id", "").startswith("over-")}
    expect(lines["over-http"]["rows"] == 2 and lines["over-http"]["status"] == 200 and lines["over-http"]["trace_id"] == trace
           and lines["over-grpc"]["rows"] == 3 and lines["over-grpc"]["protocol"] == "grpc" and lines["over-grpc"]["status"] == 0, "records: the access log")
    mine = [s for line in traces.read_text().splitlines() for s in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"] if s["traceId"] == trace]
    expect(len(mine) == 10 and sum(s.get("parentSpanId") == span for s in mine) == 2, "records: traces")


def check_protocols(tool, models, sessions, random):
    access, traces = peerlib.WORK / "serve" / "access.log", peerlib.WORK / "serve" / "traces.log"
    for file in (access, traces):
        file.unlink(missing_ok=True)
    server = Server(tool, models.values(), "--threads", "1", "--shared-memory", "monza_peer_", "--access-log", access, "--trace-file", traces)
    try:
        with http.InferenceServerClient(server.address) as client:
            check_interface(client)
            check_outputs(client, sessions, random)
            check_refusals(client)
            check_shared_memory(client, http, lambda feed: inputs_of(feed, True), sessions["rows"], random, "HTTP")
            check_urgency(client, lambda feed: inputs_of(feed, True), random, "HTTP")
            check_crowd(server.address, client, sessions["rows"], random)
        check_grpc(server.grpc_address, sessions["rows"], random)
        check_records(server, access, traces, random)
        check_end(server, tool)
    finally:
        server.process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--only", action="append", help="protocols, strings, repository, tls, tokens or end (repeat)")
    args = parser.parse_args()
    folder = peerlib.WORK / "serve"
    folder.mkdir(parents=True, exist_ok=True)
    rows_model(folder / "rows.onnx")
    models = {"rows": folder / "rows.onnx", "opt-mnist": peerlib.shared() / "models" / "onnx" / "opt-mnist.onnx"}
    sessions = {name: ort.InferenceSession(str(path)) for name, path in models.items()}
    random = np.random.default_rng(1)
    parts = {
        "protocols": lambda: check_protocols(args.tool, models, sessions, random),
        "strings": lambda: check_strings(args.tool, folder / "strings.onnx"),
        "repository": lambda: check_repository(args.tool, folder / "repository"),
        "tls": lambda: check_tls(args.tool, models.values(), folder, random),
        "tokens": lambda: check_tokens(args.tool, models.values(), folder, random),
        "end": lambda: check_grpc_end(args.tool, models.values(), sessions["rows"], random),
    }
    for name in args.only or parts:
        parts[name]()
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()

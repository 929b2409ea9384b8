#!/usr/bin/env python3
"""Times one model in one peer and prints JSON: latency, load time, peak memory. Used by compare.py,
which gives every measurement a process of its own.

  build/peers-venv/bin/python bench/peer_bench.py ort|openvino MODEL --threads 2 --seconds 3
"""
import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "peers"))
import inputs
import peerlib


def peak_mib() -> float:
    """Peak resident set. Not getrusage: its figure begins at that of the process that started this one."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def load_ort(model, threads, precision):
    """A function that binds inputs and returns the call that runs ONNX Runtime once on them."""
    if precision != "fp32":
        raise SystemExit("ONNX Runtime runs the precision of the file: only fp32 here")
    session = peerlib.session(model, threads)
    names = [o.name for o in session.get_outputs()]
    return lambda feed: (lambda: session.run(names, feed))


def load_openvino(model, threads, precision, shapes):
    """The same for OpenVINO, compiled for the shapes at hand and least latency."""
    import openvino
    core = openvino.Core()
    graph = core.read_model(str(model))
    if graph.is_dynamic():
        graph.reshape(shapes)
    compiled = core.compile_model(graph, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision]})
    request = compiled.create_infer_request()

    def bind(feed):
        for name, value in feed.items():
            request.set_tensor(name, openvino.Tensor(value))
        return request.infer
    return bind


def time_calls(call, seconds) -> list[float]:
    """Milliseconds of each call, sorted; three calls warm up."""
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["ort", "openvino"])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--inputs", type=pathlib.Path, required=True, help=".npz of the model's inputs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    args = parser.parse_args()
    feed = inputs.load(args.inputs)
    if args.peer == "openvino":
        import openvino
        openvino.Core()  # loaded before memory and time are counted, as ONNX Runtime is
    resident_before, start = peak_mib(), time.perf_counter()
    if args.peer == "ort":
        bind = load_ort(args.model, args.threads, args.precision)
    else:
        bind = load_openvino(args.model, args.threads, args.precision, {k: list(v.shape) for k, v in feed.items()})
    load_ms = (time.perf_counter() - start) * 1e3
    times = time_calls(bind(feed), args.seconds)
    print(json.dumps({"latency_ms": {"min": times[0], "median": times[len(times) // 2]}, "runs": len(times),
                      "load_ms": load_ms, "memory_mib": peak_mib() - resident_before}))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Single operators in Monza beside ONNX Runtime, 1 thread: models of one node, made here.

Every case is built into an engine, then both are timed in turn for several rounds (Monza in a process of its own, ONNX
Runtime in this one); the least time of all rounds counts. The ratio is Monza's time over ONNX Runtime's: below 1 Monza is
faster. Prints a Markdown table, slowest first, with the kernels that Monza chose; --json writes all figures.

  build/peers-venv/bin/python bench/operators.py
  ... bench/operators.py --filter Pad --rounds 5 --seconds 0.5
"""
import argparse
import json
import pathlib
import sys
import time

import numpy as np
import onnx
from onnx import helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "peers"))
import peerlib

WORK = ROOT / "build" / "peers" / "operators"
RNG = np.random.default_rng(1)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def ints(high, *shape, dtype=np.int64):
    return RNG.integers(0, high, shape).astype(dtype)


class Const:
    """An input that is an initializer."""

    def __init__(self, value):
        self.value = np.asarray(value)


def forest(trees, depth, features):
    """Attributes of a TreeEnsembleRegressor of complete trees."""
    out = {f"nodes_{k}": [] for k in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids", "modes", "values")}
    leaves = {f"target_{k}": [] for k in ("treeids", "nodeids", "ids", "weights")}
    inner = 2 ** depth - 1
    for t in range(trees):
        for i in range(2 * inner + 1):
            leaf = i >= inner
            row = (t, i, int(RNG.integers(features)), 0 if leaf else 2 * i + 1, 0 if leaf else 2 * i + 2,
                   "LEAF" if leaf else "BRANCH_LEQ", float(RNG.standard_normal()))
            for k, v in zip(out, row):
                out[k].append(v)
            if leaf:
                for k, v in zip(leaves, (t, i, 0, float(RNG.standard_normal()))):
                    leaves[k].append(v)
    return {**out, **leaves, "n_targets": 1}


def cases():
    """Name, operator, inputs, attributes, domain."""
    image = f32(1, 32, 112, 112)
    pads = Const(np.array([0, 0, 1, 2, 0, 0, 3, 1], np.int64))
    for mode in ("constant", "reflect", "edge", "wrap"):
        yield f"Pad {mode}", "Pad", [image, pads], {"mode": mode}
    yield "Pad reflect 1-D", "Pad", [f32(1, 16000), Const(np.array([0, 256, 0, 256], np.int64))], {"mode": "reflect"}
    for op in ("Sin", "Cos", "Tan", "Atan", "Exp", "Log", "Erf", "Sign", "Sinh", "Asin", "IsNaN", "IsInf"):
        yield op, op, [f32(64, 4096)], {}
    yield "Sin large", "Sin", [f32(64, 4096) * 1000], {}
    yield "ArgMax channels", "ArgMax", [f32(1, 21, 256, 256)], {"axis": 1, "keepdims": 0}
    yield "ArgMax last", "ArgMax", [f32(64, 1000)], {"axis": -1, "keepdims": 0}
    yield "ArgMin first", "ArgMin", [f32(64, 4096)], {"axis": 0, "keepdims": 0}
    yield "Trilu", "Trilu", [f32(8, 512, 512)], {"upper": 0}
    yield "Trilu bool", "Trilu", [ints(2, 1024, 1024).astype(bool)], {"upper": 1}
    yield "Gather rows", "Gather", [Const(f32(5000, 256)), ints(5000, 128)], {}
    yield "Gather last", "Gather", [f32(256, 1024), ints(1024, 64)], {"axis": 1}
    yield "GatherND rows", "GatherND", [f32(64, 64, 64), ints(64, 2048, 2)], {}
    yield "GatherND elements", "GatherND", [f32(256, 256), ints(256, 16384, 2)], {}
    yield "GatherElements last", "GatherElements", [f32(256, 512), ints(512, 256, 512)], {"axis": 1}
    yield "GatherElements first", "GatherElements", [f32(256, 512), ints(256, 256, 512)], {"axis": 0}
    yield "ScatterND rows", "ScatterND", [f32(256, 512), ints(256, 128, 1), f32(128, 512)], {}
    yield "ScatterND elements", "ScatterND", [f32(256, 256), ints(256, 8192, 2), f32(8192)], {}
    yield "ScatterElements", "ScatterElements", [f32(256, 512), ints(512, 256, 256), f32(256, 256)], {"axis": 1}
    yield "ScatterElements add", "ScatterElements", [f32(256, 512), ints(256, 64, 512), f32(64, 512)], {
        "axis": 0, "reduction": "add"}
    yield "Mod i64", "Mod", [ints(1000, 64, 4096), Const(np.int64(7))], {}
    yield "Mod f32", "Mod", [f32(64, 4096), Const(np.float32(0.7))], {"fmod": 1}
    yield "CumSum last", "CumSum", [f32(256, 1024), Const(np.int64(1))], {}
    yield "CumSum first", "CumSum", [f32(1024, 256), Const(np.int64(0))], {}
    for source, target in (("float16", "int32"), ("float16", "uint8"), ("float32", "float16"), ("float16", "float32"),
                           ("float32", "uint8"), ("uint8", "float32"), ("int64", "float32"), ("float32", "int64"),
                           ("bool", "float32"), ("int64", "int32")):
        value = (np.abs(f32(64, 4096)) * 50).astype(source)
        yield f"Cast {source} {target}", "Cast", [value], {
            "to": int(helper.np_dtype_to_tensor_dtype(np.dtype(target)))}
    for name, attrs in (("linear", {"mode": "linear"}), ("nearest", {"mode": "nearest"}),
                        ("cubic", {"mode": "cubic"}),
                        ("align", {"mode": "linear", "coordinate_transformation_mode": "align_corners"})):
        yield f"Resize {name}", "Resize", [f32(1, 16, 64, 64), Const(np.float32([])),
                                           Const(np.float32([1, 1, 2, 2]))], attrs
    yield "Resize down", "Resize", [f32(1, 3, 480, 640), Const(np.float32([])), Const(np.float32([1, 1, .5, .5]))], {
        "mode": "linear"}
    yield "Resize u8", "Resize", [ints(256, 1, 3, 480, 640, dtype=np.uint8), Const(np.float32([])),
                                  Const(np.float32([1, 1, .5, .5]))], {"mode": "nearest"}
    yield "Equal i64", "Equal", [ints(10, 64, 4096), ints(10, 64, 4096)], {}
    yield "Where broadcast", "Where", [ints(2, 1, 1, 128, 128).astype(bool), f32(1, 12, 128, 128),
                                       Const(np.float32(-1e9))], {}
    yield "TopK", "TopK", [f32(16, 8400), Const(np.int64([100]))], {"axis": 1}
    yield "OneHot", "OneHot", [ints(128, 64, 64), Const(np.int64(128)), Const(np.float32([0, 1]))], {}
    yield "Tile", "Tile", [f32(64, 1, 256), Const(np.int64([1, 16, 1]))], {}
    yield "NonZero", "NonZero", [ints(2, 256, 256).astype(bool)], {}
    yield "Pow", "Pow", [np.abs(f32(64, 4096)), Const(np.float32(2.5))], {}
    yield "ReduceProd", "ReduceProd", [f32(256, 1024), Const(np.int64([1]))], {}
    yield "ReduceLogSumExp", "ReduceLogSumExp", [f32(256, 1024), Const(np.int64([1]))], {}
    yield "GridSample", "GridSample", [f32(1, 16, 64, 64), (RNG.random((1, 64, 64, 2)) * 2 - 1).astype(np.float32)], {}
    yield "Trees 100 x 64", "TreeEnsembleRegressor", [f32(64, 20)], forest(100, 6, 20), "ai.onnx.ml"
    yield "Trees 100 x 1", "TreeEnsembleRegressor", [f32(1, 20)], forest(100, 6, 20), "ai.onnx.ml"
    yield "Transpose u8", "Transpose", [ints(256, 480, 640, 3, dtype=np.uint8)], {"perm": [2, 0, 1]}


def model_of(op, inputs, attrs, domain, opset):
    names, feed, constants = [], {}, []
    for i, value in enumerate(inputs):
        names.append(f"x{i}")
        if isinstance(value, Const):
            constants.append(numpy_helper.from_array(value.value, names[-1]))
        else:
            feed[names[-1]] = value
    outputs = ["y", "i"] if op == "TopK" else ["y"]
    node = helper.make_node(op, names, outputs, "node", domain=domain, **attrs)
    infos = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feed.items()]
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name=o) for o in outputs], constants)
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, ir_version=9, opset_imports=sets), feed


def time_ort(session, feed, seconds):
    """Least milliseconds of a run, outputs in memory that is there already, as Monza's are."""
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    least, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        least = min(least, (time.perf_counter() - start) * 1e3)
    return least


def measure(name, op, inputs, attrs, domain="", *, args):
    WORK.mkdir(parents=True, exist_ok=True)
    model, feed = model_of(op, inputs, attrs, domain, 19 if op == "Pad" else 18)
    stem = WORK / name.replace(" ", "_")
    path, engine = stem.with_suffix(".onnx"), stem.with_suffix(".engine")
    onnx.save(model, path)
    np.savez(stem.with_suffix(".npz"), **feed)
    try:
        session = peerlib.session(path)
    except Exception as error:
        return {"name": name, "error": f"ONNX Runtime: {str(error)[:80]}"}
    engine.unlink(missing_ok=True)
    code, _, words = peerlib.monza(["build", path, "--output", engine, "--threads", 1, "-q"])
    if code != 0:
        return {"name": name, "error": words[:160]}
    code, plan, _ = peerlib.monza(["profile", engine, "--threads", 1, "--json", "-q", "--no-ceilings", "--duration", 0.05])
    kernels = sorted({s.get("kernel") or "" for s in (plan or {}).get("layers", [])} - {""})
    ours, theirs = float("inf"), float("inf")
    for _ in range(args.rounds):
        theirs = min(theirs, time_ort(session, feed, args.seconds))
        code, found, words = peerlib.monza(["bench", engine, "--input", stem.with_suffix(".npz"), "--threads", 1,
                                            "--warmup", 0.02, "--duration", args.seconds, "--json", "-q"])
        if code != 0:
            return {"name": name, "error": words[:160]}
        ours = min(ours, found["latency_ms"]["min"])
    return {"name": name, "ort_ms": theirs, "monza_ms": ours, "ratio": ours / theirs, "kernels": kernels}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="", help="only cases whose name has this word")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    rows = [measure(*case, args=args) for case in cases() if args.filter in case[0]]
    rows.sort(key=lambda r: -r.get("ratio", 1e9))
    print("| operator | ONNX Runtime, us | Monza, us | ratio | kernels |\n|---|---|---|---|---|")
    for r in rows:
        if "error" in r:
            print(f"| {r['name']} | | | | {r['error']} |")
            continue
        print(f"| {r['name']} | {r['ort_ms'] * 1e3:.0f} | {r['monza_ms'] * 1e3:.0f} | {r['ratio']:.2f} | "
              f"{', '.join(r['kernels'])} |")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

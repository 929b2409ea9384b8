"""Shared by the peer tests: the tool under test, the models, ONNX Runtime as the reference."""
import json
import os
import pathlib
import subprocess

import numpy as np
import onnx
import onnxruntime as ort

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("MONZA_TOOL", ROOT / "build" / "bin" / "monza"))
WORK = ROOT / "build" / "peers"
QUANTISED = {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear",
             "DynamicQuantizeLinear", "DequantizeLinear"}


def shared() -> pathlib.Path:
    """The folder of test models and data named by MONZA_SHARED; exits with the reason if unset."""
    root = os.environ.get("MONZA_SHARED")
    if not root or not pathlib.Path(root).is_dir():
        raise SystemExit("MONZA_SHARED does not name the folder of test models and data")
    return pathlib.Path(root)


def models(extra=()) -> list[pathlib.Path]:
    """Every ONNX file of the shared models, then those of the extra files and folders."""
    found = sorted((shared() / "models").rglob("*.onnx"))
    for item in map(pathlib.Path, extra):
        found += sorted(item.rglob("*.onnx")) if item.is_dir() else [item]
    return found


def monza(args, tool=TOOL, timeout=600):
    """Runs the tool; returns (exit code, parsed JSON or None, standard error)."""
    done = subprocess.run([str(tool), *map(str, args)], capture_output=True, text=True, timeout=timeout)
    try:
        parsed = json.loads(done.stdout)
    except ValueError:
        parsed = None
    return done.returncode, parsed, done.stderr.strip() or (done.stdout.strip() if parsed is None else "")


def write_inputs(feed, folder) -> list[str]:
    """Saves each input as .npy and returns the --input arguments that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    args = []
    for k, (name, value) in enumerate(feed.items()):
        np.save(folder / f"input_{k}.npy", value)
        args += ["--input", f"{name}={folder / f'input_{k}.npy'}"]
    return args


def monza_run(model, feed, folder, tool=TOOL, extra=(), timeout=600) -> dict[str, np.ndarray]:
    """All outputs of one `monza run`; raises RuntimeError with the tool's words."""
    args = write_inputs(feed, folder)
    out = folder / "out.npz"
    out.unlink(missing_ok=True)
    code, _, words = monza(["run", model, *args, "--output", out, "--json", *extra], tool, timeout)
    if code != 0 or not out.exists():
        raise RuntimeError(f"monza run ended with {code}: {words}")
    with np.load(out) as z:
        return {k: z[k] for k in z.files}


def session(model, threads=1, optimise=True):
    """An ONNX Runtime session on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options,
                                providers=["CPUExecutionProvider"])


def without_saturation(model):
    """The model with signed weights of integer products made unsigned, zero points moved along: the same numbers. On CPUs
    without VNNI ONNX Runtime adds two products of signed weights in 16 bits, where they saturate. What it was given if
    there are none."""
    proto = onnx.load(str(model))
    found = False

    def up(tensor):
        moved = onnx.numpy_helper.to_array(tensor).astype(np.int16) + 128
        tensor.CopyFrom(onnx.numpy_helper.from_array(moved.astype(np.uint8), tensor.name))

    def walk(graph, outer):
        nonlocal found
        known = {**outer, **{t.name: t for t in graph.initializer}}
        for node in graph.node:
            if node.op_type == "MatMulInteger" and len(node.input) > 3:
                pair = [known.get(node.input[1]), known.get(node.input[3])]
                for tensor in pair if all(pair) else []:
                    if tensor.data_type == onnx.TensorProto.INT8:
                        up(tensor)
                        found = True
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    walk(attribute.g, known)

    walk(proto.graph, {})
    return proto.SerializeToString() if found else model


def run(sess, feed) -> dict[str, np.ndarray]:
    """All outputs of one inference of ONNX Runtime, by name."""
    names = [o.name for o in sess.get_outputs()]
    return dict(zip(names, sess.run(names, feed)))


def is_integer(model) -> bool:
    """True when the graph quantises anything: its results are held to the cosine limit."""
    def inside(graph):
        return any(n.op_type in QUANTISED or any(inside(a.g) for a in n.attribute if a.HasField("g"))
                   for n in graph.node)
    return inside(onnx.load(str(model), load_external_data=False).graph)


def cosine(a, b) -> float:
    """Cosine of two arrays seen as vectors; for empty or zero ones, 1 if equal, else 0."""
    if np.shape(a) != np.shape(b):
        return -1.0
    a, b = (np.asarray(x, np.float64).ravel() for x in (a, b))
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norms) if norms else float(np.array_equal(a, b))


def self_agreement(model, feed, reference) -> dict[str, float]:
    """How far ONNX Runtime agrees with itself: for each output the lowest cosine over
    optimisations off and inputs changed by 1e-6 relative."""
    rng = np.random.default_rng(2)

    def nudge(v):
        return (v * (1 + 1e-6 * rng.choice([-1, 1], v.shape))).astype(v.dtype) if v.dtype.kind == "f" else v

    model = without_saturation(model)
    variants = [run(session(model, optimise=False), feed),
                run(session(model), {k: nudge(v) for k, v in feed.items()})]
    return {k: min([1.0] + [cosine(other[k], v) for other in variants]) for k, v in reference.items()}

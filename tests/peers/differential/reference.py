"""What a case must compute: ONNX Runtime without optimisations, and how far rounding alone may carry a result."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from graph import Invalid
from peer import Peer

PEER = Peer()
FLOATS = {TensorProto.FLOAT: 2.0**-20, TensorProto.DOUBLE: 2.0**-49, TensorProto.FLOAT16: 2.0**-10}
TRIALS = 16
# Operands that are settings rather than data: a change of 1e-6 makes another computation of them.
SETTINGS = {"Pow": {1}, "Mod": {1}, "Resize": {1, 2, 3}, "Upsample": {1}, "Clip": {1, 2}, "OneHot": {1, 2}, "Range": {0, 1, 2},
            "Pad": {2}, "TopK": {1}, "NonMaxSuppression": {2, 3, 4}}
# Operators that cancel inside: exp(x) - 1 loses an ulp of 1, x * (1 + erf(x)) one of x, a transform one of its largest.
# Sigmoid is 0 below -18 there.
OWN_NOISE = {"Sigmoid": "one", "Elu": "one", "Celu": "one", "Selu": "one", "Gelu": "x", "Mish": "x", "DFT": "largest",
             "STFT": "largest", "BlackmanWindow": "one", "HannWindow": "one", "HammingWindow": "one"}


def outputs_of(model: bytes, feeds):
    """A dictionary of arrays for each feed. Raises Invalid with ONNX Runtime's words, PeerDied where it has none."""
    return PEER.outputs_of(model, feeds)


def second_opinion(model: onnx.ModelProto, feed):
    """What ONNX's own reference says: outputs by name. Raises Invalid where it cannot say."""
    from onnx.reference import ReferenceEvaluator
    try:
        with np.errstate(all="ignore"):
            return dict(zip([o.name for o in model.graph.output], ReferenceEvaluator(model).run(None, feed)))
    except Exception as e:
        raise Invalid(str(e)[:300]) from None


def settle(case):
    """Fills case.expected: by ONNX Runtime, or by ONNX's own reference where the family asks for it."""
    if case.expected is None and case.notes.get("reference") == "onnx":
        case.expected = [{k: np.asarray(v) for k, v in second_opinion(case.model, feed).items()} for feed in case.feeds]
    elif case.expected is None:
        case.expected = outputs_of(case.model.SerializeToString(), case.feeds)
    return case


def widened(model: onnx.ModelProto, feed, kind):
    """The model and what it is fed with, its floats of 16 or 32 bits (`kind`, NumPy's) made such of twice as many."""
    wide, half = onnx.ModelProto(), helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    more = {np.float16: np.float32, np.float32: np.float64}[kind]
    double = helper.np_dtype_to_tensor_dtype(np.dtype(more))
    wide.CopyFrom(model)
    settings = {n.input[k] for n in wide.graph.node if n.op_type in ("Resize", "Upsample") for k in range(1, len(n.input))}
    tensors = list(wide.graph.initializer) + [a.t for n in wide.graph.node for a in n.attribute if a.HasField("t")]
    for tensor in tensors:
        if tensor.data_type == half and tensor.name not in settings:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(more), tensor.name))
    for info in [*wide.graph.input, *wide.graph.output, *wide.graph.value_info]:
        if info.type.tensor_type.elem_type == half:
            info.type.tensor_type.elem_type = double
    for attribute in (a for n in wide.graph.node for a in n.attribute):
        if attribute.name in ("to", "dtype") and attribute.i == half:
            attribute.i = double
    # An absent bound of Clip stays that of the narrower type.
    bounds = {"__lowest": np.finfo(kind).min, "__highest": np.finfo(kind).max}
    wide.graph.initializer.extend(helper.make_tensor(n, double, [], [float(v)]) for n, v in bounds.items())
    for node in (n for n in wide.graph.node if n.op_type == "Clip"):
        given = [*node.input, "", ""]
        del node.input[:]
        node.input.extend([given[0], given[1] or "__lowest", given[2] or "__highest"])
    return wide, {k: v.astype(more) if v.dtype == kind else v for k, v in feed.items()}


def _noisy_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every float result multiplied by 1 + noise; of the graph itself, not of bodies."""
    try:
        model = shape_inference.infer_shapes(model)
    except Exception:
        pass
    noisy = onnx.ModelProto()
    noisy.CopyFrom(model)
    graph = noisy.graph
    types = {v.name: v.type.tensor_type.elem_type for v in list(graph.value_info) + list(graph.output) + list(graph.input)}
    one = {t: f"__one_{t}" for t in FLOATS}
    nodes, renamed = [], {}
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for k, name in enumerate(copy.input):
            copy.input[k] = renamed.get(name, name)
        nodes.append(copy)
        if node.op_type in ("Constant", "Shape", "Floor", "Ceil", "Round", "Sign", "OneHot", "Range", "ConstantOfShape",
                            "RandomUniformLike", "QuantizeLinear"):
            continue
        for k, name in enumerate(node.output):
            eps = FLOATS.get(types.get(name))
            if not name or eps is None:
                continue
            plain, noise, factor = f"__plain_{name}", f"__noise_{name}", f"__factor_{name}"
            kind = types[name]
            copy.output[k] = plain
            wide = kind if kind != TensorProto.FLOAT16 else TensorProto.FLOAT
            nodes.append(helper.make_node("RandomUniformLike", [plain], [noise], low=-eps, high=eps, dtype=wide, seed=0.0))
            if wide == kind:
                nodes.append(helper.make_node("Add", [noise, one[kind]], [factor]))
            else:
                nodes.append(helper.make_node("Add", [noise, one[wide]], [factor + "w"]))
                nodes.append(helper.make_node("Cast", [factor + "w"], [factor], to=kind))
            own = OWN_NOISE.get(node.op_type)
            if own is None or kind != TensorProto.FLOAT:
                nodes.append(helper.make_node("Mul", [plain, factor], [name]))
                continue
            # What the operator cancels inside is lost whatever its result is.
            amount, moved = f"__amount_{name}", f"__moved_{name}"
            if own == "largest":
                nodes.append(helper.make_node("Abs", [copy.input[0]], [amount + "a"]))
                nodes.append(helper.make_node("ReduceMax", [amount + "a"], [amount + "m"], keepdims=0))
            of = {"one": one[kind], "x": copy.input[0], "largest": amount + "m"}[own]
            nodes.append(helper.make_node("Mul", [noise, of], [amount]))
            nodes.append(helper.make_node("Mul", [plain, factor], [moved]))
            nodes.append(helper.make_node("Add", [moved, amount], [name]))
    del graph.node[:]
    graph.node.extend(nodes)
    for t, name in one.items():
        if t != TensorProto.FLOAT16:
            graph.initializer.append(helper.make_tensor(name, t, [], [1.0]))
    return noisy


def _shaken(array, rng):
    """Every element moved by about an ulp of 20 bits."""
    eps = {np.float32: 2.0**-20, np.float64: 2.0**-49, np.float16: 2.0**-10}.get(array.dtype.type)
    if eps is None or not array.size:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array * (1 + eps * rng.uniform(-1, 1, array.shape))).astype(array.dtype)


def _settings(model):
    names = set()
    for node in model.graph.node:
        for k in SETTINGS.get(node.op_type, ()):
            if k < len(node.input):
                names.add(node.input[k])
    return names


def noise(model: onnx.ModelProto, feed, evaluate=None, trials=TRIALS):
    """Results of the model with noise on every operand and result: a list for each output name. Raises Invalid.
    `evaluate` computes them; ONNX Runtime where it is None."""
    rng = np.random.default_rng(7)
    settings = _settings(model)
    shaken = {k: [] for k in (o.name for o in model.graph.output)}
    noisy = _noisy_model(model)
    originals = {t.name: numpy_helper.to_array(t) for t in noisy.graph.initializer
                 if t.data_type in FLOATS and not t.name.startswith("__") and t.name not in settings}
    # Integer operators have no floats inside but their scales: halves between two steps show by them alone.
    scales = {n for node in model.graph.node if node.op_type.startswith("QLinear") for n in node.input}
    for _ in range(trials):
        for node in noisy.graph.node:
            for a in node.attribute:
                if node.op_type == "RandomUniformLike" and a.name == "seed":
                    a.f = float(rng.integers(2**24, 2**30))  # small seeds begin with small numbers
        for tensor in noisy.graph.initializer:
            if tensor.name in originals and (originals[tensor.name].size > 1 or tensor.name in scales):
                tensor.CopyFrom(numpy_helper.from_array(_shaken(originals[tensor.name], rng), tensor.name))
        moved = {k: v if k in settings else _shaken(v, rng) for k, v in feed.items()}
        for name, value in (evaluate or outputs_of)(noisy.SerializeToString(), [moved])[0].items():
            shaken[name].append(value)
    return shaken

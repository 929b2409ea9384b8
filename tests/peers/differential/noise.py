"""How far rounding alone may carry a model's results: an error analysis by trials.

A model is computed again and again with noise on every operand and result. The noise is what an implementation may differ
by at that place, whatever the order of its sums:
- 2^-20 of every float result, and of all float inputs and constants;
- the same of what an operator cancels inside: of the sum of the terms' magnitudes in products and sums, for a Winograd
  kernel that of its whole tile, of 1 in exp(x) - 1;
- an infinity or NaN, where the sum of the terms' magnitudes is infinite: it may overflow on the way; and what the sum is
  where it does not;
- all of a number below the least normal one, which may be 0, and of an exponential that is less than that.
Floats of 16 bits are computed in 32: 2^-10 of the result, and 2^-20 of what it is made of.
"""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

FLOATS = {TensorProto.FLOAT: 2.0**-20, TensorProto.DOUBLE: 2.0**-49, TensorProto.FLOAT16: 2.0**-10}
NUMPY = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.INT64: np.int64}
# Operands that are settings rather than data: a change of 1e-6 makes another computation of them.
SETTINGS = {"Pow": {1}, "Mod": {1}, "Resize": {1, 2, 3}, "Upsample": {1}, "Clip": {1, 2}, "OneHot": {1, 2}, "Range": {0, 1, 2},
            "Pad": {2}, "TopK": {1}, "NonMaxSuppression": {2, 3, 4}}
# Results that are exact whatever computes them.
EXACT = {"Constant", "Shape", "Floor", "Ceil", "Round", "Sign", "OneHot", "Range", "ConstantOfShape", "RandomUniformLike",
         "QuantizeLinear"}
# Operators that cancel inside: exp(x) - 1 and GRU's 1 - z lose an ulp of 1, x * (1 + erf(x)) one of x, a transform one of
# its largest.
CANCELS = {"Elu": "one", "Celu": "one", "Selu": "one", "GRU": "one", "Gelu": "x", "Mish": "x", "DFT": "largest",
           "STFT": "largest", "BlackmanWindow": "one", "HannWindow": "one", "HammingWindow": "one"}
# Sums: their terms' magnitudes are what they make of the magnitudes of their operands.
SUMS = {"MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose", "CumSum", "ReduceSum", "ReduceMean", "AveragePool",
        "GlobalAveragePool", "Sum", "Mean"}
# The operands whose multiples make a multiple of the sum; of the other sums the first, and the third, which is added.
SCALES = {"Sum": range(1000), "Mean": range(1000), "Einsum": range(1)}
# What squares inside may overflow on the way, too.
SQUARES = {"ReduceSumSquare", "ReduceL2", "LayerNormalization", "RMSNormalization", "InstanceNormalization",
           "GroupNormalization", "LpNormalization", "MeanVarianceNormalization", "LpPool", "GlobalLpPool"}
# Exponentials of finite numbers are positive, however small.
POSITIVE = {"Exp", "Softmax", "Sigmoid", "Softplus"}


WINOGRAD_TILE = 4  # outputs along an axis that share their inputs (src/ops/conv/conv_winograd.simd.h)


class NoisyModel:
    """The model with noise on every float result of the graph itself, not of bodies. `winograd`: such a kernel may have
    computed its convolutions."""

    def __init__(self, model: onnx.ModelProto, winograd=False):
        self.winograd = winograd
        try:
            inferred = shape_inference.infer_shapes(model)
        except Exception:
            inferred = model
        self.proto = onnx.ModelProto()
        self.proto.CopyFrom(inferred)
        graph = self.proto.graph
        self.types = {v.name: v.type.tensor_type.elem_type for v in [*graph.value_info, *graph.output, *graph.input]}
        constants = [n for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]
        for node in constants:
            graph.initializer.append(node.attribute[0].t)
            graph.initializer[-1].name = node.output[0]
        self.types |= {t.name: t.data_type for t in graph.initializer}
        self.extents = {t.name: tuple(t.dims) for t in graph.initializer}
        self.nodes, self.constants, self.magnitudes, self.casts, self.count = [], {}, {}, {}, 0
        for node in (n for n in graph.node if n not in constants):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            self.nodes.append(copy)
            if node.op_type not in EXACT:
                for k, name in enumerate(node.output):
                    if name and self.types.get(name) in FLOATS:
                        self._noise_on(copy, k, name)
        del graph.node[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in self.constants.items())

    def _add(self, op, *inputs, **attributes):
        """The name of what a new node makes."""
        self.count += 1
        name = f"__noise_{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def _constant(self, kind, value):
        name = f"__constant_{kind}_{value}"
        self.constants[name] = np.asarray(value, NUMPY[kind])
        return name

    def _wide(self, name, kind=None):
        """The value in the floats that it is computed in."""
        if (kind or self.types.get(name)) != TensorProto.FLOAT16:
            return name
        if name not in self.casts:
            self.casts[name] = self._add("Cast", name, to=TensorProto.FLOAT)
        return self.casts[name]

    def _noise_on(self, node, k, name):
        own, plain = self.types[name], f"__plain_{name}"
        node.output[k] = plain
        kind = own if own != TensorProto.FLOAT16 else TensorProto.FLOAT
        eps, x = FLOATS[kind], self._wide(plain, own)
        noise = self._add("RandomUniformLike", x, low=-eps, high=eps, dtype=kind, seed=0.0)
        share = self._add("Mul", noise, self._constant(kind, FLOATS[own] / eps))
        moved = self._add("Mul", x, self._add("Add", share, self._constant(kind, 1.0)))
        for amount, otherwise in self._amounts(node, k, own, kind):
            moved = self._moved(moved, noise, amount, kind, otherwise)
        if own == TensorProto.FLOAT16:
            self.nodes.append(helper.make_node("Cast", [moved], [name], to=own))
            return
        tiny = np.finfo(NUMPY[kind]).tiny
        small = self._add("Less", self._add("Abs", moved), self._constant(kind, tiny))
        # All that are so small, none, or some.
        share = self._add("RandomUniformLike", self._constant(kind, 1.0), low=-3 * eps, high=3 * eps, dtype=kind, seed=0.0)
        gone = self._add("And", small, self._add("Less", noise, share))
        nothing = self._add("Mul", moved, self._constant(kind, 0.0))  # with its sign
        if node.op_type in POSITIVE:
            room = self._add("Mul", self._add("Abs", noise), self._constant(kind, tiny / eps))
            infinite = self._add("IsInf", node.input[0])
            moved = self._add("Add", moved, self._add("Where", infinite, self._constant(kind, 0.0), room))
        self.nodes.append(helper.make_node("Where", [gone, nothing, moved], [name]))

    def _moved(self, x, noise, amount, kind, otherwise=None):
        """x + noise * amount; of an infinite amount an infinity, NaN or x, as the noise says; `otherwise` for that x."""
        odd = self._add("Or", self._add("IsInf", amount), self._add("IsNaN", amount))
        share = self._add("Where", odd, self._constant(kind, 0.0), amount)

        def below(part):
            return self._add("Less", noise, self._constant(kind, part * FLOATS[kind]))
        infinite = self._add("Where", below(-0.5), self._constant(kind, -np.inf), self._constant(kind, np.inf))
        lost = self._add("Where", below(0.0), infinite, self._constant(kind, np.nan))
        lost = self._add("Where", below(0.5), lost, otherwise or x)
        return self._add("Where", odd, lost, self._add("Add", x, self._add("Mul", noise, share)))

    def _amounts(self, node, k, own, kind):
        """Of what, beside the result, the noise takes its share; infinite where the result may overflow on the way. With it
        what the result is if it does not, or None."""
        cancels = CANCELS.get(node.op_type)
        if cancels == "one":
            yield self._constant(kind, 1.0), None
        if self.types.get(node.input[0] if node.input else "") != own:
            return
        if cancels == "x":
            yield self._magnitude(node.input[0]), None
        if cancels == "largest":
            yield self._add("ReduceMax", self._magnitude(node.input[0]), keepdims=0), None
        if node.op_type in SUMS:
            yield self._of_magnitudes(node, own), self._without_overflow(node, own, kind)
        if self.winograd and self._is_3x3(node):
            yield self._of_tiles(node, own, kind), None
        if node.op_type in SQUARES and k == 0:
            yield self._if_infinite(self._add("ReduceSumSquare", self._magnitude(node.input[0]), keepdims=0), kind), None
        if node.op_type == "ReduceProd":
            least = self._add("Max", self._magnitude(node.input[0]), self._constant(kind, 1.0))
            yield self._if_infinite(self._of_magnitudes(node, own, {node.input[0]: least}), kind), None

    def _is_3x3(self, node):
        """True if a Winograd kernel could take it."""
        if node.op_type != "Conv":
            return False
        a = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        kernel = a.get("kernel_shape") or self.extents.get(node.input[1], ())[2:]
        ones = [*a.get("strides", []), *a.get("dilations", []), a.get("group", 1)]
        return list(kernel) == [3, 3] and all(x == 1 for x in ones)

    def _of_tiles(self, node, own, kind):
        """The same for a Winograd kernel: each output is made from all inputs of its tile, and is none beside an infinity."""
        a = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        pads = a.get("pads") or [int(a.get("auto_pad", b"").startswith(b"SAME"))] * 4
        reach = WINOGRAD_TILE - 1
        x = self._wide(node.input[0])
        odd = self._add("Or", self._add("IsNaN", x), self._add("IsInf", x))
        x = self._add("Where", odd, self._constant(kind, np.inf), self._magnitude(node.input[0]))
        padded = self._add("Pad", x, self._constant(TensorProto.INT64, [0, 0, *pads[:2], 0, 0, *pads[2:]]))
        around = self._add("MaxPool", padded, kernel_shape=[2 * reach + 1] * 2, pads=[reach] * 4)
        return self._of_magnitudes(node, own, {node.input[0]: around}, without=("pads", "auto_pad"))

    def _of_magnitudes(self, node, own, names=None, without=()):
        """What a node like this one makes of the magnitudes of its floats."""
        twin = onnx.NodeProto()
        twin.CopyFrom(node)
        del twin.attribute[:]
        twin.attribute.extend(a for a in node.attribute if a.name not in without)
        for a in twin.attribute:
            if a.name in ("alpha", "beta"):
                a.f = abs(a.f)
        return self._twin(twin, own, lambda k, name: (names or {}).get(name) or self._magnitude(name))

    def _without_overflow(self, node, own, kind):
        """A sum that is finite unless it is itself beyond the last number: it is made of smaller terms, and multiplied."""
        down, up = (self._constant(kind, factor) for factor in (2.0**-32, 2.0**32))
        scaled = SCALES.get(node.op_type, (0, 2))
        total = self._twin(node, own, lambda k, name: self._add("Mul", self._wide(name), down) if k in scaled else self._wide(name))
        return self._add("Mul", total, up)

    def _twin(self, node, own, operand):
        """What a node like this one makes of `operand(position, name)` in place of its floats."""
        twin = onnx.NodeProto()
        twin.CopyFrom(node)
        twin.ClearField("name")
        for k, name in enumerate(twin.input):
            if name and self.types.get(name) == own:
                twin.input[k] = operand(k, name)
        self.count += 1
        twin.output[0] = f"__noise_{self.count}"
        self.nodes.append(twin)
        return twin.output[0]

    def _magnitude(self, name):
        """|x|, and 0 of what is no number: what that makes is no matter of rounding."""
        if name not in self.magnitudes:
            kind, x = self.types[name], self._add("Abs", self._wide(name))
            kind = kind if kind != TensorProto.FLOAT16 else TensorProto.FLOAT
            odd = self._add("Or", self._add("IsNaN", x), self._add("IsInf", x))
            self.magnitudes[name] = self._add("Where", odd, self._constant(kind, 0.0), x)
        return self.magnitudes[name]

    def _if_infinite(self, name, kind):
        return self._add("Where", self._add("IsInf", name), name, self._constant(kind, 0.0))


def shaken(array, rng):
    """Every element moved by about an ulp of 20 bits."""
    eps = {np.float32: 2.0**-20, np.float64: 2.0**-49, np.float16: 2.0**-10}.get(array.dtype.type)
    if eps is None or not array.size:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array * (1 + eps * rng.uniform(-1, 1, array.shape))).astype(array.dtype)


class Trials:
    """Results of a model with noise, for one feed. `evaluate` computes them."""

    def __init__(self, model: onnx.ModelProto, feed, evaluate, winograd=False):
        self.feed, self.evaluate = feed, evaluate
        self.rng = np.random.default_rng(7)
        self.results = {o.name: [] for o in model.graph.output}
        self.settings = {node.input[k] for node in model.graph.node for k in SETTINGS.get(node.op_type, ()) if k < len(node.input)}
        # Integer operators have no floats inside but their scales: halves between two steps show by them alone.
        scales = {n for node in model.graph.node if node.op_type.startswith("QLinear") for n in node.input}
        self.noisy = NoisyModel(model, winograd).proto
        self.originals = {t.name: numpy_helper.to_array(t) for t in self.noisy.graph.initializer
                          if t.data_type in FLOATS and not t.name.startswith("__") and t.name not in self.settings}
        self.originals = {n: a for n, a in self.originals.items() if a.size > 1 or n in scales}

    def of(self, output, count):
        """Results of at least `count` trials. Raises Invalid."""
        while len(self.results[output]) < count:
            self._one_more()
        return self.results[output]

    def _one_more(self):
        for node in self.noisy.graph.node:
            for a in node.attribute:
                if node.op_type == "RandomUniformLike" and a.name == "seed":
                    a.f = float(self.rng.integers(2**24, 2**30))  # small seeds begin with small numbers
        for tensor in self.noisy.graph.initializer:
            if tensor.name in self.originals:
                tensor.CopyFrom(numpy_helper.from_array(shaken(self.originals[tensor.name], self.rng), tensor.name))
        moved = {k: v if k in self.settings else shaken(v, self.rng) for k, v in self.feed.items()}
        for name, value in self.evaluate(self.noisy.SerializeToString(), [moved])[0].items():
            self.results[name].append(value)

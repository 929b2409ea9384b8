"""Operators of opsets 22 to 28, and com.microsoft's quantised ones."""
import numpy as np

from families import family
from families.activations import operator
from families.quantized import Grid, weight_bytes
from graph import BOOL, F32, I8, I32, I64, ONNX_TYPES, TEXT, U8, Dim

NEWEST = []


def newest(function):
    NEWEST.append(function)
    return function


@newest
def rms_normalization(g):
    g.opset = 23
    rank = g.between(1, 4)
    axis = g.between(0, rank - 1)
    x = g.input(F32, [g.extent(1, 5) if k < axis else g.fixed(1, 17) for k in range(rank)])
    row = x.shape[axis:] if g.chance(0.7) else tuple(1 if g.chance(0.4) else d for d in x.shape[axis:])
    y = g.node("RMSNormalization", [x, g.const(g.array(F32, row))], axis=g.pick([axis, axis - rank]), epsilon=g.pick([None, 0.01]))
    if g.chance(0.4):
        operator(g, y)


@newest
def swish(g):
    g.opset = 24
    y = g.node("Swish", [g.input(F32, g.shape(g.between(0, 4), 9))], alpha=g.pick([None, 1.0, 0.5, 1.7]))
    if g.chance(0.4):
        operator(g, y)


@newest
def tensor_scatter(g):
    g.opset = 24
    b, h, most, d = g.between(1, 3), g.between(1, 2), g.between(3, 6), g.between(1, 4)
    new = g.between(1, 2)
    circular = g.chance(0.4)
    inputs = [g.input(F32, (b, h, most, d)), g.input(F32, (b, h, new, d))]
    if g.chance(0.8):
        inputs.append(g.input(I64, (b,), (0, most if circular else most - new)))
    g.node("TensorScatter", inputs, mode="circular" if circular else "linear")


@newest
def bit_cast(g):
    g.opset = 26
    a, b = g.pick([(F32, I32), (I32, F32), (U8, I8), (I8, U8)])
    g.node("BitCast", [g.input(a, g.shape(g.between(0, 3), 5), "small")], None, b, to=ONNX_TYPES[b])


@newest
def products_so_far(g):
    g.opset = 26
    x = g.input(F32, g.shape(g.between(1, 3), 6))
    g.node("CumProd", [x, g.const(np.array(g.between(-x.rank, x.rank - 1), np.int64))], exclusive=g.pick([None, 0, 1]), reverse=g.pick([None, 0, 1]))


@newest
def sequence_map(g):
    shape = g.shape(g.between(1, 2), 4)
    xs = [g.tensor(F32, shape) for _ in range(g.between(1, 3))]
    g.opset = max(g.opset, 17)
    s = g.sequence("SequenceConstruct", xs)
    b = g.body()
    x = b.formal(F32, shape)
    y = b.node(g.pick(["Neg", "Relu", "Tanh"]), [x])
    g.read.update((x.name, y.name))
    t = g.sequence("SequenceMap", [s], body=b.body_proto([y]))
    g.node("SequenceAt", [t, g.const(np.array(g.between(-len(xs), len(xs) - 1), np.int64))], shape, F32)


@newest
def from_nothing(g):
    x = g.input(F32, g.shape(g.between(1, 2), 4))
    s = g.sequence("SequenceInsert", [g.sequence("SequenceEmpty", []), x])
    g.node("SequenceAt", [s, g.const(np.array(0, np.int64))], x.shape, F32)


@newest
def texts(g):
    g.opset = 20
    if g.chance(0.5):
        x = g.input(TEXT, (g.between(1, 4),))
        g.node("StringNormalizer", [x], (Dim(1),), case_change_action=g.pick(["LOWER", "UPPER", "NONE"]), is_case_sensitive=1)
    else:
        x = g.input(TEXT, g.shape(g.between(1, 2), 4))
        g.node("RegexFullMatch", [x], None, BOOL, pattern=g.pick(["a.*", "[0-9.]+", "(abc|x).*"]))


@newest
def features(g):
    x = g.input(F32, g.shape(2, 5)[:1] + (g.between(2, 5),))
    if g.chance(0.5):
        g.node("Binarizer", [x], domain="ai.onnx.ml", threshold=g.pick([0.0, 0.5]))
    else:
        n = g.between(1, 3)
        g.node("ArrayFeatureExtractor", [x, g.const(g.array(I64, (n,), (0, int(x.shape[1]) - 1)))], (x.shape[0], n), domain="ai.onnx.ml")


@newest
def space_to_depth(g):
    b = g.pick([1, 2, 3])
    x = g.input(F32, (g.extent(1, 2), g.between(1, 4), b * g.between(1, 3), b * g.between(1, 3)))
    y = g.node("SpaceToDepth", [x], (x.shape[0], x.shape[1] * b * b, x.shape[2] // b, x.shape[3] // b), blocksize=b)
    if g.chance(0.5):
        operator(g, y)


@newest
def trigonometry(g):
    x = g.input(F32, g.shape(g.between(0, 3), 9), g.pick([(-1, 1), (-4, 4), (1, 30)]))
    for _ in range(2):
        x = g.node(g.pick(["Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Ceil", "Floor", "Round"]), [x])
    g.node(g.pick(["IsNaN", "IsInf"]), [x], None, BOOL)


@newest
def linear_attention(g):
    g.opset, g.notes["reference"] = 27, "onnx"
    b, length, heads, size = g.between(1, 2), g.between(1, 4), g.between(1, 2), g.pick([2, 4])
    q, k, v = (g.input(F32, (b, length, heads * size), "unit") for _ in range(3))
    g.node("LinearAttention", [q, k, v], [(b, length, heads * size), (b, heads, size, size)], outputs=2, q_num_heads=heads,
           kv_num_heads=heads, update_rule="linear")


@newest
def causal_convolution(g):
    g.opset, g.notes["reference"] = 27, "onnx"
    b, c, length, k = g.between(1, 2), g.between(1, 5), g.between(1, 6), g.between(2, 4)
    inputs = [g.input(F32, (b, c, length)), g.weights(c, 1, k)]
    if g.chance(0.5):
        inputs.append(g.const(g.array(F32, (c,))))
    g.node("CausalConvWithState", inputs, [(b, c, length), (b, c, k - 1)], outputs=2)


def scalars(g, grid):
    return [g.const(np.array(grid.scale, np.float32)), g.const(np.array(grid.zero, grid.dtype))]


@newest
def dynamic_matmul(g):
    k, n = g.pick([1, 4, 8, 17]), g.pick([1, 8, 15])
    x = g.input(F32, (*g.shape(g.between(1, 2), 5), k))
    w_type = g.pick([I8, U8])
    inputs = [x, g.const(weight_bytes(g, (k, n), w_type)), g.const(np.array(0.01, np.float32)), g.const(np.array(0 if w_type == I8 else 128, w_type))]
    if g.chance(0.5):
        inputs.append(g.const(g.array(F32, (n,))))
    g.node("DynamicQuantizeMatMul", inputs, (*x.shape[:-1], n), domain="com.microsoft")


@newest
def matmul_to_float(g):
    k, n = g.pick([1, 4, 8, 17]), g.pick([1, 8, 15])
    a_type = U8
    b_type = g.pick([I8, U8])
    a, b = Grid(g, a_type), Grid(g, b_type, 0 if b_type == I8 else 128)
    x = g.input(a_type, (*g.shape(g.between(1, 2), 5), k), "bits")
    (a_scale, a_zero), (b_scale, b_zero) = scalars(g, a), scalars(g, b)
    inputs = [x, g.const(weight_bytes(g, (k, n), b_type)), a_scale, b_scale, a_zero, b_zero]
    if g.chance(0.5):
        inputs.append(g.const(g.array(F32, (n,))))
    g.node("MatMulIntegerToFloat", inputs, (*x.shape[:-1], n), F32, domain="com.microsoft")


@newest
def quantized_gemm(g):
    k, n = g.pick([1, 4, 8, 17]), g.pick([1, 8, 15])
    a, b, y = Grid(g, U8), Grid(g, U8), Grid(g, U8)
    y.scale *= np.float32(4)
    x = g.input(U8, (g.extent(1, 6), k), "bits")
    bias = g.const(g.rng.integers(-3000, 3000, n).astype(np.int32)) if g.chance(0.6) else None
    out = scalars(g, y) if g.chance(0.7) else []
    inputs = [x, *scalars(g, a), g.const(weight_bytes(g, (k, n), U8)), *scalars(g, b), bias, *out]
    while inputs[-1] is None:
        inputs.pop()
    g.node("QGemm", inputs, (x.shape[0], n), U8 if out else F32, domain="com.microsoft")


@newest
def microsoft_quantize(g):
    grid = Grid(g)
    x = g.input(F32, g.shape(g.between(1, 3), 6))
    q = g.node("QuantizeLinear", [x, *scalars(g, grid)], None, grid.dtype, domain="com.microsoft")
    g.node("DequantizeLinear", [q, *scalars(g, grid)], None, F32, domain="com.microsoft")


@family("newest", 1.5)
def draw(g):
    g.pick(NEWEST)(g)

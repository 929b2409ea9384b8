"""com.microsoft's operators, as ONNX Runtime's optimiser and quantiser write them, and ai.onnx.ml's, against ONNX Runtime
itself: drawn attributes, optional inputs and shapes.

    tests/peers/run.sh contrib_test.py [--draws N] [--seed N] [OPERATOR ...]
"""
import argparse
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import ml_cases
import peerlib

MS = "com.microsoft"


class Case:
    """A model of one node: what is drawn of its inputs and attributes."""

    def __init__(self, rng, op, domain=MS, opset=17):
        self.rng, self.op, self.domain, self.opset = rng, op, domain, opset
        self.names, self.feed, self.constants, self.attrs, self.outputs = [], {}, [], {}, ["y"]
        self.atol = self.rtol = 2e-5

    def flip(self):
        return bool(self.rng.integers(2))

    def floats(self, *shape, scale=1.0):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def ints(self, low, high, *shape, dtype=np.int32):
        return self.rng.integers(low, high, shape).astype(dtype)

    def eight(self, *shape, dtype=np.uint8):
        info = np.iinfo(dtype)
        return self.rng.integers(info.min, info.max + 1, shape).astype(dtype)

    def none(self):
        self.names.append("")

    def input(self, value):
        self.names.append(f"x{len(self.names)}")
        self.feed[self.names[-1]] = value

    def const(self, value):
        self.names.append(f"c{len(self.names)}")
        self.constants.append(numpy_helper.from_array(np.asarray(value), self.names[-1]))

    def maybe(self, make):
        if self.flip():
            make()
            return True
        self.none()
        return False

    def model(self):
        while self.names and not self.names[-1]:
            self.names.pop()
        node = helper.make_node(self.op, self.names, self.outputs, "node", domain=self.domain, **self.attrs)
        infos = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
                 for k, v in self.feed.items()]
        outs = [onnx.ValueInfoProto(name=o) for o in self.outputs if o]
        graph = helper.make_graph([node], "g", infos, outs, self.constants)
        return helper.make_model(graph, ir_version=9, opset_imports=[
            helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1),
            helper.make_opsetid("ai.onnx.ml", 3)])


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def shape_of(rng, low=1, high=4):
    return tuple(int(v) for v in rng.integers(1, 9, rng.integers(low, high)))


@case
def Gelu(c):
    c.input(c.floats(*shape_of(c.rng)))


@case
def QuickGelu(c):
    c.input(c.floats(*shape_of(c.rng)))
    if c.flip():
        c.attrs["alpha"] = 1.5


@case
def FastGelu(c):
    shape = shape_of(c.rng)
    c.input(c.floats(*shape))
    c.maybe(lambda: c.const(c.floats(shape[-1])))


@case
def BiasGelu(c):
    shape = shape_of(c.rng)
    c.input(c.floats(*shape))
    c.const(c.floats(shape[-1]))


def _skip(c, rms):
    b, s, h = (int(v) for v in c.rng.integers(1, 9, 3))
    c.input(c.floats(b, s, h))
    c.input(c.floats(*((1, s, h) if c.flip() else (b, s, h))))
    c.const(c.floats(h))
    if not rms:
        c.maybe(lambda: c.const(c.floats(h)))
    c.maybe(lambda: c.const(c.floats(h)))
    c.attrs["epsilon"] = 1e-5 if c.flip() else 1e-12
    if c.flip():
        c.outputs = ["y", "", "", "sum"]
    if h == 1:
        c.atol = 1e-3  # the variance is 0: epsilon decides
        c.attrs["epsilon"] = 1e-2


@case
def SkipLayerNormalization(c):
    _skip(c, False)


@case
def SkipSimplifiedLayerNormalization(c):
    _skip(c, True)


@case
def SimplifiedLayerNormalization(c):
    c.domain = ""
    shape = shape_of(c.rng, 2, 4)
    c.input(c.floats(*shape))
    c.const(c.floats(shape[-1]))
    c.attrs.update(axis=-1, epsilon=1e-5, stash_type=1)


@case
def EmbedLayerNormalization(c):
    b, s, h, v = (int(v) for v in c.rng.integers(1, 9, 4))
    h += 1
    segments = c.flip()
    c.input(c.ints(0, v, b, s))
    c.input(c.ints(0, 2, b, s)) if segments else c.none()
    c.const(c.floats(v, h))
    c.const(c.floats(9, h))
    c.const(c.floats(2, h)) if segments else c.none()
    c.const(c.floats(h))
    c.const(c.floats(h))
    c.maybe(lambda: c.input(c.ints(0, 2, b, s)))
    c.maybe(lambda: c.input(c.ints(0, 9, b if c.flip() else 1, s)))
    c.attrs["epsilon"] = 1e-5
    c.outputs = ["y", "mask_index"] + (["sum"] if c.flip() else [])


@case
def FusedMatMul(c):
    m, k, n, b = (int(v) for v in c.rng.integers(1, 9, 4))
    ta, tb = c.flip(), c.flip()
    lead = (b,) if c.flip() else ()
    c.input(c.floats(*lead, *((k, m) if ta else (m, k))))
    (c.const if c.flip() else c.input)(c.floats(*lead, *((n, k) if tb else (k, n))))
    c.attrs.update(transA=int(ta), transB=int(tb), alpha=0.125 if c.flip() else 1.0)


def _activation(c, gemm):
    name = c.rng.choice(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid"] + ([] if gemm else ["Clip"]))
    c.attrs["activation"] = str(name)
    params = {"LeakyRelu": [0.2], "HardSigmoid": [0.3, 0.4], "Clip": [-0.5, 0.75]}.get(str(name), [])
    if not params:
        return
    if gemm:
        c.attrs.update(zip(["activation_alpha", "activation_beta"], params))
    else:
        c.attrs["activation_params"] = params


@case
def FusedGemm(c):
    m, k, n = (int(v) for v in c.rng.integers(1, 9, 3))
    ta, tb = c.flip(), c.flip()
    c.input(c.floats(*((k, m) if ta else (m, k))))
    c.const(c.floats(*((n, k) if tb else (k, n))))
    c.maybe(lambda: c.const(c.floats(n)))
    c.attrs.update(transA=int(ta), transB=int(tb), alpha=0.5, beta=2.0 if c.flip() else 1.0)
    _activation(c, True)


@case
def FusedConv(c):
    n, i, o, h, w = (int(v) for v in c.rng.integers(1, 7, 5))
    h, w = h + 3, w + 3
    c.input(c.floats(n, i, h, w))
    c.const(c.floats(o, i, 3, 3))
    bias = c.maybe(lambda: c.const(c.floats(o)))
    if bias and c.flip():
        c.input(c.floats(n, o, h, w))
    c.attrs.update(pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    _activation(c, False)


def _mask(c, b, s, t):
    """An integer mask in one of the forms; every row attends to something."""
    form = int(c.rng.integers(4))
    if form == 0:
        c.input(c.ints(1, t + 1, b))
    elif form == 1:
        ends = c.ints(max(1, t // 2), t + 1, b)
        c.input(np.concatenate([ends, np.minimum(ends - 1, c.ints(0, t, b))]).astype(np.int32))
    else:
        c.input(_ones_first(c.ints(0, 2, *((b, t) if form == 2 else (b, s, t)))))


def _ones_first(mask):
    """Key 0 counts: a row that is masked as a whole is what rounding at -10000 leaves of it."""
    mask[..., 0] = 1
    return mask


@case
def Attention(c):
    b, s, heads, size, width, past = (int(v) for v in c.rng.integers(1, 6, 6))
    sizes = [heads * size] * 3
    with_past = c.flip()
    if c.flip() and not with_past:
        sizes[2] = heads * (size + 1)
        c.attrs["qkv_hidden_sizes"] = sizes
    t = s + (past if with_past else 0)
    c.input(c.floats(b, s, width))
    c.const(c.floats(width, sum(sizes)))
    c.const(c.floats(sum(sizes)))
    c.maybe(lambda: _mask(c, b, s, t))
    c.input(c.floats(2, b, heads, past, size)) if with_past else c.none()
    c.maybe(lambda: c.input(c.floats(b if c.flip() else 1, heads if c.flip() else 1, s, t)))
    c.attrs["num_heads"] = heads
    if c.flip():
        c.attrs["unidirectional"] = 1
    if c.flip():
        c.attrs["scale"] = 0.3
    if with_past:
        c.outputs = ["y", "present"]


@case
def QAttention(c):
    b, s, heads, size, width = (int(v) for v in c.rng.integers(1, 6, 5))
    signed = c.flip()
    c.input(c.eight(b, s, width))
    c.const(c.eight(width, 3 * heads * size, dtype=np.int8 if signed else np.uint8))
    c.const(c.floats(3 * heads * size))
    c.const(np.float32(0.01))
    c.const(np.float32(0.02))
    c.maybe(lambda: c.input(_ones_first(c.ints(0, 2, b, s))))
    c.const(np.uint8(c.rng.integers(256)))
    c.const(np.int8(3) if signed else np.uint8(120))
    c.attrs["num_heads"] = heads


@case
def MultiHeadAttention(c):
    b, s, l, heads, size, past = (int(v) for v in c.rng.integers(1, 6, 6))
    form = str(c.rng.choice(["plain", "packed_kv", "packed_qkv", "cross", "past"]))
    # ONNX Runtime's CPU kernel takes no packed forms.
    form = {"packed_kv": "plain", "packed_qkv": "past"}.get(form, form)
    d, extra = heads * size, 1 if c.flip() and form == "plain" else 0
    if form == "past":
        l = s
    c.input(c.floats(b, s, d))
    if form == "cross":
        c.input(c.floats(b, heads, l, size))
        c.input(c.floats(b, heads, l, size))
        c.none()
    else:
        c.input(c.floats(b, l, d))
        c.input(c.floats(b, l, heads * (size + extra)))
        c.maybe(lambda: c.const(c.floats(2 * d + heads * (size + extra))))
    t = l + (past if form == "past" else 0)
    mask = int(c.rng.integers(4))
    if mask == 0 and form != "past":
        c.input(c.ints(1, l + 1, b))
    elif mask == 1:
        c.input(_ones_first(c.ints(0, 2, b, t)))
    elif mask == 2:
        c.input(_ones_first(c.ints(0, 2, b, s, t)))
    else:
        c.none()
    c.maybe(lambda: c.input(c.floats(b if c.flip() else 1, heads if c.flip() else 1, s, t)))
    if form == "past":
        c.input(c.floats(b, heads, past, size))
        c.input(c.floats(b, heads, past, size))
        c.outputs = ["y", "present_k", "present_v"]
    c.attrs["num_heads"] = heads
    if c.flip() and form != "cross" and l == s:
        c.attrs["unidirectional"] = 1
    if c.flip():
        c.attrs["scale"] = 0.4


@case
def MatMulNBits(c):
    bits, block = int(c.rng.choice([4, 8])), int(c.rng.choice([16, 32]))
    k, columns, rows = (int(v) for v in (c.rng.integers(1, 80), c.rng.integers(1, 9), c.rng.integers(1, 5)))
    blocks = -(-k // block)
    c.input(c.floats(*([2, rows, k] if c.flip() else [rows, k])))
    c.const(c.eight(columns, blocks, block * bits // 8))
    c.const(c.floats(columns * blocks))
    if c.flip():
        c.const(c.eight(columns * (-(-blocks * bits // 8))))
    c.attrs.update(K=k, N=columns, bits=bits, block_size=block)
    c.rtol = c.atol = 2e-4  # ONNX Runtime rounds


@case
def GroupQueryAttention(c):
    b, s, kv, group, half, past = (int(v) for v in c.rng.integers(1, 5, 6))
    half *= 8  # ONNX Runtime rotates heads of multiples of 16 elements
    heads, size = kv * group, 2 * half
    form = str(c.rng.choice(["prompt", "step", "buffer"]))
    if form == "prompt":
        past = 0
    if form != "prompt":
        s = 1  # several new tokens behind a past are for one sequence alone
    packed = c.flip()
    c.input(c.floats(b, s, (heads + 2 * kv if packed else heads) * size))
    if packed:
        c.none(), c.none()
    else:
        c.input(c.floats(b, s, kv * size))
        c.input(c.floats(b, s, kv * size))
    room = past + s + 3 if form == "buffer" else past
    for _ in range(2):
        cache = c.floats(b, kv, room, size)
        cache[:, :, past:] = 0  # what lies behind the tokens is kept by one, and cleared by the other
        c.input(cache)
    c.const(np.full(b, past + s - 1, np.int32))
    c.const(np.int32(past + s))
    if c.flip():
        table = c.floats(room + s + 4, half)
        c.const(np.cos(table))
        c.const(np.sin(table))
        c.attrs.update(do_rotary=1, rotary_interleaved=int(c.flip()))
    c.attrs.update(num_heads=heads, kv_num_heads=kv)
    if c.flip():
        c.attrs["scale"] = 0.4
    if c.flip():
        c.attrs["softcap"] = 3.0
    if c.flip():
        c.attrs["local_window_size"] = int(c.rng.integers(1, 5))
    c.outputs = ["y", "present_k", "present_v"]


@case
def RotaryEmbedding(c):
    b, s, heads, half = (int(v) for v in c.rng.integers(1, 6, 4))
    four = c.flip()
    c.input(c.floats(*((b, heads, s, 2 * half) if four else (b, s, heads * 2 * half))))
    c.input(c.ints(0, 4, 1, dtype=np.int64) if c.flip() else c.ints(0, 12, b, s, dtype=np.int64))
    c.const(c.floats(12, half))
    c.const(c.floats(12, half))
    c.attrs["interleaved"] = int(c.flip())


def _quantised(c, shape, const=False, dtype=np.uint8):
    (c.const if const else c.input)(c.eight(*shape, dtype=dtype))
    c.const(np.float32(c.rng.uniform(0.01, 0.05)))
    c.const(dtype(c.rng.integers(0, 128)))


def _output(c, dtype=np.uint8):
    c.const(np.float32(c.rng.uniform(0.01, 0.05)))
    c.const(dtype(c.rng.integers(0, 128)))
    c.atol = 1.01  # a product that falls on the half of two integers may be rounded to either


def _qbinary(c):
    dtype = np.int8 if c.flip() else np.uint8
    shape = shape_of(c.rng)
    _quantised(c, shape, dtype=dtype)
    _quantised(c, shape[1:] if c.flip() and len(shape) > 1 else shape, c.flip(), dtype)
    _output(c, dtype)


@case
def QLinearAdd(c):
    _qbinary(c)


@case
def QLinearMul(c):
    _qbinary(c)


@case
def QLinearSigmoid(c):
    _quantised(c, shape_of(c.rng))
    _output(c)


@case
def QLinearLeakyRelu(c):
    _quantised(c, shape_of(c.rng))
    _output(c)
    c.attrs["alpha"] = 0.2


@case
def QLinearSoftmax(c):
    _quantised(c, shape_of(c.rng, 2))
    c.const(np.float32(1 / 256))
    c.const(np.uint8(0))
    c.atol = 1.01
    c.attrs.update(axis=-1, opset=13)


@case
def QLinearConcat(c):
    shape = list(shape_of(c.rng, 2))
    axis = int(c.rng.integers(len(shape)))
    c.const(np.float32(0.03))
    c.const(np.uint8(7))
    for _ in range(int(c.rng.integers(1, 4))):
        shape[axis] = int(c.rng.integers(1, 5))
        _quantised(c, shape)
    c.atol = 1.01
    c.attrs["axis"] = axis


@case
def QLinearAveragePool(c):
    n, ch, h, w = (int(v) for v in c.rng.integers(3, 9, 4))
    _quantised(c, (n, ch, h, w))
    _output(c)
    c.attrs.update(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0], count_include_pad=int(c.flip()))


@case
def QLinearGlobalAveragePool(c):
    _quantised(c, tuple(int(v) for v in c.rng.integers(1, 9, 4)))
    _output(c)


@case
def QLinearWhere(c):
    shape = shape_of(c.rng)
    c.input(c.ints(0, 2, *shape).astype(bool))
    _quantised(c, shape)
    _quantised(c, shape, True)
    _output(c)


@case
def DynamicQuantizeLSTM(c):
    t, b, i, h = (int(v) for v in c.rng.integers(1, 9, 4))
    both = c.flip()
    d = 2 if both else 1
    dtype = np.int8 if c.flip() else np.uint8
    zero = (lambda: np.zeros(d, dtype)) if dtype == np.int8 else (lambda: np.full(d, 128, dtype))
    c.input(c.floats(t, b, i, scale=0.5))
    c.const(c.eight(d, i, 4 * h, dtype=dtype))
    c.const(c.eight(d, h, 4 * h, dtype=dtype))
    c.maybe(lambda: c.const(c.floats(d, 8 * h, scale=0.2)))
    c.none()
    c.maybe(lambda: c.input(c.floats(d, b, h, scale=0.3)))
    c.maybe(lambda: c.input(c.floats(d, b, h, scale=0.3)))
    c.none()
    for _ in range(2):
        c.const(np.full(d, 0.004, np.float32))
        c.const(zero())
    c.attrs.update(hidden_size=h, direction="bidirectional" if both else str(c.rng.choice(["forward", "reverse"])))
    c.outputs = ["y", "y_h", "y_c"]
    c.atol = 0.01  # a state between two bytes goes to either: it is summed in another order


def brief(attrs):
    """Attributes for a line of the report: long lists by their length."""
    return {k: v if not isinstance(v, list) or len(v) <= 4 else f"{len(v)} entries" for k, v in attrs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operators", nargs="*")
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    failed = 0
    domains = {name: ml_cases.ML for name in ml_cases.CASES}
    for name, draw in (CASES | ml_cases.CASES).items():
        if args.operators and name not in args.operators:
            continue
        ran = refused = 0
        for number in range(args.draws):
            c = Case(np.random.default_rng([args.seed, number, *name.encode()]), name, domains.get(name, MS))
            draw(c)
            folder = peerlib.WORK / "contrib"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}.onnx"
            onnx.save(c.model(), path)
            try:
                want = peerlib.session(path).run(None, c.feed)
            except Exception as error:  # a form that ONNX Runtime has no kernel for is no measure
                refused += 1
                if args.operators:
                    print(f"  {name} {number}: ONNX Runtime: {str(error)[:200]}")
                continue
            ran += 1
            try:
                got = peerlib.monza_run(path, c.feed, folder)
            except RuntimeError as error:
                failed += 1
                print(f"FAIL {name} draw {number} {brief(c.attrs)}: {error}")
                continue
            for key, value in zip([o for o in c.outputs if o], want):
                have = got[key]
                if value.dtype.kind in "OUS":  # strings
                    value, have = np.asarray(value, str), np.asarray(have, str)
                    if not np.array_equal(value, have):
                        failed += 1
                        print(f"FAIL {name} draw {number}: labels {have} against {value}")
                    continue
                have = have.astype(np.float64)
                if have.shape != value.shape or not np.allclose(have, value, c.rtol, c.atol, equal_nan=True):
                    failed += 1
                    off = np.abs(have - value).max() if have.shape == value.shape else "shape"
                    print(f"FAIL {name} draw {number} {brief(c.attrs)} inputs "
                          f"{ {k: v.shape for k, v in c.feed.items()} }: {key} {have.shape} against {value.shape}, off by {off}")
        print(f"{name}: {ran} agree or are listed above" + (f", {refused} that ONNX Runtime refuses" if refused else ""))
        if ran == 0:
            failed += 1
            print(f"FAIL {name}: nothing was compared")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""If, Loop and Scan with bodies that compute, carry, scan and look outside."""
import numpy as np

from families import family
from families.activations import operator
from families.elementwise import unary
from graph import BOOL, F32, I64, Dim, Invalid, alike, varies


def work(b, x, outside, steps):
    """A few nodes in a body that keep x's shape."""
    for _ in range(steps):
        kind = b.between(0, 3)
        same = [v for v in outside if v.dtype == F32 and alike(v.shape, x.shape)]
        if kind == 0 and same:
            x = b.binary(b.pick(["Add", "Mul", "Sub"]), x, b.pick(same))
        elif kind == 1:
            x = b.binary(b.pick(["Add", "Mul"]), x, b.const(b.array(F32, b.pick([(), (1,) * x.rank]))))
        elif kind == 2 and x.rank and not varies(x.shape[-1]) and x.shape[-1]:
            k = int(x.shape[-1])
            x = b.node("MatMul", [x, b.weights(k, k)], x.shape)
        else:
            x = b.node(b.pick(["Relu", "Tanh", "Sigmoid", "Abs", "Neg"]), [x])
    return x


@family("if", 0.5)
def if_(g):
    x = g.input(F32, g.shape(g.between(1, 3), 5))
    y = operator(g, x) if g.chance(0.5) else x
    condition = g.const(np.array(g.chance(0.5))) if g.chance(0.3) else g.input(BOOL, ())
    if g.chance(0.3):
        total = g.reduce("ReduceSum", x, None, 0)
        condition = g.binary("Greater", total, g.const(np.float32(0)), BOOL)
    elif g.chance(0.3):  # known once constants fold
        total = g.reduce("ReduceSum", g.node("Sin", [g.const(g.array(F32, (4,)))]), None, 0)
        condition = g.binary("Greater", total, g.const(np.float32(0)), BOOL)
    elif g.chance(0.3):  # known once the shapes are
        condition = g.node("Greater", [g.node("Size", [x], (), I64), g.const(np.array(g.between(0, 9), np.int64))], (), BOOL)
    branches = []
    for _ in range(2):
        b = g.body()
        out = work(b, b.node("Identity", [y]), [x, y], b.between(0, 3))
        g.read.update((x.name, y.name, out.name))
        branches.append(b.body_proto([out]))
    z = g.node("If", [condition], x.shape, F32, then_branch=branches[0], else_branch=branches[1])
    if g.chance(0.5):
        g.binary("Add", z, x)


@family("loop", 0.7)
def loop(g):
    x = g.input(F32, g.shape(g.between(1, 3), 4))
    fixed = g.input(F32, x.shape)
    trips = g.const(np.array(g.between(0, 5), np.int64)) if g.chance(0.6) else g.input(I64, (), (0, 5))
    keep_on = None if g.chance(0.6) else g.const(np.array(True))
    b = g.body()
    index, condition, carried = b.formal(I64, ()), b.formal(BOOL, ()), b.formal(F32, x.shape)
    out = work(b, carried, [x, fixed], b.between(1, 3))
    if g.chance(0.4):
        out = b.binary("Add", out, b.node("Cast", [index], dtype=F32, to=1))
    b.read.update((carried.name, fixed.name, x.name))
    go = b.node("Identity", [condition])
    if g.chance(0.3):
        total = b.reduce("ReduceSum", out, None, 0)
        go = b.binary("Less", total, b.const(np.float32(g.pick([0, 5, 100]))), BOOL)
    outputs = [go, out]
    scans = g.between(0, 1)
    if scans:
        outputs.append(b.node("Neg", [out]))
    g.read.update(v.name for v in outputs)
    proto = b.body_proto(outputs)
    shapes = [x.shape] + [(Dim(1), *x.shape)] * scans
    y = g.node("Loop", [trips, keep_on, x], shapes if scans else x.shape, [F32] * (1 + scans) if scans else F32, outputs=1 + scans, body=proto)
    first = y[0] if scans else y
    if g.chance(0.4):
        operator(g, first)


@family("scan", 0.5)
def scan(g):
    n = g.extent(1, 6)
    rest = g.shape(g.between(1, 2), 4)
    state, xs = g.input(F32, rest), g.input(F32, (n, *rest))
    b = g.body()
    carried, x = b.formal(F32, rest), b.formal(F32, rest)
    total = b.binary(g.pick(["Add", "Mul", "Max"]), carried, x)
    out = work(b, total, [], b.between(0, 2))
    each = b.node(g.pick(["Neg", "Tanh"]), [total])
    g.read.update(v.name for v in (carried, x, total, out, each))
    proto = b.body_proto([out, each])
    backward = g.pick([None, 0, 1])
    y = g.node("Scan", [state, xs], [rest, (n, *rest)], outputs=2, body=proto, num_scan_inputs=1,
               scan_input_directions=None if backward is None else [backward],
               scan_output_directions=None if g.chance(0.6) else [g.between(0, 1)])
    if g.chance(0.4):
        operator(g, y[1])


@family("sequences", 0.6)
def sequences(g):
    """Sequences that begin and end in tensors."""
    shape = list(g.shape(g.between(1, 3), 5))
    axis = g.between(0, len(shape) - 1)
    shape[axis] = g.between(2, 5)
    x = g.input(F32, shape)
    if g.chance(0.5):
        keep = g.pick([None, 0, 1])
        s = g.sequence("SplitToSequence", [x], axis=axis, keepdims=keep)
        count = int(shape[axis])
        item = [d if k != axis else 1 for k, d in enumerate(shape) if k != axis or keep != 0]
    else:
        count = g.between(1, 3)
        others = [x] + [g.tensor(F32, shape) for _ in range(count - 1)]
        s = g.sequence("SequenceConstruct", others)
        item = shape
    if g.chance(0.4):
        new = operator(g, g.tensor(F32, item)) if not any(isinstance(d, Dim) and d.name is None for d in item) else None
        if new is not None:
            inputs = [s, new] + ([g.const(np.array(g.between(-count, count), np.int64))] if g.chance(0.6) else [])
            s = g.sequence("SequenceInsert", inputs)
            count += 1
    if g.chance(0.3) and count > 1:
        inputs = [s] + ([g.const(np.array(g.between(-count, count - 1), np.int64))] if g.chance(0.6) else [])
        s = g.sequence("SequenceErase", inputs)
        count -= 1
    how = g.between(0, 2)
    if how == 0:
        g.node("SequenceLength", [s], (), I64)
    elif how == 1:
        y = g.node("SequenceAt", [s, g.const(np.array(g.between(-count, count - 1), np.int64))], item)
        operator(g, y)
    else:
        new_axis = g.chance(0.3)
        g.node("ConcatFromSequence", [s], item, axis=g.between(0, len(item)) if new_axis else g.between(0, max(0, len(item) - 1)), new_axis=int(new_axis))

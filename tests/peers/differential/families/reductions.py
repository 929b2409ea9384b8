"""Reductions, softmaxes and sorting, over every axis and none."""
import numpy as np

from families import family
from families.activations import operator
from families.elementwise import part_of
from graph import F32, F64, I32, I64, Invalid, derived, varies

REDUCE = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
          "ReduceLogSumExp", "ReduceSumSquare"]


def softmax_spelled(g, x, axis):
    g.random.random()
    keep = 1 if g.chance(0.9) else 0
    shifted = g.binary("Sub", x, g.reduce("ReduceMax", x, [axis])) if g.chance(0.7) else x
    e = g.node("Exp", [shifted])
    total = g.reduce("ReduceSum", e, [axis if g.chance(0.95) else 0], keep)
    if not keep and axis % x.rank != 0:
        return e
    return g.binary("Div", e, total)


@family("reductions", 1.5)
def reductions(g):
    g.special = g.pick([0, 0, 0, 0.05])
    dtype = g.pick([F32] * 6 + [I32, I64, F64])
    x = g.input(dtype, g.shape(g.between(1, 5), 9), "small" if dtype.kind in "iu" else "normal")
    if dtype == F32 and g.chance(0.3):
        x = operator(g, x)
    for _ in range(g.between(1, 3)):
        if x.rank == 0:
            break
        if g.chance(0.3) and x.rank >= 2:
            perm = list(range(x.rank))
            g.random.shuffle(perm)
            x = g.transpose(x, perm)
        kind = g.between(0, 7)
        if kind <= 3:
            ops = REDUCE if dtype == F32 else ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceMean"] if dtype != F64 else ["ReduceSum", "ReduceMean", "ReduceMax"]
            op = g.pick(ops)
            if op == "ReduceProd" and dtype in (I32, I64):
                op = "ReduceSum"
            axes = g.some(range(x.rank), 1) if g.chance(0.85) else None
            if axes and g.chance(0.3):
                axes = [a - x.rank for a in axes]
            if axes and g.chance(0.3):
                g.random.shuffle(axes)
            x = g.reduce(op, x, axes, g.between(0, 1))
        elif kind == 4 and dtype == F32:
            op = g.pick(["Softmax", "Softmax", "LogSoftmax", "Hardmax"])
            x = g.node(op, [x], axis=g.between(-x.rank, x.rank - 1))
        elif kind == 5 and dtype == F32:
            x = softmax_spelled(g, x, g.between(-x.rank, x.rank - 1))
        elif kind == 6:
            axis = g.between(-x.rank, x.rank - 1)
            keep = g.between(0, 1)
            shape = [1 if k == axis % x.rank else d for k, d in enumerate(x.shape) if keep or k != axis % x.rank]
            g.node(g.pick(["ArgMax", "ArgMin"]), [x], shape, I64, axis=axis, keepdims=keep, select_last_index=g.pick([None, 0, 1]))
        elif kind == 7:
            x = g.node("CumSum", [x, g.const(np.array(g.between(-x.rank, x.rank - 1), g.pick([np.int32, np.int64])))],
                       exclusive=g.pick([None, 0, 1]), reverse=g.pick([None, 0, 1]))
        if dtype == F32 and g.chance(0.2):
            x = g.binary("Add", x, g.tensor(F32, part_of(g, x.shape)))


@family("topk", 0.4)
def topk(g):
    x = g.input(g.pick([F32, F32, F64, I64, I32]), g.shape(g.between(1, 4), 9), "normal")
    axis = g.between(0, x.rank - 1)
    least = int(getattr(x.shape[axis], "low", None) or x.shape[axis])
    k = g.between(0 if g.chance(0.1) else 1, max(1, min(least, 6)))
    shape = [k if a == axis else d for a, d in enumerate(x.shape)]
    g.node("TopK", [x, g.ints(k)], [shape, shape], [x.dtype, I64], outputs=2, axis=axis - (x.rank if g.chance(0.3) else 0),
           largest=g.pick([None, 0, 1]), sorted=1)

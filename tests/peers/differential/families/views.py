"""What moves elements or only looks at them otherwise, chained, with work between that reads through the views."""
import numpy as np

from families import family
from graph import BOOL, F16, F32, F64, I8, I32, I64, U8, Dim, alike, count_of, derived, varies


def transpose(g, x):
    perm = list(range(x.rank))
    g.random.shuffle(perm)
    if g.chance(0.1):
        return g.node("Transpose", [x], list(reversed(x.shape)))
    return g.transpose(x, perm)


def reshape(g, x):
    """Another shape of the same elements. Extents that vary are kept, or joined with their neighbours."""
    if varies(x.shape):
        if x.rank < 2:
            return None
        at = g.between(0, x.rank - 2)
        joined = derived(int(x.shape[at]) * int(x.shape[at + 1]), x.shape[at], x.shape[at + 1])
        shape = [*x.shape[:at], joined, *x.shape[at + 2:]]
        # 0 copies the extent of the same place, which is this one before the two that are joined only.
        target = [-1 if k == at else 0 if k < at and varies(d) else int(d) for k, d in enumerate(shape)]
        if any(varies(d) or d == 0 for d in shape[at + 1:]):
            return None
        return g.reshape(x, shape, target)
    total = int(np.prod(x.shape, dtype=np.int64))
    if total == 0:
        return g.reshape(x, x.shape) if 0 not in x.shape or g.opset < 14 else g.node(
            "Reshape", [x, g.ints(*x.shape[::-1])], x.shape[::-1], allowzero=1)
    shape, rest = [], total
    for _ in range(g.between(0, 4)):
        divisors = [d for d in range(1, min(rest, 12) + 1) if rest % d == 0]
        shape.append(g.pick(divisors))
        rest //= shape[-1]
    shape.insert(g.between(0, len(shape)), rest)
    target = list(shape)
    if g.chance(0.4):
        target[g.between(0, len(target) - 1)] = -1
    return g.reshape(x, shape, target)


def slice_(g, x):
    if x.rank == 0:
        return None
    axes = g.some(range(x.rank), 1)
    starts, ends, steps = [], [], []
    for a in axes:
        extent = int(x.shape[a])
        if varies(x.shape[a]):
            start, end, step = g.pick([(0, -1, 1), (1, 2**62, 1), (0, 2**31 - 1, 2), (-1, -2**63, -1), (-2, 2**62, 1), (0, 1, 1),
                                       (-1, 2**62, 1)])
        else:
            step = g.pick([1, 1, 1, 2, 3, -1, -2])
            start, end = g.between(-extent - 1, extent), g.between(-extent - 1, extent + 1)
            if step < 0 and g.chance(0.6):
                start, end = extent - 1, -2**62
            elif g.chance(0.6):
                start, end = g.between(0, max(0, extent // 2)), g.pick([extent, 2**31 - 1, 2**62] if step > 0 else [0, -1, -2**62])
        starts.append(start), ends.append(end), steps.append(step)
    result = g.slice(x, starts, ends, [a - x.rank if g.chance(0.2) else a for a in axes],
                     steps if any(s != 1 for s in steps) or g.chance(0.3) else None)
    return result


def split(g, x):
    axes = [a for a in range(x.rank) if not varies(x.shape[a]) and x.shape[a] >= 1]
    if not axes:
        return None
    axis = g.pick(axes)
    extent, parts = int(x.shape[axis]), []
    while sum(parts) < extent:
        parts.append(min(g.between(1, max(1, extent)), extent - sum(parts)))
    if len(parts) < 2:
        return None
    if g.chance(0.1):
        parts.append(0)
    shapes = [[*x.shape[:axis], p, *x.shape[axis + 1:]] for p in parts]
    made = g.node("Split", [x, g.ints(*parts)], shapes, outputs=len(parts), axis=axis - (x.rank if g.chance(0.2) else 0))
    if g.chance(0.6):
        return concat(g, g.some(made, 1), axis)
    return g.pick(made)


def concat(g, values, axis):
    values = [v for v in values for _ in range(2 if g.chance(0.1) else 1)]
    g.random.shuffle(values)
    shape = list(values[0].shape)
    shape[axis] = derived(sum(int(v.shape[axis]) for v in values), *[v.shape[axis] for v in values])
    return g.node("Concat", values, shape, axis=axis - (len(shape) if g.chance(0.2) else 0))


def join(g, x):
    """x beside others of its shape but for one axis."""
    if x.rank == 0:
        return None
    axis = g.between(0, x.rank - 1)
    if any(isinstance(d, Dim) and d.name is None for k, d in enumerate(x.shape) if k != axis):
        return concat(g, [x, x], axis)
    other = g.tensor(x.dtype, [g.fixed(1, 3) if k == axis else d for k, d in enumerate(x.shape)])
    return concat(g, [x, other], axis)


def squeeze(g, x):
    axes = [a for a in range(x.rank) if not varies(x.shape[a]) and x.shape[a] == 1]
    axes = g.some(axes, 1) if axes else []
    if not axes:
        return None
    return g.node("Squeeze", [x, g.ints(*[a - x.rank if g.chance(0.3) else a for a in axes])],
                  [d for k, d in enumerate(x.shape) if k not in axes])


def unsqueeze(g, x):
    if x.rank > 5:
        return None
    rank = x.rank + g.between(1, 2)
    axes = sorted(g.random.sample(range(rank), rank - x.rank))
    rest = iter(x.shape)
    return g.node("Unsqueeze", [x, g.ints(*[a - rank if g.chance(0.3) else a for a in axes])],
                  [1 if k in axes else next(rest) for k in range(rank)])


def gather(g, x):
    axes = [a for a in range(x.rank) if not varies(x.shape[a]) and x.shape[a] > 0]
    if not axes:
        return None
    axis = g.pick(axes)
    extent = int(x.shape[axis])
    own = g.pick([(), (1,), (g.between(1, 5),), (2, 3), (0,)])
    dtype = g.pick([I32, I64])
    index = (g.const(g.array(dtype, own, (-extent, extent - 1))) if g.chance(0.6)
             else g.input(dtype, own, (-extent, extent - 1)))
    return g.node("Gather", [x, index], [*x.shape[:axis], *own, *x.shape[axis + 1:]], axis=axis - (x.rank if g.chance(0.2) else 0))


def expand(g, x):
    lead = g.between(0, 2) if x.rank < 5 else 0
    if varies(x.shape):
        target = [g.fixed(1, 3) for _ in range(lead)] + [1] * x.rank
        return g.node("Expand", [x, g.ints(*target)], [*target[:lead], *x.shape])
    target = [g.fixed(1, 3) for _ in range(lead)] + [g.fixed(1, 4) if d == 1 else d for d in x.shape]
    return g.node("Expand", [x, g.ints(*[1 if k >= lead and g.chance(0.3) and x.shape[k - lead] == d else d for k, d in enumerate(target)])], target)


def tile(g, x):
    if x.rank == 0:
        return None
    repeats = [g.pick([1, 1, 2, 3]) for _ in x.shape]
    return g.node("Tile", [x, g.ints(*repeats)], [derived(int(d) * r, d) if r > 1 else d for d, r in zip(x.shape, repeats)])


def flatten(g, x):
    axis = g.between(-x.rank, x.rank) if x.rank else 0
    at = axis % x.rank if axis < 0 else axis
    return g.node("Flatten", [x], [count_of(x.shape[:at]), count_of(x.shape[at:])], axis=axis)


def depth(g, x):
    if x.rank != 4 or varies(x.shape) or x.dtype not in (F32,):
        return None
    n, c, h, w = map(int, x.shape)
    b = g.pick([1, 2, 3])
    if c % (b * b) == 0 and g.chance(0.5):
        return g.node("DepthToSpace", [x], [n, c // (b * b), h * b, w * b], blocksize=b, mode=g.pick([None, "DCR", "CRD"]))
    if h % b == 0 and w % b == 0:
        return g.node("SpaceToDepth", [x], [n, c * b * b, h // b, w // b], blocksize=b)
    return None


def pad(g, x):
    if x.rank == 0 or x.dtype not in (F32, F64, I32, I64, I8, U8, BOOL):
        return None
    mode = g.pick(["constant", "constant", "edge", "reflect"])
    begins, ends = ([g.between(-1 if mode == "constant" and int(d) > 2 and not varies(d) else 0,
                               2 if mode != "reflect" else max(0, min(2, (d.low or 1) - 1 if isinstance(d, Dim) else d - 1)))
                     for d in x.shape] for _ in range(2))
    if x.dtype == BOOL and mode != "constant":
        return None
    if mode != "constant" and 0 in [int(d) for d in x.shape]:
        return None
    shape = [derived(int(d) + b + e, d) if b or e else d for d, b, e in zip(x.shape, begins, ends)]
    if any(int(d) < 0 for d in shape):
        return None
    inputs = [x, g.ints(*begins, *ends)]
    if mode == "constant" and g.chance(0.5):
        inputs.append(g.const(g.array(x.dtype, (), "small")))
    return g.node("Pad", inputs, shape, mode=mode)


def work(g, x):
    """Something that computes, so that it has to read what a view shows."""
    if x.dtype == F32:
        kind = g.between(0, 6)
        if kind == 0 and x.rank:
            return g.reduce(g.pick(["ReduceSum", "ReduceMax", "ReduceMean"]), x, [g.between(0, x.rank - 1)], g.between(0, 1))
        if kind == 1 and x.rank:
            return g.node("Softmax", [x], axis=g.between(0, x.rank - 1))
        if kind == 2 and x.rank >= 2 and not varies(x.shape[-1]) and x.shape[-1]:
            return matmul(g, x)
        if kind == 3:
            return g.binary(g.pick(["Add", "Mul", "Sub"]), x, g.tensor(F32, [1 if g.chance(0.3) else d for d in x.shape]))
        return g.node(g.pick(["Relu", "Exp", "Sigmoid", "Abs", "Neg"]), [x])
    if x.dtype in (I32, I64):
        return g.binary(g.pick(["Add", "Sub", "Mul"]), x, g.tensor(x.dtype, [1 if g.chance(0.3) else d for d in x.shape], "small"))
    if x.dtype == BOOL:
        return g.node("Not", [x])
    return g.node("Identity", [x])


def matmul(g, x):
    n = g.between(1, 9)
    return g.node("MatMul", [x, g.weights(int(x.shape[-1]), n, fan=int(x.shape[-1]))], [*x.shape[:-1], n])


def trilu(g, x):
    if x.rank < 2 or g.opset < 14 or x.dtype not in (F32, F64, I64, BOOL):
        return None
    inputs = [x] + ([g.const(np.array(g.between(-3, 3), np.int64))] if g.chance(0.6) else [])
    return g.node("Trilu", inputs, upper=g.pick([0, 1]))


MOVES = [transpose, reshape, slice_, split, join, squeeze, unsqueeze, gather, expand, tile, flatten, depth, pad, trilu]


def chain(g, x, steps, moves=MOVES, share_of_work=0.25):
    made = [x]
    for _ in range(steps):
        y = work(g, x) if g.chance(share_of_work) else g.pick(moves)(g, x)
        if y is None or np.prod([float(d) for d in y.shape]) > 5000 or y.rank > 6:
            continue
        same = [m for m in made if alike(m.shape, y.shape) and m.dtype == y.dtype and m is not y]
        if same and y.dtype in (F32, I32, I64) and g.chance(0.3):
            y = g.binary(g.pick(["Add", "Sub", "Mul"]), y, g.pick(same))
        made.append(y)
        x = g.pick(made[-2:]) if g.chance(0.2) else y
    return x


@family("views", 2)
def views(g):
    dtype = g.pick([F32] * 5 + [I32, I64, U8, I8, BOOL, F16, F64])
    x = g.input(dtype, g.shape(g.between(1, 5), 6), "small" if dtype.kind in "iu" else "normal")
    chain(g, x, g.between(1, 8))

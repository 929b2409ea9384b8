"""Extents computed from extents: Shape, Gather, Slice, Concat, arithmetic, Reshape, Expand, Range, as exporters write them."""
import numpy as np

from families import family
from families.activations import operator
from families.products import matmul
from graph import BOOL, F32, I64, Dim, Invalid, broadcast, count_of, derived, varies


def one(g, x, axis):
    """Extent `axis` of x as a vector of one."""
    s = g.shape_of(x)
    how = g.between(0, 3)
    if how == 0:
        return g.slice(s, [axis], [axis + 1], [0])
    if how == 1:
        e = g.node("Gather", [s, g.const(np.array(axis, np.int64))], (), I64, axis=0)
        return g.node("Unsqueeze", [e, g.ints(0)], (1,))
    if how == 2:
        return g.node("Gather", [s, g.ints(axis - x.rank)], (1,), I64, axis=0)
    return g.node("Shape", [x], (1,), I64, start=axis, end=axis + 1) if g.opset >= 15 else g.slice(s, [axis], [axis + 1], [0])


def listed(g, x, axes, parts):
    """A vector of extents: axes of x where parts has None, else its number or value."""
    made = []
    for axis, part in zip(axes, parts):
        made.append(one(g, x, axis) if part is None else part if hasattr(part, "name") else g.ints(part))
    return g.node("Concat", made, (len(made),), axis=0) if len(made) > 1 else made[0]


def times(g, e, factor):
    return g.binary(g.pick(["Mul", "Mul"]), e, g.ints(factor))


@family("shape_arithmetic", 2)
def shape_arithmetic(g):
    g.varying = g.pick([0.6, 1, 1])
    rank = g.between(2, 4)
    x = g.input(F32, (*g.shape(rank - 1, 6), g.pick([2, 4, 6, 8])))
    if g.chance(0.3):
        x = operator(g, x)
    how = g.between(0, 9)
    if how == 0:  # heads apart by Shape
        last = int(x.shape[-1])
        h = g.pick([d for d in (1, 2, 3, 4) if last % d == 0])
        target = listed(g, x, range(rank + 1), [None] * (rank - 1) + [h, g.pick([last // h, -1])])
        y = g.node("Reshape", [x, target], (*x.shape[:-1], h, last // h))
        y = g.transpose(y, [*range(rank - 2), rank - 1, rank - 2, rank])
        z = operator(g, y) if g.chance(0.5) else y
        back = g.transpose(z, [*range(rank - 2), rank - 1, rank - 2, rank])
        y = g.node("Reshape", [back, listed(g, x, range(rank), [None] * (rank - 1) + [g.pick([-1, last])])], x.shape)
    elif how == 1:  # flattened and back
        flat = g.reshape(x, (count_of(x.shape[:-1]), x.shape[-1]), [-1, int(x.shape[-1])])
        y = matmul(g, flat, g.weights(int(x.shape[-1]), 5, fan=int(x.shape[-1])))
        y = g.node("Reshape", [y, listed(g, x, range(rank), [None] * (rank - 1) + [5])], (*x.shape[:-1], 5))
    elif how == 2:  # a mask of the right extents
        length = one(g, x, rank - 2)
        ones = g.node("ConstantOfShape", [g.node("Concat", [length, length], (2,), axis=0)], (x.shape[-2],) * 2, F32,
                      value=_tensor(1.0))
        mask = g.node("Trilu", [ones], upper=g.between(0, 1)) if g.opset >= 14 else ones
        y = matmul(g, mask, x)
    elif how == 3:  # positions
        n = g.node("Squeeze", [one(g, x, rank - 2), g.ints(0)], ())
        positions = g.node("Range", [g.const(np.array(0, np.int64)), n, g.const(np.array(1, np.int64))], (x.shape[-2],), I64)
        table = g.const(g.array(F32, (16, int(x.shape[-1]))))
        y = g.binary("Add", x, g.node("Gather", [table, positions], (x.shape[-2], x.shape[-1]), axis=0))
    elif how == 4:  # expanded to a shape that is computed
        small = g.tensor(F32, tuple(1 if g.chance(0.5) else d for d in x.shape))
        y = g.binary("Add", g.node("Expand", [small, g.shape_of(x)], x.shape), x)
    elif how == 5:  # a slice up to an extent of another tensor
        other = g.input(F32, (*x.shape[:-1], 3))
        table = g.const(g.array(F32, (1, 12, int(x.shape[-1]))))
        n = one(g, other, rank - 2)
        part = g.node("Slice", [table, g.ints(0), n, g.ints(1)], (1, x.shape[-2], x.shape[-1]))
        y = g.binary("Add", x, part)
    elif how == 6:  # resized to a multiple
        spatial = 2
        p = g.input(F32, (g.extent(1, 2), g.between(1, 4), g.extent(2, 6), g.extent(2, 6)))
        factor = g.pick([1, 2, 3])
        sizes = g.node("Concat", [g.slice(g.shape_of(p), [0], [2], [0]), times(g, g.slice(g.shape_of(p), [2], [4], [0]), factor)], (4,), axis=0)
        shape = (*p.shape[:2], *[derived(int(d) * factor, d) for d in p.shape[2:]])
        y = g.node("Resize", [p, None, None, sizes], shape, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        if g.chance(0.5):
            y = g.node("Conv", [y, g.weights(3, int(p.shape[1]), 1, 1)], (p.shape[0], 3, *shape[2:]))
    elif how == 7:  # sizes through floats, as old exporters have them
        p = g.input(F32, (g.extent(1, 2), 3, g.extent(2, 6), g.extent(2, 6)))
        f = g.node("Cast", [g.slice(g.shape_of(p), [2], [4], [0])], dtype=F32, to=1)
        factor = g.pick([2.0, 1.5, 0.5])
        h = g.node("Cast", [g.node("Floor", [g.binary("Mul", f, g.const(np.array([factor] * 2, np.float32)))])], dtype=I64, to=7)
        sizes = g.node("Concat", [g.slice(g.shape_of(p), [0], [2], [0]), h], (4,), axis=0)
        y = g.node("Resize", [p, None, None, sizes], (*p.shape[:2], *[derived(max(1, int(int(d) * factor)), d) for d in p.shape[2:]]), mode="nearest")
    elif how == 8:  # reshaped by a product of extents
        total = g.node("Mul", [one(g, x, 0), one(g, x, 1)], (1,), I64)
        parts = [total] + [None] * (rank - 2)
        target = listed(g, x, [0, *range(2, rank)], parts)
        y = g.node("Reshape", [x, target], (count_of(x.shape[:2]), *x.shape[2:]))
        if g.chance(0.5):
            y = operator(g, y)
            y = g.node("Reshape", [y, g.shape_of(x)], x.shape)
    else:  # padded to a multiple of 4
        n = one(g, x, rank - 2)
        rest = g.binary("Mod", g.binary("Sub", g.ints(4), g.binary("Mod", n, g.ints(4))), g.ints(4))
        extent = -(-int(x.shape[-2]) // 4) * 4
        pads = g.node("Concat", [g.ints(*[0] * rank), g.ints(*[0] * (rank - 2)), rest, g.ints(0)] if rank > 2 else
                      [g.ints(*[0] * rank), rest, g.ints(0)], (2 * rank,), axis=0)
        y = g.node("Pad", [x, pads], (*x.shape[:-2], derived(extent, x.shape[-2]), x.shape[-1]))
    if g.chance(0.5):
        y = operator(g, y)
    if g.chance(0.3) and y.rank:
        g.reduce("ReduceMean", y, [-1])


def _tensor(value):
    from onnx import helper
    return helper.make_tensor("value", 1, [1], [value])


@family("broadcast_ranges")
def broadcast_ranges(g):
    """Extents of two inputs that vary apart: in a run each is 1, or as the other."""
    rank = g.between(1, 4)
    shape = [g.fixed(1, 4) for _ in range(rank)]
    a, b = list(shape), list(shape)
    axes = g.some(range(rank), 1)
    for k in axes:
        d = Dim(g.between(1, 6), f"d{len(g.dims)}", 1, 8)
        g.dims[d.name] = d
        e = Dim(int(d) if g.chance(0.6) else 1, f"d{len(g.dims)}", 1, 8)
        g.dims[e.name] = e
        a[k], b[k] = (d, e) if g.chance(0.7) else (e, d)
    sizes = []
    for trial in range(3):
        size = {}
        for k in axes:
            n = int(max(a[k], b[k])) if trial == 0 else g.between(1, 8)
            both = trial != 0 and g.chance(0.4)
            first = int(a[k]) if trial == 0 else n if both or g.chance(0.5) else 1
            second = int(b[k]) if trial == 0 else n if both or first == 1 else g.pick([1, n])
            size[a[k].name], size[b[k].name] = first, second
        sizes.append(size)
    g.sizes = sizes
    of_two(g, a, b)


@family("broadcast_nothing", 0.5)
def broadcast_nothing(g):
    """The same where a run may make one extent 0 and the other 1, or both 0."""
    rank = g.between(1, 3)
    shape = [g.fixed(1, 4) for _ in range(rank)]
    a, b = list(shape), list(shape)
    axes = g.some(range(rank), 1)
    g.sizes = [{}, {}, {}]
    for k in axes:
        extents = [g.pick([(0, 1), (1, 0), (0, 0), (1, 1), (1, n), (n, 1), (n, n)]) for n in [g.between(2, 6)] * 3]
        for side, value in ((a, 0), (b, 1)):
            dim = Dim(extents[0][value], f"d{len(g.dims)}", 0, 6)
            side[k] = g.dims[dim.name] = dim
            for size, extent in zip(g.sizes, extents):
                size[dim.name] = extent[value]
    x, y, z = of_two(g, a, b)
    if g.chance(0.3):
        g.node("Expand", [g.pick([x, y]), g.shape_of(z)], z.shape)


def of_two(g, a, b):
    """Nodes over two inputs of these extents, which broadcast in every feed; both and what they give together."""
    x, y = g.input(F32, a), g.input(F32, b)
    shape = tuple(Dim(0 if 0 in (int(p), int(q)) else max(int(p), int(q))) if varies(p, q) else p for p, q in zip(a, b))

    def together(op, p, q, dtype=F32):
        return g.node(op, [p, q], shape, dtype)

    z = together(g.pick(["Add", "Sub", "Mul", "Max", "Min", "Div"]), x, y)
    if g.chance(0.5):
        z = together(g.pick(["Add", "Mul", "Sub"]), z, g.pick([x, y]))
    if g.chance(0.3):
        z = g.node("Where", [together("Greater", x, y, BOOL), z, g.pick([x, y])], shape, F32)
    if g.chance(0.3):
        operator(g, z)
    return x, y, z


@family("self_slices", 0.7)
def self_slices(g):
    """Parts of a tensor of varying extents against the whole and each other."""
    x = g.input(F32, (g.extent(2, 9), *g.shape(g.between(0, 2), 5)))
    last = g.slice(x, [-1], [2**31 - 1], [0])
    y = g.binary(g.pick(["Sub", "Add", "Mul"]), x, g.node("Identity", [last], (1, *x.shape[1:])) if g.chance(0.3) else last)
    if g.chance(0.5):
        a, b = g.slice(x, [1], [2**62], [0]), g.slice(x, [0], [-1], [0])
        d = g.node("Sub", [a, b], a.shape)
        if g.chance(0.5):
            g.node("Concat", [d, g.slice(x, [0], [1], [0])], (derived(int(x.shape[0]), x.shape[0]), *x.shape[1:]), axis=0)
    if g.chance(0.3):
        operator(g, y)

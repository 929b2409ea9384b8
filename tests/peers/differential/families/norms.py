"""Normalisations as operators and spelled out, with scales and biases of every shape that broadcasts."""
import numpy as np

from families import family
from families.activations import commuted, number, operator
from families.conv import batch_norm, picture
from graph import F32, varies


def scale_shape(g, x, axis):
    """Shapes of what a normalised x is multiplied with: a row, what broadcasts to it, or more."""
    row = [int(d) for d in x.shape[axis:]] if not varies(x.shape[axis:]) else None
    shapes = [(), (1,), (1,) * x.rank, (1,) * (x.rank + 1)]
    if row is not None:
        shapes += [tuple(row)] * 4 + [(1,) * axis + tuple(row), (row[-1],), (1, *row), tuple(1 if k else d for k, d in enumerate(row))]
    if axis and not varies(x.shape[axis - 1]):
        shapes.append((int(x.shape[axis - 1]),) + (1,) * (x.rank - axis))
    return g.pick(shapes)


def scaled(g, y, axis):
    if g.chance(0.8):
        c = g.const(g.array(F32, scale_shape(g, y, axis))) if g.chance(0.9) else g.tensor(F32, y.shape[axis:])
        y = commuted(g, "Mul", y, c)
    if g.chance(0.7) and y.rank:
        c = g.const(g.array(F32, scale_shape(g, y, min(axis, y.rank - 1))))
        y = commuted(g, "Add", y, c)
    return y


def axes_from(g, x, axis):
    axes = list(range(axis, x.rank))
    if g.chance(0.4):
        axes = [a - x.rank for a in axes]
    if g.chance(0.1):
        axes = g.some(range(x.rank), 1)
    return axes


def layer_norm(g, x, axis):
    axes = axes_from(g, x, axis)
    mean = g.reduce("ReduceMean", x, axes)
    d = g.binary("Sub", x, mean)
    base = g.binary("Sub", x, mean) if g.chance(0.2) else d
    square = g.pick([lambda: g.binary("Pow", base, number(g, 2)), lambda: g.binary("Mul", base, base)])()
    other = axes if g.chance(0.95) else axes_from(g, x, axis)
    variance = g.reduce("ReduceMean", square, other)
    shifted = commuted(g, "Add", variance, number(g, g.pick([1e-5, 1e-6, 1e-12, 0.1])))
    how = g.between(0, 3)
    if how == 0:
        y = g.binary("Div", d, g.node("Sqrt", [shifted]))
    elif how == 1:
        y = g.binary("Div", d, g.binary("Pow", shifted, number(g, 0.5)))
    elif how == 2:
        y = commuted(g, "Mul", d, g.binary("Pow", shifted, number(g, -0.5)))
    else:
        y = commuted(g, "Mul", d, g.node("Reciprocal", [g.node("Sqrt", [shifted])]))
    return scaled(g, y, axis)


def rms_norm(g, x, axis):
    axes = axes_from(g, x, axis)
    square = g.pick([lambda: g.binary("Pow", x, number(g, 2)), lambda: g.binary("Mul", x, x)])()
    if square.rank != x.rank:
        axes = [a if a < 0 else a + square.rank - x.rank for a in axes]
    shifted = commuted(g, "Add", g.reduce("ReduceMean", square, axes), number(g, g.pick([1e-5, 1e-6, 0.1])))
    how = g.between(0, 3)
    if how == 0:
        y = g.binary("Div", x, g.node("Sqrt", [shifted]))
    elif how == 1:
        y = commuted(g, "Mul", x, g.binary("Pow", shifted, number(g, -0.5)))
    elif how == 2:
        y = commuted(g, "Mul", x, g.binary("Div", number(g, 1), g.node("Sqrt", [shifted])))
    else:
        y = commuted(g, "Mul", x, g.node("Reciprocal", [g.node("Sqrt", [shifted])]))
    return scaled(g, y, min(axis, y.rank - 1))


def layer_norm_operator(g, x, axis):
    g.opset = max(g.opset, 17)
    if varies(x.shape[axis:]):
        return layer_norm(g, x, axis)
    row = [int(d) for d in x.shape[axis:]]
    inputs = [x, g.const(g.array(F32, row))] + ([g.const(g.array(F32, row))] if g.chance(0.5) else [])
    y = g.node("LayerNormalization", inputs, axis=g.pick([axis, axis - x.rank]), epsilon=g.pick([None, 1e-3]))
    return scaled(g, y, axis) if g.chance(0.4) else y


def row_input(g):
    rank = g.between(1, 5)
    axis = rank - 1 if g.chance(0.7) else g.between(0, rank - 1)
    shape = [g.extent(1, 6) if k < axis or g.chance(0.05) else g.fixed(1, 33 if k == rank - 1 else 6) for k in range(rank)]
    return g.input(F32, shape), axis


@family("norms", 2)
def norms(g):
    x, axis = row_input(g)
    if g.chance(0.3):
        x = operator(g, x)
    if g.chance(0.3):
        x = g.binary("Add", x, g.tensor(F32, x.shape))
    y = g.pick([layer_norm, layer_norm, rms_norm, rms_norm, layer_norm_operator])(g, x, axis)
    if g.chance(0.3):
        operator(g, y)
    if g.chance(0.2):
        g.binary("Add", y, x)


@family("channel_norms")
def channel_norms(g):
    x = picture(g, high=7)
    c = int(x.shape[1])
    stats = lambda n: [g.const(g.array(F32, (n,))) for _ in range(2)]
    how = g.between(0, 6)
    if how == 0:
        y = batch_norm(g, x)
    elif how == 1:
        y = g.node("InstanceNormalization", [x, *stats(c)], epsilon=g.pick([None, 1e-3]))
    elif how == 2:
        g.opset = max(g.opset, 18)
        groups = g.pick([d for d in range(1, c + 1) if c % d == 0])
        y = g.node("GroupNormalization", [x, *stats(c if g.opset >= 21 else groups)], num_groups=groups, epsilon=g.pick([None, 1e-3]))
    elif how == 3:
        y = g.node("LRN", [x], size=g.pick([1, 3, 5]), alpha=g.pick([None, 0.01]), beta=g.pick([None, 0.5]), bias=g.pick([None, 2.0]))
    elif how == 4:
        y = g.node("LpNormalization", [x], axis=g.between(-x.rank, x.rank - 1), p=g.pick([1, 2]))
    elif how == 5:
        y = g.node("MeanVarianceNormalization", [x], axes=None if x.rank == 4 and g.chance(0.5) else [0, *range(2, x.rank)])
    else:
        y = x  # spelled group normalisation: reshape, normalise rows, reshape back, scale the channels
        if varies(x.shape) or 0 in x.shape:
            return
        groups = g.pick([d for d in range(1, c + 1) if c % d == 0])
        y = g.reshape(y, [x.shape[0], groups, int(np.prod(x.shape[1:])) // groups])
        y = g.node("InstanceNormalization", [y, g.const(np.ones(groups, np.float32)), g.const(np.zeros(groups, np.float32))])
        y = g.reshape(y, list(x.shape))
        for op in ("Mul", "Add"):
            y = commuted(g, op, y, g.const(g.array(F32, (c,) + (1,) * (x.rank - 2))))
    if g.chance(0.4):
        operator(g, y)

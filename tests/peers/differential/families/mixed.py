"""Graphs of everything, and every other family with extents of 0 or with NaN and infinities in its inputs."""
import numpy as np

import families
from families import family
from families.activations import any_activation
from families.conv import after, conv, pad, picture
from families.norms import layer_norm, layer_norm_operator, rms_norm
from families.pool import average_pool, global_pool, max_pool
from families.products import follow, matmul
from families.reductions import softmax_spelled
from families.views import MOVES, concat
from graph import F32, alike, varies


def grow(g, x, made):
    """One more node, or some, on top of x. None where the choice does not fit."""
    kind = g.between(0, 13)
    small = x.rank >= 3 and not varies(x.shape[1]) and all(int(d) >= 1 for d in x.shape)
    if kind <= 3 and small and x.rank <= 5 and int(x.shape[1]) <= 40:
        return conv(g, x)
    if kind == 4:
        return after(g, x, made) if small else follow(g, x, made)
    if kind == 5 and small and x.rank in (3, 4):
        return g.pick([max_pool, average_pool, global_pool])(g, x)
    if kind == 6:
        return any_activation(g, x)
    if kind == 7:
        same = [m for m in made if alike(m.shape, x.shape)]
        return g.binary(g.pick(["Add", "Add", "Mul", "Sub", "Max"]), x, g.pick(same)) if same else None
    if kind == 8 and x.rank >= 2 and not varies(x.shape[-1]) and x.shape[-1]:
        return matmul(g, x, g.weights(int(x.shape[-1]), g.pick([4, 8, 17]), fan=int(x.shape[-1])))
    if kind == 9 and x.rank >= 2:
        return g.pick([layer_norm, rms_norm, layer_norm_operator])(g, x, x.rank - 1)
    if kind == 10 and x.rank:
        axis = g.between(0, x.rank - 1)
        return g.node("Softmax", [x], axis=axis) if g.chance(0.7) else softmax_spelled(g, x, axis)
    if kind == 11 and x.rank:
        axis = g.between(0, x.rank - 1)
        fits = [m for m in made if m.rank == x.rank and alike(m.shape[:axis] + m.shape[axis + 1:], x.shape[:axis] + x.shape[axis + 1:])]
        return concat(g, [x, g.pick(fits)], axis) if fits else None
    if kind == 12 and x.rank:
        return g.reduce(g.pick(["ReduceMean", "ReduceSum", "ReduceMax"]), x, [g.between(0, x.rank - 1)], 1)
    return g.pick(MOVES)(g, x)


@family("mixed", 4)
def mixed(g):
    x = picture(g, high=9) if g.chance(0.6) else g.input(F32, g.shape(g.between(2, 4), 8))
    made = [x]
    for _ in range(g.between(4, 14)):
        source = g.pick(made[-3:])
        y = grow(g, source, made)
        if y is None or y.rank > 5 or np.prod([float(d) for d in y.shape]) > 12000 or y.dtype != F32:
            continue
        made.append(y)


def other(g, without=()):
    """A graph of another family, drawn with what this one set."""
    names = sorted(n for n in families.FAMILIES if n not in ("special", "empty", "separable", "broadcast_nothing", *without))
    name = g.pick(names)
    g.notes["drawn"] = name
    families.FAMILIES[name][0](g)


@family("empty", 2)
def empty(g):
    """Extents of 0 where another family has any extents."""
    g.zero = g.pick([0.1, 0.25])
    g.varying = g.pick([0, 0.3, 0.6])
    other(g, ("others", "loop", "scan", "if", "unpool", "affine_grid", "sequences", "upsample"))


@family("special", 2)
def special(g):
    """NaN, infinities, huge and tiny numbers in the inputs of another family."""
    names = ["conv", "pool", "elementwise", "views", "products", "norms", "reductions", "attention_apart", "activations",
             "resize", "mixed"]  # what is quantised has no NaN: the standard leaves it open
    name, share = g.pick(names), g.pick([0.02, 0.1, 0.3])
    g.notes["drawn"] = name
    families.FAMILIES[name][0](g)
    g.special = share  # inputs are drawn when the graph is there


@family("half", 1.5)
def half(g):
    """Another family's graph in 16-bit floats, as exporters convert whole models."""
    name = g.pick(["conv", "conv_chain", "products", "gemm", "activations", "norms", "attention_apart", "attention", "pool", "views",
                   "reductions", "channel_norms", "resize", "mixed"])
    g.notes["drawn"] = name
    families.FAMILIES[name][0](g)
    g.special = 0.0
    g.halve()

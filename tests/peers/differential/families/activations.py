"""Activations as operators and in the spellings of exporters, over all that floats can be."""
import math

import numpy as np

from families import family
from graph import F32


def number(g, x):
    """A constant number as exporters write it: rank 0, or extents of 1."""
    return g.const(np.full(g.pick([(), (), (1,), (1, 1)]), x, np.float32))


def commuted(g, op, a, b):
    return g.binary(op, *(g.pick([(a, b), (b, a)])))


def operator(g, x):
    """An activation that is one operator of this opset."""
    choices = ["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSigmoid", "Softplus", "HardSwish", "Clip", "PRelu",
               "Selu", "Celu", "Softsign", "ThresholdedRelu", "Mish", "Abs", "Neg", "Sqrt", "Exp", "Log", "Erf", "Shrink"]
    if g.opset < 18:
        choices.remove("Mish")
    if g.opset < 14:
        choices.remove("HardSwish")
    if g.opset >= 20:
        choices.append("Gelu")
    op = g.pick(choices)
    if op in ("LeakyRelu", "Elu", "ThresholdedRelu", "Celu"):
        return g.node(op, [x], alpha=g.pick([None, 0.1, 0.3, 1.5]))
    if op == "Selu":
        return g.node(op, [x], alpha=g.pick([None, 1.2]), gamma=g.pick([None, 0.7]))
    if op == "HardSigmoid":
        return g.node(op, [x], alpha=g.pick([None, 1 / 6, 0.3]), beta=g.pick([None, 0.4, 0.5]))
    if op == "Gelu":
        return g.node(op, [x], approximate=g.pick([None, "none", "tanh"]))
    if op == "Shrink":
        return g.node(op, [x], bias=g.pick([None, 0.5]), lambd=g.pick([None, 0.25]))
    if op == "Clip":
        return clip(g, x)
    if op == "PRelu":
        return prelu(g, x)
    return g.node(op, [x])


def clip(g, x):
    low, high = g.pick([(0, 6), (-1, 1), (None, 2), (-0.5, None), (None, None), (0, math.inf), (-3.4e38, 1), (1, -1)])
    bound = lambda v: None if v is None else g.const(np.array(v, np.float32))
    bounds = [x, bound(low), bound(high)]
    while bounds[-1] is None:
        bounds.pop()
    return g.node("Clip", bounds)


def prelu(g, x):
    shapes = [(1,) * x.rank if x.rank else (), ()]
    if x.rank >= 2 and not isinstance(x.shape[1], type(None)):
        channels = x.shape[1]
        if type(channels) is int:
            shapes += [(channels,) + (1,) * (x.rank - 2), (1, channels) + (1,) * (x.rank - 2)]
    if x.rank and type(x.shape[-1]) is int:
        shapes.append((x.shape[-1],))
    shape = g.pick(shapes)
    slope = g.const(g.array(F32, shape)) if g.chance(0.8) else g.input(F32, shape)
    return g.node("PRelu", [x, slope], x.shape)


def gelu(g, x):
    """x / 2 * (1 + erf(x / sqrt 2)), or tanh's approximation, in several bracketings."""
    half, one = number(g, 0.5), number(g, 1)
    if g.chance(0.5):
        inner = (g.binary("Div", x, number(g, math.sqrt(2))) if g.chance(0.5)
                 else commuted(g, "Mul", x, number(g, math.sqrt(0.5))))
        f = g.node("Erf", [inner])
    else:
        cube = g.pick([lambda: g.binary("Pow", x, number(g, 3)),
                       lambda: g.binary("Mul", g.binary("Mul", x, x), x),
                       lambda: commuted(g, "Mul", x, g.binary("Pow", x, number(g, 2)))])()
        scaled = commuted(g, "Mul", cube, number(g, 0.044715))
        polynomial = commuted(g, "Add", x, scaled)
        if g.chance(0.3):  # sqrt(2/pi) * x * (1 + 0.044715 * x * x)
            square = commuted(g, "Mul", g.binary("Mul", x, x), number(g, 0.044715))
            polynomial = commuted(g, "Mul", x, commuted(g, "Add", square, one))
        f = g.node("Tanh", [commuted(g, "Mul", polynomial, number(g, math.sqrt(2 / math.pi)))])
    plus = commuted(g, "Add", f, one)
    order = g.between(0, 3)
    if order == 0:
        return commuted(g, "Mul", commuted(g, "Mul", x, plus), half)
    if order == 1:
        return commuted(g, "Mul", commuted(g, "Mul", x, half), plus)
    if order == 2:
        return commuted(g, "Mul", x, commuted(g, "Mul", plus, half))
    return commuted(g, "Mul", x, commuted(g, "Add", commuted(g, "Mul", f, half), half))


def silu(g, x):
    if g.chance(0.6):
        return commuted(g, "Mul", x, g.node("Sigmoid", [x]))
    return g.binary("Div", x, commuted(g, "Add", g.node("Exp", [g.node("Neg", [x])]), number(g, 1)))


def hardswish(g, x):
    if g.chance(0.3):
        return commuted(g, "Mul", x, g.node("HardSigmoid", [x], alpha=g.pick([1 / 6, 0.16666667, 0.1667, 0.2]), beta=0.5))
    shifted = commuted(g, "Add", x, number(g, 3))
    bound = lambda v: g.const(np.array(v, np.float32))
    six = g.pick([lambda: g.node("Clip", [shifted, bound(0), bound(6)]),
                  lambda: g.binary("Min", g.node("Relu", [shifted]), bound(6)),
                  lambda: g.node("Clip", [g.node("Relu", [shifted]), None, bound(6)])])()
    if g.chance(0.5):
        return g.binary("Div", commuted(g, "Mul", x, six), number(g, 6))
    return commuted(g, "Mul", x, g.binary("Div", six, number(g, 6)) if g.chance(0.5) else commuted(g, "Mul", six, number(g, 1 / 6)))


def mish(g, x):
    soft = (g.node("Softplus", [x]) if g.chance(0.5)
            else g.node("Log", [commuted(g, "Add", g.node("Exp", [x]), number(g, 1))]))
    return commuted(g, "Mul", x, g.node("Tanh", [soft]))


def spelled(g, x):
    return g.pick([gelu, silu, hardswish, mish])(g, x)


def any_activation(g, x):
    return spelled(g, x) if g.chance(0.35) else operator(g, x)


@family("activations")
def activations(g):
    g.huge = True
    g.special = g.pick([0, 0, 0.1])
    x = g.input(F32, g.shape(g.between(0, 5), 9), g.pick(["normal", "normal", (-12, 12), (-85, 85)]))
    for _ in range(g.between(1, 3)):
        x = any_activation(g, x)

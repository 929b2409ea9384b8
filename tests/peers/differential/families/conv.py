"""Convolutions of every shape, what exporters put around them, and chains of them whose layouts meet."""
import numpy as np

from families import family
from families.activations import any_activation, operator
from graph import F32, Dim, Invalid, alike, derived, varies


def conv_extent(x, kernel, stride, dilation, begin, end):
    return (x + begin + end - dilation * (kernel - 1) - 1) // stride + 1


def conv(g, x, filters=None, kernel=None, plain=False, bias=None):
    """A convolution of x [N, C, spatial...] with constant weights."""
    spatial = x.rank - 2
    if varies(x.shape[1]):
        raise Invalid("the number of channels varies")
    channels = int(x.shape[1])
    divisors = [d for d in range(1, channels + 1) if channels % d == 0]
    group = 1 if g.chance(0.55) else channels if g.chance(0.6) else g.pick(divisors)
    if filters is None:
        filters = group * g.pick([1, 1, 2, 3]) if group > 1 else g.pick([1, 3, 5, 8, 13, 16, 17, 24, 32])
    elif filters % group:
        group = 1
    least = [int(getattr(d, "low", d) if getattr(d, "name", 1) else 1) for d in x.shape[2:]]
    kernels, strides, dilations, begins, ends, shape = [], [], [], [], [], []
    auto = g.pick([None] * 8 + ["SAME_UPPER", "SAME_LOWER", "VALID"]) if not plain else None
    for k in range(spatial):
        size = kernel or g.pick([1, 1, 2, 3, 3, 3, 5, 7])
        stride = 1 if plain else g.pick([1, 1, 1, 2, 3])
        dilation = 1 if plain or auto in ("SAME_UPPER", "SAME_LOWER") else g.pick([1, 1, 1, 2, 3])
        begin, end = (size // 2, size // 2) if plain else (g.between(0, size), g.between(0, size))
        if g.chance(0.5):
            end = begin
        if auto:
            begin = end = 0
        while least[k] + begin + end < dilation * (size - 1) + 1 and auto in (None, "VALID"):
            if dilation > 1:
                dilation -= 1
            elif size > 1:
                size -= 1
            else:
                break
        extent = int(x.shape[2 + k])
        out = -(-extent // stride) if auto in ("SAME_UPPER", "SAME_LOWER") else conv_extent(extent, size, stride, dilation, begin, end)
        if out < 1 and not g.zero:
            raise Invalid("nothing is left of the input")
        same = stride == 1 and (begin + end == dilation * (size - 1)) and isinstance(x.shape[2 + k], Dim)
        shape.append(x.shape[2 + k] if same else derived(out, x.shape[2 + k]))
        kernels.append(size), strides.append(stride), dilations.append(dilation), begins.append(begin), ends.append(end)
    w = g.weights(filters, channels // group, *kernels)
    inputs = [x, w]
    if bias if bias is not None else g.chance(0.5):
        inputs.append(g.const(g.array(F32, (filters,))))
    return g.node("Conv", inputs, (x.shape[0], filters, *shape), group=group if group > 1 else None,
                  kernel_shape=kernels if g.chance(0.7) else None, strides=strides if g.chance(0.8) or any(s > 1 for s in strides) else None,
                  dilations=dilations if any(d > 1 for d in dilations) or g.chance(0.3) else None,
                  pads=None if auto else begins + ends, auto_pad=auto)


def batch_norm(g, x):
    c = int(x.shape[1])
    stats = [g.const(g.array(F32, (c,), kind)) for kind in ("normal", "normal", "normal", "positive")]
    return g.node("BatchNormalization", [x, *stats], epsilon=g.pick([None, 1e-3]))


def per_channel(g, x):
    """A constant that goes on top of x: one number, one a channel in a shape that exporters write, or a whole row."""
    c = int(x.shape[1])
    ones = (1,) * (x.rank - 2)
    shapes = [(), (1,), (c, *ones), (1, c, *ones), (1,) * x.rank, (1,) * (x.rank + 1), (c,) if x.shape[-1] == c else ()]
    if type(x.shape[-1]) is int:
        shapes.append((x.shape[-1],))
    return g.const(g.array(F32, g.pick(shapes), g.pick(["normal", "positive"])))


def after(g, x, beside=()):
    """What follows a convolution: a bias, a factor, a normalisation, an activation, a residual."""
    what = g.between(0, 9)
    if what == 0:
        return batch_norm(g, x)
    if what <= 2:
        return g.binary(*(g.pick([("Add", x, c), ("Add", c, x), ("Sub", x, c)]) if (c := per_channel(g, x)) else ()))
    if what == 3:
        c = per_channel(g, x)
        return g.binary("Mul", *g.pick([(x, c), (c, x)]))
    if what <= 5:
        same = [b for b in beside if alike(b.shape, x.shape) and b.name != x.name]
        other = g.pick(same) if same else g.tensor(F32, x.shape)
        return g.binary("Add", *g.pick([(x, other), (other, x)]))
    return any_activation(g, x)


def picture(g, spatial=None, channels=None, high=13):
    spatial = spatial or g.pick([1, 2, 2, 2, 2, 3])
    channels = channels or g.pick([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 32])
    low = 3 if not g.zero else 1
    return g.input(F32, (g.extent(1, 3), channels, *[g.extent(low, high if spatial < 3 else 6) for _ in range(spatial)]))


@family("conv", 2)
def convolutions(g):
    x = picture(g)
    if g.chance(0.15):
        x = pad(g, x)
    made = [x]
    for _ in range(g.between(1, 2)):
        x = conv(g, x)
        made.append(x)
        for _ in range(g.between(0, 4)):
            x = after(g, x, made)
            made.append(x)


def pad(g, x):
    axes = x.rank - 2
    begins, ends = ([g.between(0, 2) for _ in range(axes)] for _ in range(2))
    shape = [*x.shape[:2], *[derived(int(d) + b + e, d) for d, b, e in zip(x.shape[2:], begins, ends)]]
    value = [g.const(np.array(g.pick([0.0, 0.0, 0.5]), np.float32))] if g.chance(0.5) else []
    return g.node("Pad", [x, g.ints(0, 0, *begins, 0, 0, *ends), *value], shape, mode=g.pick([None, "constant"]))


@family("conv_chain", 1.5)
def conv_chain(g):
    """Convolutions with work between them that no fusion takes: layouts meet there."""
    x = picture(g, 2, channels=g.pick([8, 16, 16, 24, 32, 12]), high=10)
    made = []
    for _ in range(g.between(2, 3)):
        x = conv(g, x, filters=g.pick([8, 16, 24, 32, 40, 12]), kernel=g.pick([1, 1, 3]), plain=g.chance(0.8))
        made.append(x)
        for _ in range(g.between(0, 2)):
            same = [m for m in made if alike(m.shape, x.shape)]
            kind = g.between(0, 7)
            if kind <= 2:
                x = operator(g, x)
            elif kind == 3 and same:
                x = g.binary(g.pick(["Add", "Mul", "Sub", "Max", "Min"]), x, g.pick(same))
            elif kind == 4:
                x = g.binary(g.pick(["Add", "Mul", "Sub", "Div"]), x, g.const(g.array(F32, g.pick([(), (int(x.shape[1]), 1, 1)]), "positive")))
            elif kind == 5:
                fits = [m for m in made if alike((m.shape[0], *m.shape[2:]), (x.shape[0], *x.shape[2:]))]
                if fits:
                    other = g.pick(fits)
                    x = g.node("Concat", [x, other], (x.shape[0], int(x.shape[1]) + int(other.shape[1]), *x.shape[2:]), axis=1)
            elif kind == 6:
                gate = g.node("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))
                gate = g.node("Sigmoid", [conv(g, gate, filters=int(x.shape[1]), kernel=1, plain=True)])
                x = g.binary("Mul", x, gate)
            else:
                half = int(x.shape[1]) // 2
                if half and g.opset >= 13:
                    parts = [(x.shape[0], half, *x.shape[2:]), (x.shape[0], int(x.shape[1]) - half, *x.shape[2:])]
                    a, b = g.node("Split", [x, g.ints(half, int(x.shape[1]) - half)], parts, outputs=2, axis=1)
                    x = g.pick([a, b])
            made.append(x)


@family("separable", 0.15)
def separable(g):
    """A depthwise convolution and a 1x1 one, with enough between them to be worth one step."""
    g.varying = g.pick([0, 0, 0.5])
    channels, size = g.pick([(64, 33), (80, 30), (72, 32), (33, 47)])
    x = g.input(F32, (g.extent(1, 2), channels, size, g.pick([size, size + 3])))
    kernel, stride = g.pick([(3, 1), (5, 1), (3, 2)])
    dilation = g.pick([1, 1, 2])
    pads = [g.between(0, kernel) for _ in range(4)]
    out = [conv_extent(int(d), kernel, stride, dilation, pads[k], pads[k + 2]) for k, d in enumerate(x.shape[2:])]
    inputs = [x, g.weights(channels, 1, kernel, kernel)] + ([g.const(g.array(F32, (channels,)))] if g.chance(0.6) else [])
    y = depth = g.node("Conv", inputs, (x.shape[0], channels, *out), group=channels, strides=[stride] * 2, pads=pads,
                       dilations=[dilation] * 2)
    if g.chance(0.5):
        y = g.pick([lambda: g.node("Relu", [y]), lambda: g.node("Clip", [y, g.const(np.float32(0)), g.const(np.float32(6))])])()
    filters = g.pick([8, 24, 33, channels])
    y = g.node("Conv", [y, g.weights(filters, channels, 1, 1)], (x.shape[0], filters, *out))
    for _ in range(g.between(0, 2)):
        y = after(g, y, [depth, x])

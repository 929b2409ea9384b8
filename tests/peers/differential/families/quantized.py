"""Quantised models: Q/DQ at every place where exporters put them, integer operators, dynamic quantisation.

Signed weights stay within [-64, 64]: products of two bytes of full range do not fit the 16 bits in which ONNX Runtime adds
pairs of them on CPUs without VNNI, so there it is no measure. Unsigned ones take the full range.
"""
import numpy as np

from families import family
from families.conv import conv_extent
from families.views import MOVES, concat, transpose
from graph import F32, I8, I32, U8, Dim, Invalid, alike, broadcast, count_of, derived, settled, varies


def scale_of(g, low=-7, high=-3):
    """A scale: a power of two, which makes ties, or any number."""
    return np.float32(2.0 ** g.between(low, high)) if g.chance(0.3) else np.float32(np.exp(g.random.uniform(low, high) * np.log(2)))


class Grid:
    """A type, scale and zero point, as constants that nodes share or repeat."""

    def __init__(self, g, dtype=None, zero=None):
        self.dtype = dtype or g.pick([U8, U8, I8])
        self.scale = scale_of(g)
        self.zero = zero if zero is not None else g.pick([0, 0, 128 if self.dtype == U8 else 0, g.between(0, 255) if self.dtype == U8 else g.between(-128, 127)])

    def operands(self, g):
        shape = g.pick([(), (), (), (1,)])
        found = [g.const(np.full(shape, self.scale, np.float32))]
        if self.zero or self.dtype == I8 or g.chance(0.8):
            found.append(g.const(np.full(shape, self.zero, self.dtype)))
        return found


def quantize(g, x, grid):
    return g.node("QuantizeLinear", [x, *grid.operands(g)], dtype=grid.dtype)


def dequantize(g, x, grid):
    return g.node("DequantizeLinear", [x, *grid.operands(g)], dtype=F32)


def there_and_back(g, x, grid=None):
    grid = grid or Grid(g)
    return dequantize(g, quantize(g, x, grid), grid)


def start(g, shape):
    """A dequantised tensor: from a float input, or from one of bytes."""
    grid = Grid(g)
    if g.chance(0.6):
        return there_and_back(g, g.input(F32, shape), grid)
    return dequantize(g, g.input(grid.dtype, shape, "bits"), grid)


def weight_bytes(g, shape, dtype, other=U8):
    low, high = (0, 255) if dtype == U8 else (-64, 64)
    return g.rng.integers(low, high, [int(d) for d in shape], endpoint=True).astype(dtype)


def weights(g, shape, axis):
    """Dequantised constant weights, with one scale or one a filter; their scales are returned, too."""
    dtype = g.pick([I8, I8, I8, U8])
    data = g.const(weight_bytes(g, shape, dtype))
    channels = int(shape[axis])
    fan = max(1, int(np.prod(shape)) // max(1, channels))
    unit = 1 / (40 * np.sqrt(fan))
    if g.chance(0.5):
        scale = np.array(unit * g.random.uniform(0.5, 2), np.float32)
        zero = np.array(0 if dtype == I8 else 128, dtype) if g.chance(0.8) else np.array(g.between(-3, 3) if dtype == I8 else 120, dtype)
    else:
        scale = (unit * g.rng.uniform(0.5, 2, channels)).astype(np.float32)
        zero = np.full(channels, 0 if dtype == I8 else 128, dtype)
    inputs = [data, g.const(scale)] + ([g.const(zero)] if dtype == U8 or zero.any() or g.chance(0.7) else [])
    per_axis = scale.ndim == 1
    return g.node("DequantizeLinear", inputs, dtype=F32, axis=axis if per_axis else None), scale


def bias(g, channels, scale):
    """A bias in floats, or dequantised from 32 bits."""
    if g.chance(0.3):
        return g.const(g.array(F32, (channels,)))
    real = (np.float32(2.0**-6) * scale).astype(np.float32)
    data = g.const(g.rng.integers(-3000, 3000, channels).astype(np.int32))
    inputs = [data, g.const(real)] + ([g.const(np.zeros(real.shape, np.int32))] if g.chance(0.3) else [])
    return g.node("DequantizeLinear", inputs, dtype=F32, axis=0 if real.ndim else None)


def bounded(g, x):
    how = g.between(0, 3)
    if how == 0:
        return g.node("Relu", [x])
    if how == 1:
        return g.node("Clip", [x, g.const(np.float32(0)), g.const(np.float32(g.pick([6, 1])))])
    return x if how == 2 else g.node(g.pick(["Sigmoid", "LeakyRelu", "HardSwish", "Relu"]) if g.opset >= 14 else "Relu", [x])


def conv(g, x):
    spatial, c = x.rank - 2, int(x.shape[1])
    group = g.pick([1, 1, 1, c])
    filters = group * g.pick([1, 2]) if group > 1 else g.pick([1, 4, 8, 13, 16, 24])
    kernel, stride, dilation = g.pick([1, 1, 3, 3, 5]), g.pick([1, 1, 2]), g.pick([1, 1, 1, 2])
    pads = [g.between(0, kernel // 2) for _ in range(2 * spatial)]
    shape = []
    for k, d in enumerate(x.shape[2:]):
        low = int(getattr(d, "low", None) or (1 if varies(d) else d))
        if low + pads[k] + pads[k + spatial] < dilation * (kernel - 1) + 1:
            kernel, dilation = 1, 1
    for k, d in enumerate(x.shape[2:]):
        shape.append(derived(conv_extent(int(d), kernel, stride, dilation, pads[k], pads[k + spatial]), d))
    w, scale = weights(g, (filters, c // group, *[kernel] * spatial), 0)
    inputs = [x, w] + ([bias(g, filters, scale)] if g.chance(0.6) else [])
    return g.node("Conv", inputs, (x.shape[0], filters, *shape), group=group, strides=[stride] * spatial, pads=pads,
                  dilations=[dilation] * spatial)


def product(g, x):
    k = x.shape[-1]
    if varies(k) or not int(k):
        return None
    n = g.pick([1, 4, 8, 15, 16, 17])
    if x.rank == 2 and g.chance(0.4):
        turned = g.pick([0, 1])
        w, scale = weights(g, (n, int(k)) if turned else (int(k), n), 0 if turned else 1)
        inputs = [x, w] + ([bias(g, n, scale)] if g.chance(0.6) else [])
        return g.node("Gemm", inputs, (x.shape[0], n), transB=turned)
    if g.chance(0.15) and x.rank >= 2:
        other = start(g, (*settled(x.shape[:-2]), k, n))
        return g.node("MatMul", [x, other], (*x.shape[:-1], n))
    w, scale = weights(g, (int(k), n), 1)
    y = g.node("MatMul", [x, w], (*x.shape[:-1], n))
    return g.binary("Add", y, bias(g, n, scale)) if g.chance(0.4) else y


def pool(g, x):
    if x.rank != 4:
        return None
    if g.chance(0.5):
        return g.node("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))
    if varies(x.shape[2:]) or min(map(int, x.shape[2:])) < 2:
        return None
    return g.node(g.pick(["MaxPool", "AveragePool"]), [x], (*x.shape[:2], *[(int(d) - 2) // 2 + 1 for d in x.shape[2:]]),
                  kernel_shape=[2, 2], strides=[2, 2])


def move(g, x):
    return g.pick(MOVES)(g, x)


@family("qdq", 3)
def qdq(g):
    """Float operators between DequantizeLinear and QuantizeLinear."""
    if g.chance(0.65):
        x = start(g, (g.extent(1, 3), g.pick([1, 3, 4, 8, 16, 17]), *[g.extent(3, 9) for _ in range(g.pick([1, 2, 2, 2]))]))
    else:
        x = start(g, (*g.shape(g.between(1, 3), 4), g.fixed(1, 33)))
    made = [x]
    for _ in range(g.between(1, 4)):
        kind = g.between(0, 9)
        y = None
        if kind <= 4:
            y = conv(g, x) if x.rank in (3, 4) and x.shape[1] and not varies(x.shape[1]) and g.chance(0.8) else product(g, x)
        elif kind == 5:
            same = [m for m in made if alike(m.shape, x.shape)]
            y = g.binary("Add", x, g.pick(same) if same and g.chance(0.7) else start(g, settled(x.shape)))
        elif kind == 6:
            y = pool(g, x)
        elif kind == 7:
            y = move(g, x)
        elif kind == 8 and x.rank:
            axis = g.between(0, x.rank - 1)
            others = [m for m in made if m.rank == x.rank and alike(m.shape[:axis] + m.shape[axis + 1:], x.shape[:axis] + x.shape[axis + 1:])]
            y = concat(g, [x, g.pick(others)], axis) if others else None
        else:
            y = bounded(g, x)
        if y is None or y.rank > 5 or np.prod([float(d) for d in y.shape]) > 6000:
            continue
        made.append(y)
        if kind <= 4 and g.chance(0.5):
            y = bounded(g, y)
        if g.chance(0.8):  # else it stays in floats
            same_grid = g.chance(0.3)
            grid = Grid(g)
            if same_grid and hasattr(x, "grid"):
                grid = x.grid
            y = there_and_back(g, y, grid)
            y.grid = grid
            if kind <= 4 and g.chance(0.3):  # a residual behind the product
                same = [m for m in made if alike(m.shape, y.shape)]
                if g.chance(0.5) and not any(isinstance(d, Dim) and d.name is None for d in y.shape):
                    same = [start(g, y.shape)]
                other = g.pick(same) if same else y
                total = g.binary("Add", *g.pick([(y, other), (other, y)]))
                y = there_and_back(g, bounded(g, total) if g.chance(0.6) else total)
        made.append(y)
        x = y
    if g.chance(0.2):
        quantize(g, x, Grid(g))


@family("q_operators", 1.5)
def q_operators(g):
    """QLinearConv, QLinearMatMul, ConvInteger, MatMulInteger and com.microsoft's."""
    how = g.between(0, 6)
    scalar = lambda grid: [g.const(np.array(grid.scale, np.float32)), g.const(np.array(grid.zero, grid.dtype))]
    if how in (0, 1):  # convolutions
        spatial = g.pick([1, 2, 2])
        c = g.pick([1, 3, 4, 8, 16])
        x_type = g.pick([U8, I8]) if how == 0 else U8
        w_type = I8 if x_type == I8 else g.pick([U8, I8])
        x_grid, y_grid = Grid(g, x_type), Grid(g, x_type)
        group = g.pick([1, 1, c])
        filters = group * g.pick([1, 2]) if group > 1 else g.pick([1, 4, 8, 13, 16])
        kernel, stride = g.pick([1, 3]), g.pick([1, 2])
        pads = [g.between(0, kernel // 2) for _ in range(2 * spatial)]
        x = g.input(x_type, (g.extent(1, 3), c, *[g.extent(3, 8) for _ in range(spatial)]), "bits")
        shape = [derived(conv_extent(int(d), kernel, stride, 1, pads[k], pads[k + spatial]), d) for k, d in enumerate(x.shape[2:])]
        w = g.const(weight_bytes(g, (filters, c // group, *[kernel] * spatial), w_type))
        attributes = dict(group=group, strides=[stride] * spatial, pads=pads)
        if how == 0:
            per = g.chance(0.5)
            w_scale = (g.rng.uniform(0.002, 0.01, filters if per else ())).astype(np.float32)
            w_zero = np.full(filters if per else (), 0 if w_type == I8 else g.pick([0, 128]), w_type)
            inputs = [x, *scalar(x_grid), w, g.const(w_scale), g.const(w_zero), *scalar(y_grid)]
            if g.chance(0.6):
                inputs.append(g.const(g.rng.integers(-3000, 3000, filters).astype(np.int32)))
            g.node("QLinearConv", inputs, (x.shape[0], filters, *shape), **attributes)
        else:
            inputs = [x, w]
            if g.chance(0.8):
                inputs.append(g.const(np.array(x_grid.zero, x_type)))
                if g.chance(0.6):
                    inputs.append(g.const(np.array(0 if w_type == I8 else g.pick([0, 128]), w_type)))
            y = g.node("ConvInteger", inputs, (x.shape[0], filters, *shape), I32, **attributes)
            if g.chance(0.5):
                y = g.node("Cast", [y], dtype=F32, to=1)
                g.binary("Mul", y, g.const(np.array(0.01, np.float32)))
        return
    a_type = g.pick([U8, I8])
    b_type = I8 if a_type == I8 else g.pick([U8, I8])
    k, n = g.pick([1, 3, 4, 8, 17, 32, 33]), g.pick([1, 2, 8, 15, 16, 17, 33])
    lead = g.shape(g.between(1, 3), 4)
    a = g.input(a_type, (*lead, k), "bits")
    b_shape = (k, n) if g.chance(0.7) else (*[d if g.chance(0.7) else 1 for d in lead[:-1]], k, n)
    if varies(b_shape):
        b_shape = (k, n)
    b = g.const(weight_bytes(g, b_shape, b_type))
    shape = (*lead, n)
    a_grid = Grid(g, a_type)
    b_zero = 0 if b_type == I8 else g.pick([0, 128, 100])
    if how in (2, 3):
        y_grid = Grid(g, a_type)
        y_grid.scale *= np.float32(4)
        b_scale = np.array(0.01, np.float32)
        g.node("QLinearMatMul", [a, *scalar(a_grid), b, g.const(b_scale), g.const(np.array(b_zero, b_type)), *scalar(y_grid)], shape)
    elif how == 4:
        inputs = [a, b]
        if g.chance(0.8):
            inputs.append(g.const(np.array(a_grid.zero, a_type)))
            if g.chance(0.7):
                per = g.chance(0.3) and len(b_shape) == 2 and b_type == U8
                inputs.append(g.const(np.full(n if per else (), b_zero, b_type)))
        y = g.node("MatMulInteger", inputs, shape, I32)
        if g.chance(0.5):
            y = g.node("Cast", [y], dtype=F32, to=1)
            y = g.binary("Mul", y, g.const(np.float32(0.02)))
            g.binary("Add", y, g.const(g.array(F32, (n,))))
    elif how == 5:
        x_grid, y_grid = Grid(g, a_type), Grid(g, a_type)
        c = g.input(a_type, tuple(1 if g.chance(0.2) else d for d in a.shape), "bits")
        g.node("QLinearAdd", [a, *scalar(a_grid), c, *scalar(x_grid), *scalar(y_grid)], broadcast(a.shape, c.shape), domain="com.microsoft")
    else:
        x = g.input(U8, (g.extent(1, 3), g.between(1, 17), g.extent(1, 6), g.extent(1, 6)), "bits")
        g.node("QLinearGlobalAveragePool", [x, *scalar(Grid(g, U8)), *scalar(Grid(g, U8))], (*x.shape[:2], 1, 1),
               domain="com.microsoft", channels_last=0)


@family("dynamic_quantized", 1.2)
def dynamic_quantized(g):
    """What ONNX Runtime's dynamic quantiser writes."""
    conv_form = g.chance(0.4)
    if conv_form:
        c, spatial = g.pick([3, 4, 8]), 2
        x = g.input(F32, (g.extent(1, 3), c, g.extent(3, 8), g.extent(3, 8)))
    else:
        k = g.pick([1, 4, 8, 17, 32])
        x = g.input(F32, (*g.shape(g.between(1, 3), 5), k))
    q, s, z = g.node("DynamicQuantizeLinear", [x], [x.shape, (), ()], [U8, F32, U8], outputs=3)
    w_type = g.pick([U8, I8])
    if conv_form:
        filters, kernel = g.pick([1, 4, 8, 16]), g.pick([1, 3])
        pad = kernel // 2
        w = g.const(weight_bytes(g, (filters, c, kernel, kernel), w_type))
        shape = (x.shape[0], filters, *x.shape[2:])
        y = g.node("ConvInteger", [q, w, z, g.const(np.array(0 if w_type == I8 else 128, w_type))], shape, I32, pads=[pad] * 4)
        per_shape = (1, filters, 1, 1)
    else:
        n = g.pick([1, 8, 15, 16, 33])
        w = g.const(weight_bytes(g, (k, n), w_type))
        shape = (*x.shape[:-1], n)
        y = g.node("MatMulInteger", [q, w, z, g.const(np.array(0 if w_type == I8 else 128, w_type))], shape, I32)
        per_shape = (n,)
    y = g.node("Cast", [y], dtype=F32, to=1)
    w_scale = g.const((g.rng.uniform(0.005, 0.02, per_shape if g.chance(0.4) else ())).astype(np.float32))
    how = g.between(0, 2)
    if how == 0:
        y = g.binary("Mul", y, g.binary("Mul", *g.pick([(s, w_scale), (w_scale, s)])))
    elif how == 1:
        y = g.binary("Mul", g.binary("Mul", y, s), w_scale)
    else:
        y = g.binary("Mul", g.binary("Mul", y, w_scale), s)
    if g.chance(0.6):
        y = g.binary("Add", y, g.const(g.array(F32, per_shape)))
    if g.chance(0.5):
        y = bounded(g, y)
    if g.chance(0.2):
        g.binary("Add", y, g.tensor(F32, y.shape))

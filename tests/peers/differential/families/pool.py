"""Windows: pooling with every rounding and padding, and transposed convolutions."""
import numpy as np

from families import family
from families.activations import operator
from families.conv import after, conv, conv_extent, picture
from graph import F32, I64, Invalid, derived, varies


def window(g, x, pads_below_kernel=True, dilate=True):
    """Attributes of a window over x and the extents it leaves."""
    spatial = x.rank - 2
    kernels = [g.pick([1, 2, 2, 3, 3, 4, 5]) for _ in range(spatial)]
    strides = [g.pick([1, 1, 2, 2, 3]) for _ in range(spatial)]
    dilations = [g.pick([1, 1, 1, 2]) if dilate else 1 for _ in range(spatial)]
    most = [k - 1 for k in kernels] if pads_below_kernel else kernels
    begins, ends = ([g.between(0, m) if g.chance(0.6) else 0 for m in most] for _ in range(2))
    auto = g.pick([None] * 6 + ["SAME_UPPER", "SAME_LOWER", "VALID"])
    if auto:
        begins = ends = [0] * spatial
        dilations = [1] * spatial
        kernels = [max(k, s) for k, s in zip(kernels, strides)]  # else ONNX Runtime finds negative pads
    ceil = g.pick([0, 0, 1]) if not auto else 0
    least = [int(d.low) if getattr(d, "name", None) else (1 if varies(d) else int(d)) for d in x.shape[2:]]
    shape = []
    for k, d in enumerate(x.shape[2:]):
        reach = dilations[k] * (kernels[k] - 1) + 1
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            shape.append(derived(-(-int(d) // strides[k]), d))
            continue
        if least[k] + begins[k] + ends[k] < reach:
            kernels[k], dilations[k], reach = 1, 1, 1
            begins[k] = ends[k] = 0
        room = int(d) + begins[k] + ends[k] - reach
        out = room // strides[k] + 1
        if ceil:
            out = -(-room // strides[k]) + 1
            if (out - 1) * strides[k] >= int(d) + begins[k]:
                out -= 1
        shape.append(derived(out, d))
    attributes = dict(kernel_shape=kernels, strides=strides if g.chance(0.8) or max(strides) > 1 else None)
    if auto:
        attributes["auto_pad"] = auto
    else:
        attributes["pads"] = begins + ends if any(begins + ends) or g.chance(0.5) else None
    if dilate and max(dilations) > 1:
        attributes["dilations"] = dilations
    if ceil:
        attributes["ceil_mode"] = 1
    return attributes, [*x.shape[:2], *shape]


def max_pool(g, x):
    attributes, shape = window(g, x)
    if g.chance(0.2) and not g.special and g.family != "special":  # the index of a NaN is nobody's word
        y, index = g.node("MaxPool", [x], [shape, shape], [F32, I64], outputs=2, storage_order=0 if g.chance(0.5) else None, **attributes)
        return y
    return g.node("MaxPool", [x], shape, **attributes)


def average_pool(g, x):
    attributes, shape = window(g, x, dilate=g.opset >= 19)
    return g.node("AveragePool", [x], shape, count_include_pad=g.pick([None, 0, 1]), **attributes)


def lp_pool(g, x):
    attributes, shape = window(g, x, dilate=g.opset >= 18)
    if g.opset < 18:
        attributes.pop("ceil_mode", None)
        attributes.pop("dilations", None)
        if attributes.get("pads") and g.opset < 18 and False:
            raise Invalid("")
        shape = None
    if shape is None:
        shape = [*x.shape[:2], *[derived(1, d) for d in x.shape[2:]]]  # not looked at: nothing follows
    return g.node("LpPool", [x], shape, p=g.pick([None, 1, 2, 3]), **attributes)


def global_pool(g, x):
    op = g.pick(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
    return g.node(op, [x], [*x.shape[:2], *[1 for _ in x.shape[2:]]])


@family("pool")
def pools(g):
    g.special = g.pick([0, 0, 0, 0.05])
    x = picture(g, high=9)
    if g.chance(0.4):
        x = conv(g, x) if g.chance(0.6) else operator(g, x)
    for _ in range(g.between(1, 2)):
        x = g.pick([max_pool, max_pool, average_pool, average_pool, global_pool])(g, x)
        if g.chance(0.4):
            x = operator(g, x) if g.chance(0.7) else g.binary("Add", x, x)
    if g.chance(0.15) and not g.special:
        lp_pool(g, x)


@family("unpool", 0.2)
def unpool(g):
    g.varying = 0
    n, c, h, w = g.between(1, 2), g.between(1, 3), 2 * g.between(1, 4), 2 * g.between(1, 4)
    x = g.input(F32, (n, c, h, w))
    y, index = g.node("MaxPool", [x], [(n, c, h // 2, w // 2)] * 2, [F32, I64], outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    if g.chance(0.5):
        y = operator(g, y)
    inputs = [y, index] + ([g.ints(n, c, h + 1, w + 1)] if g.chance(0.3) else [])
    shape = (n, c, h + 1, w + 1) if len(inputs) == 3 else (n, c, h, w)
    g.node("MaxUnpool", inputs, shape, kernel_shape=[2, 2], strides=[2, 2])


@family("conv_transpose", 0.8)
def conv_transpose(g):
    x = picture(g, g.pick([1, 2, 2, 3]), high=6)
    spatial, channels = x.rank - 2, int(x.shape[1])
    group = 1 if g.chance(0.6) else g.pick([d for d in range(1, channels + 1) if channels % d == 0])
    filters = g.between(1, 6)
    kernels, strides = [g.between(1, 4) for _ in range(spatial)], [g.between(1, 3) for _ in range(spatial)]
    dilations = [g.pick([1, 1, 2]) for _ in range(spatial)]
    extra = [g.between(0, max(0, min(s, 2) - 1)) for s in strides]
    attributes = dict(kernel_shape=kernels, strides=strides, dilations=dilations, group=group)
    auto = g.pick([None] * 5 + ["SAME_UPPER", "SAME_LOWER", "VALID"])
    if auto and auto.startswith("SAME"):  # ONNX Runtime cuts what a stride beyond the kernel leaves open
        kernels = [max(k, s) for k, s in zip(kernels, strides)]
        attributes["kernel_shape"] = kernels
    begins, ends = ([g.between(0, max(0, k - 1)) for k in kernels] for _ in range(2))
    shape = []
    for k, d in enumerate(x.shape[2:]):
        full = strides[k] * (int(d) - 1) + extra[k] + (kernels[k] - 1) * dilations[k] + 1
        if auto and auto.startswith("SAME"):
            shape.append(derived(int(d) * strides[k], d))
            continue
        if auto or full - begins[k] - ends[k] < 1:
            begins[k] = ends[k] = 0
        shape.append(derived(full - begins[k] - ends[k], d))
    if auto:
        attributes["auto_pad"] = auto
    elif not varies(x.shape[2:]) and g.chance(0.2):
        shape = [max(1, s - g.between(0, 1)) for s in shape]
        attributes["output_shape"] = shape
    else:
        attributes["pads"] = begins + ends
    if any(extra):
        attributes["output_padding"] = extra
    w = g.weights(channels, filters, *kernels, fan=channels * int(np.prod(kernels)) // group)
    inputs = [x, w] + ([g.const(g.array(F32, (filters * group,)))] if g.chance(0.5) else [])
    y = g.node("ConvTranspose", inputs, (x.shape[0], filters * group, *shape), **attributes)
    for _ in range(g.between(0, 2)):
        y = after(g, y)

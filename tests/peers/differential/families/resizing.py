"""Resize in every mode, Upsample, Pad in every mode, GridSample."""
import numpy as np

from families import family
from families.activations import operator
from families.conv import picture
from graph import F32, I64, U8, Invalid, derived, varies


@family("resize")
def resize(g):
    spatial = g.pick([1, 2, 2, 2, 3])
    dtype = g.pick([F32, F32, F32, U8])
    x = g.input(dtype, (g.extent(1, 2), g.between(1, 17), *[g.extent(1, 7) for _ in range(spatial)]))
    mode = g.pick(["nearest", "nearest", "linear", "cubic"])
    if mode == "cubic" and spatial != 2 or dtype == U8:  # between bytes ONNX Runtime cuts where the reference rounds
        mode = "nearest"
    transform = g.pick(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
    by_scale = g.chance(0.6) or varies(x.shape)
    if mode == "nearest" and dtype == U8:
        transform = "asymmetric"
    factors = [g.pick([1.0, 2.0, 2.0, 3.0, 4.0] if by_scale else [1.0, 2.0]) for _ in range(spatial)]
    if by_scale and g.chance(0.4):
        factors = [g.pick([0.5, 1.5, 1.25, 0.75, 2.5]) for _ in range(spatial)]
    target = [max(1, int(np.floor(np.float32(int(d) * f)))) if by_scale else g.between(1, 12) for d, f in zip(x.shape[2:], factors)]
    shape = [*x.shape[:2], *[derived(t, d) for t, d in zip(target, x.shape[2:])]]
    attributes = dict(mode=mode, coordinate_transformation_mode=transform)
    if mode == "nearest":
        attributes["nearest_mode"] = g.pick([None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        attributes |= dict(cubic_coeff_a=g.pick([None, -0.5]), exclude_outside=g.pick([None, 0, 1]))
    if g.opset >= 18 and g.chance(0.15) and mode != "nearest":
        attributes["antialias"] = 1
        attributes.pop("exclude_outside", None)
    scales = g.const(np.array([1, 1, *factors], np.float32)) if by_scale else None
    sizes = None if by_scale else g.const(np.array([*map(int, x.shape[:2]), *target], np.int64))
    y = g.node("Resize", [x, None, scales] if by_scale else [x, None, None, sizes], shape, **attributes)
    if dtype == F32 and g.chance(0.5):
        operator(g, y)


@family("upsample", 0.3)
def upsample(g):
    g.opset = 9
    x = g.input(F32, (g.extent(1, 2), g.between(1, 9), g.extent(1, 6), g.extent(1, 6)))
    a, b = g.pick([1, 2, 3]), g.pick([1, 2, 3])
    g.node("Upsample", [x, g.const(np.array([1, 1, a, b], np.float32))], (*x.shape[:2], derived(int(x.shape[2]) * a, x.shape[2]), derived(int(x.shape[3]) * b, x.shape[3])),
           mode=g.pick(["nearest", "linear"]))


@family("pad", 0.6)
def pad(g):
    x = g.input(g.pick([F32, F32, F32, I64, U8]), g.shape(g.between(1, 5), 6), "normal")
    mode = g.pick(["constant", "edge", "reflect", "wrap" if g.opset >= 19 else "edge"])
    begins, ends = [], []
    for d in x.shape:
        low = int(getattr(d, "low", None) or d)
        most = {"constant": 3, "edge": 3, "reflect": low - 1, "wrap": low}[mode]
        least = -1 if mode == "constant" and low > 2 else 0
        begins.append(g.between(least, min(3, most)))
        ends.append(g.between(least, min(3, most)))
    shape = [derived(int(d) + b + e, d) for d, b, e in zip(x.shape, begins, ends)]
    inputs = [x, g.ints(*begins, *ends)]
    if mode == "constant" and g.chance(0.6):
        inputs.append(g.const(g.array(x.dtype, (), "small")))
    if g.opset >= 18 and g.chance(0.3):
        axes = g.some(range(x.rank), 1)
        inputs[1] = g.ints(*[begins[a] for a in axes], *[ends[a] for a in axes])
        inputs += [None] * (3 - len(inputs)) + [g.ints(*axes)]
        shape = [derived(int(d) + begins[k] + ends[k], d) if k in axes else d for k, d in enumerate(x.shape)]
    y = g.node("Pad", inputs, shape, mode=mode)
    if x.dtype == F32 and g.chance(0.5):
        operator(g, y)


@family("grid_sample", 0.4)
def grid_sample(g):
    g.opset = g.pick([16, 20])
    n, c, h, w = g.extent(1, 2), g.between(1, 4), g.extent(1, 6), g.extent(1, 6)
    oh, ow = g.extent(1, 5), g.extent(1, 5)
    x = g.input(F32, (n, c, h, w))
    grid = g.input(F32, (n, oh, ow, 2), (-1.3, 1.3))
    modes = ["bilinear", "nearest"] if g.opset == 16 else ["linear", "nearest", "cubic"]
    g.node("GridSample", [x, grid], (n, c, oh, ow), mode=g.pick(modes), padding_mode=g.pick([None, "zeros", "border", "reflection"]),
           align_corners=g.pick([None, 0, 1]))


@family("affine_grid", 0.15)
def affine_grid(g):
    g.opset = 20
    n, h, w = g.between(1, 3), g.between(1, 5), g.between(1, 5)
    theta = g.input(F32, (n, 2, 3))
    g.node("AffineGrid", [theta, g.ints(n, 3, h, w)], (n, h, w, 2), align_corners=g.pick([0, 1]))

"""One or two nodes of every operator that no other family draws."""
import numpy as np
from onnx import helper

from families import family
from families.activations import operator
from graph import BOOL, F32, I32, I64, ONNX_TYPES, TEXT, U8, Dim, Invalid, varies

DRAWS = []


def draw(function):
    DRAWS.append(function)
    return function


def index(g, shape, extent, dtype=I64):
    kind = (-extent, extent - 1)
    return g.const(g.array(dtype, shape, kind)) if g.chance(0.4) and not varies(shape) else g.input(dtype, shape, kind)


@draw
def gather_elements(g):
    x = g.input(g.pick([F32, I64]), [g.fixed(1, 5) for _ in range(g.between(1, 3))])
    axis = g.between(0, x.rank - 1)
    shape = [g.between(1, 4) if k == axis else g.between(1, int(d)) for k, d in enumerate(x.shape)]
    g.node("GatherElements", [x, index(g, shape, int(x.shape[axis]), g.pick([I32, I64]))], shape, axis=axis)


@draw
def gather_nd(g):
    x = g.input(F32, [g.fixed(1, 4) for _ in range(g.between(1, 4))])
    batch = g.between(0, x.rank - 1) if g.chance(0.3) else 0
    depth = g.between(1, x.rank - batch)
    least = min(int(d) for d in x.shape[batch:batch + depth])
    shape = [*x.shape[:batch], *[g.between(1, 4) for _ in range(g.between(1 if not batch else 0, 2))], depth]
    g.node("GatherND", [x, g.input(I64, shape, (-least, least - 1))], [*shape[:-1], *x.shape[batch + depth:]], batch_dims=batch or None)


@draw
def scatter_elements(g):
    x = g.input(F32, [g.fixed(1, 5) for _ in range(g.between(1, 3))])
    axis = g.between(0, x.rank - 1)
    shape = [1 if k == axis else g.between(1, int(d)) for k, d in enumerate(x.shape)]
    reduction = g.pick(["none", "add", "mul"] + (["max", "min"] if g.opset >= 18 else []))
    g.node("ScatterElements" if g.opset >= 11 else "Scatter", [x, index(g, shape, int(x.shape[axis])), g.input(F32, shape)], axis=axis,
           reduction=reduction if g.opset >= 16 and reduction != "none" else None)


@draw
def scatter_nd(g):
    x = g.input(F32, [g.fixed(2, 5) for _ in range(g.between(1, 3))])
    depth = g.between(1, x.rank)
    count = 1 if g.chance(0.5) else 2
    rows = np.stack([[(k + j) % int(x.shape[j]) for j in range(depth)] for k in range(count)]).astype(np.int64)
    reduction = g.pick(["none", "add", "mul"])
    g.node("ScatterND", [x, g.const(rows), g.input(F32, (count, *x.shape[depth:]))], reduction=reduction if g.opset >= 16 else None)


@draw
def non_zero(g):
    x = g.input(g.pick([F32, BOOL, I64, I32, U8]), g.shape(g.between(1, 3), 5), (0, 1))
    x = g.node("Floor", [x]) if x.dtype == F32 else x
    y = g.node("NonZero", [x], (x.rank, Dim(1)), I64)
    if g.chance(0.5):
        g.node("Transpose", [y], (Dim(1), x.rank))


@draw
def compress(g):
    x = g.input(F32, [g.fixed(1, 5) for _ in range(g.between(1, 3))])
    axis = g.between(0, x.rank - 1)
    n = int(x.shape[axis])
    g.node("Compress", [x, g.input(BOOL, (g.between(1, n),))], [Dim(1) if k == axis else d for k, d in enumerate(x.shape)], axis=axis)


@draw
def unique(g):
    x = g.input(g.pick([F32, I64]), [g.fixed(1, 9)], (0, 4) if g.chance(0.5) else "small")
    g.node("Unique", [x], [(Dim(1),)] * 4, [x.dtype, I64, I64, I64], outputs=4, sorted=g.pick([None, 0, 1]))


@draw
def suppression(g):
    n, classes = g.extent(1, 8), g.between(1, 3)
    corners = g.input(F32, (1, n, 4), (0, 1))
    scores = g.input(F32, (1, classes, n), (0, 1))
    g.node("NonMaxSuppression", [corners, scores, g.ints(g.between(0, 5)), g.const(np.array([0.3], np.float32)), g.const(np.array([0.1], np.float32))],
           (Dim(1), 3), I64, center_point_box=g.pick([None, 0, 1]))


@draw
def one_hot(g):
    depth = g.between(1, 5)
    x = g.input(g.pick([I64, F32]), g.shape(g.between(1, 3), 4), (-depth, depth - 1))
    if x.dtype == F32:
        x = g.node("Floor", [x])
    dtype = F32
    axis = g.between(-x.rank - 1, x.rank)
    shape = list(x.shape)
    shape.insert(axis % (x.rank + 1), depth)
    g.node("OneHot", [x, g.const(np.array(depth, np.int64)), g.const(np.array([0, 3], dtype))], shape, dtype, axis=axis)


@draw
def determinant(g):
    n = g.between(1, 4)
    g.node("Det", [g.input(F32, (*g.shape(g.between(0, 2), 3), n, n))], g.inputs[-1][0].shape[:-2])


@draw
def eye_like(g):
    x = g.input(F32, g.shape(2, 5))
    to = g.pick([None, F32, I64])
    g.node("EyeLike", [x], None, to, k=g.between(-2, 2), **({} if to is None else {"dtype_": ONNX_TYPES[to]}))


@draw
def roi_align(g):
    g.opset = max(g.opset, 16)
    n = g.between(1, 3)
    x = g.input(F32, (2, g.between(1, 5), g.extent(4, 9), g.extent(4, 9)))
    rois = g.const(np.sort(g.rng.uniform(0, 4, (n, 2, 2)), axis=1).reshape(n, 4).astype(np.float32))
    g.node("RoiAlign", [x, rois, g.const(g.rng.integers(0, 2, n).astype(np.int64))], (n, x.shape[1], 2, 3), output_height=2, output_width=3,
           sampling_ratio=g.pick([0, 1, 2]), spatial_scale=g.pick([1.0, 0.5]), mode="avg",
           coordinate_transformation_mode=g.pick(["half_pixel", "output_half_pixel"]))


@draw
def max_roi_pool(g):
    n = g.between(1, 3)
    x = g.input(F32, (1, g.between(1, 3), 8, 8))
    corners = np.sort(g.rng.integers(0, 8, (n, 2, 2)), axis=1).reshape(n, 4)
    rois = g.const(np.concatenate([np.zeros((n, 1)), corners], 1).astype(np.float32))
    g.node("MaxRoiPool", [x, rois], (n, x.shape[1], 2, 2), pooled_shape=[2, 2])


@draw
def deform_conv(g):
    g.opset = 19
    n, c, h, w, k = 1, g.between(1, 4), g.between(3, 6), g.between(3, 6), g.pick([1, 2, 3])
    oh, ow = h - k + 1, w - k + 1
    if oh < 1 or ow < 1:
        raise Invalid("nothing left")
    filters = g.between(1, 4)
    inputs = [g.input(F32, (n, c, h, w)), g.weights(filters, c, k, k), g.input(F32, (n, 2 * k * k, oh, ow), "unit")]
    g.node("DeformConv", inputs, (n, filters, oh, ow), kernel_shape=[k, k], pads=[0] * 4)


@draw
def col2im(g):
    g.opset = max(g.opset, 18)
    h, w, k = g.between(3, 6), g.between(3, 6), 2
    blocks = (h - 1) * (w - 1)
    c = g.between(1, 3)
    g.node("Col2Im", [g.input(F32, (1, c * k * k, blocks)), g.ints(h, w), g.ints(k, k)], (1, c, h, w))


@draw
def reverse_sequence(g):
    t, b = g.between(1, 6), g.between(1, 4)
    x = g.input(F32, (t, b, g.between(1, 3)))
    g.node("ReverseSequence", [x, g.input(I64, (b,), (1, t))], batch_axis=1, time_axis=0)


@draw
def fourier(g):
    n = g.pick([1, 2, 4, 5, 8, 9])
    x = g.input(F32, (g.extent(1, 3), n, g.pick([1, 2])))
    if g.opset >= 20:
        g.node("DFT", [x, None, g.const(np.array(1, np.int64))], (*x.shape[:1], n, 2), inverse=g.pick([None, 0, 1]) if x.shape[-1] == 2 else None)
    elif g.opset >= 17:
        g.node("DFT", [x], (*x.shape[:1], n, 2), axis=1, inverse=g.pick([None, 0, 1]) if x.shape[-1] == 2 else None)
    else:
        raise Invalid("no DFT")


@draw
def short_fourier(g):
    g.opset = max(g.opset, 17)
    n = g.between(8, 20)
    x = g.input(F32, (g.between(1, 2), n, 1))
    frame, step = g.pick([4, 5, 8]), g.pick([1, 2, 4])
    g.node("STFT", [x, g.const(np.array(step, np.int64)), g.const(g.array(F32, (frame,), "positive"))] if g.chance(0.7) else
           [x, g.const(np.array(step, np.int64)), None, g.const(np.array(frame, np.int64))],
           (x.shape[0], (n - frame) // step + 1, frame // 2 + 1, 2), onesided=1)


@draw
def windows(g):
    g.opset = max(g.opset, 17)
    n = g.const(np.array(g.between(1, 12), np.int64))
    g.node(g.pick(["HannWindow", "HammingWindow", "BlackmanWindow"]), [n], (1,), F32, periodic=g.pick([0, 1]))


@draw
def mel(g):
    g.opset = max(g.opset, 17)
    c = lambda v, t: g.const(np.array(v, t))
    bins = g.between(2, 6)
    g.node("MelWeightMatrix", [c(bins, np.int64), c(32, np.int64), c(8000, np.int64), c(0.0, np.float32), c(4000.0, np.float32)], (17, bins), F32)


@draw
def words(g):
    tokens = g.input(I64, (g.extent(1, 8),), (0, 6))
    g.node("TfIdfVectorizer", [tokens], (4,), F32, mode=g.pick(["TF", "IDF", "TFIDF"]), min_gram_length=1, max_gram_length=2,
           max_skip_count=g.pick([0, 1]), ngram_counts=[0, 2], ngram_indexes=[0, 1, 2, 3], pool_int64s=[2, 3, 5, 4, 1, 6], weights=[1.0, 0.5, 2.0, 1.5])


@draw
def strings(g):
    g.opset = 20
    x = g.input(TEXT, g.shape(g.between(1, 2), 4))
    how = g.between(0, 2)
    if how == 0:
        g.node("StringConcat", [x, g.input(TEXT, x.shape)], x.shape)
    elif how == 1:
        g.node("Equal", [x, g.input(TEXT, x.shape)], x.shape, BOOL)
    else:
        y, n = g.node("StringSplit", [x], [(*x.shape, Dim(1)), x.shape], [TEXT, I64], outputs=2, delimiter=g.pick([None, ",", " "]))


@draw
def labels(g):
    x = g.input(I64, g.shape(g.between(1, 2), 5), (0, 5))
    g.node("LabelEncoder", [x], x.shape, F32, domain="ai.onnx.ml", keys_int64s=[0, 1, 2, 3], values_floats=[0.5, 1.5, -1.0, 7.0], default_float=-9.0)


@draw
def trees(g):
    """Trees of depth 2: three splits and four leaves each."""
    x = g.input(F32, (g.extent(1, 6), 3))
    count = g.between(1, 3)
    floats = lambda n: helper.make_tensor("t", 1, [n], g.rng.uniform(-1, 1, n).astype(np.float32))
    yes, no, leaf = [], [], []
    for tree in range(count):
        yes += [3 * tree + 1, 4 * tree, 4 * tree + 2]
        no += [3 * tree + 2, 4 * tree + 1, 4 * tree + 3]
        leaf += [0, 1, 1]
    g.node("TreeEnsemble", [x], (x.shape[0], 2), domain="ai.onnx.ml", n_targets=2, aggregate_function=g.pick([0, 1, 2, 3]), post_transform=0,
           tree_roots=[3 * t for t in range(count)], nodes_featureids=[g.between(0, 2) for _ in yes], nodes_splits=floats(len(yes)),
           nodes_modes=helper.make_tensor("m", 2, [len(yes)], bytes(g.between(0, 3) for _ in yes), raw=True), nodes_truenodeids=yes,
           nodes_falsenodeids=no, nodes_trueleafs=leaf, nodes_falseleafs=leaf,
           leaf_targetids=[g.between(0, 1) for _ in range(4 * count)], leaf_weights=floats(4 * count))


@draw
def losses(g):
    n, c = g.extent(1, 5), g.between(2, 5)
    x = g.input(F32, (n, c))
    labels = g.input(I64, (n,), (0, c - 1))
    reduction = g.pick(["mean", "sum", "none"])
    shape = (n,) if reduction == "none" else ()
    inputs = [x, labels] + ([g.const(g.array(F32, (c,), "positive"))] if g.chance(0.4) else [])
    op = g.pick(["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
    g.node(op, inputs, shape, reduction=reduction, ignore_index=g.pick([None, 0]))


@draw
def ranges(g):
    dtype = g.pick([F32, I32, I64])
    c = lambda v: g.const(np.array(v, dtype))
    start, step, count = g.between(-3, 3), g.pick([1, 2, -1]), g.between(0, 6)
    y = g.node("Range", [c(start), c(start + step * count), c(step)], (count,), dtype)
    x = g.input(dtype, (g.extent(1, 3), count), "small")
    g.binary("Add", x, y)


@draw
def tensors(g):
    x = g.input(F32, g.shape(g.between(1, 3), 4))
    g.node("Size", [x], (), I64)
    g.node("ConstantOfShape", [g.shape_of(x)], x.shape)
    g.values[-1].dtype = F32
    g.node("Dropout", [x])


@draw
def center_crop(g):
    g.opset = max(g.opset, 18)
    x = g.input(F32, [g.fixed(1, 6) for _ in range(g.between(1, 3))])
    axes = g.some(range(x.rank), 1)
    shape = list(x.shape)
    for a in axes:
        shape[a] = g.between(1, 7)
    g.node("CenterCropPad", [x, g.ints(*[shape[a] for a in axes])], shape, axes=axes)


@draw
def optionals(g):
    g.opset = max(g.opset, 18)
    x = g.input(F32, g.shape(2, 4))
    o = g.sequence("Optional", [x])
    how = g.between(0, 1)
    if how:
        g.node("OptionalGetElement", [o], x.shape, F32)
    else:
        g.node("OptionalHasElement", [o], (), BOOL)


@family("others", 3)
def others(g):
    drawn = g.pick(DRAWS)
    drawn(g)
    if drawn is not windows and g.values and g.values[-1].dtype == F32 and g.values[-1].rank and g.chance(0.3) and not g.values[-1].name.startswith("x"):
        operator(g, g.values[-1])

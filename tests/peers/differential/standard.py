"""Operators of which ONNX Runtime is no measure, as docs/numerics.md has them by the standard's words: a second measure.

Where a graph disagrees with ONNX Runtime, it is measured again with these operators computed here; all that lies between
them is still ONNX Runtime's. So a known difference hides nothing else, behind it neither.
"""
import copy
import itertools

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graph import Invalid

STANDARD = {}  # operator: function(node's attributes, inputs, outputs wanted) -> arrays, or None where ONNX Runtime is right


def operator(*names):
    def declare(function):
        for name in names:
            STANDARD[name] = function
        return function
    return declare


def lowest(dtype):
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


# Windows.
def window(a, shape, ceil_allowed=True):
    """Begin pads, extents that count as padded, strides, dilations and output extents of the spatial axes."""
    rank = len(shape)
    kernel = a["kernel_shape"]
    strides, dilations = a.get("strides") or [1] * rank, a.get("dilations") or [1] * rank
    pads, auto = a.get("pads") or [0] * 2 * rank, a.get("auto_pad", "NOTSET")
    begins, padded, outs = [], [], []
    for k, extent in enumerate(shape):
        reach = (kernel[k] - 1) * dilations[k] + 1
        begin, end = pads[k], pads[k + rank]
        if auto == "VALID":
            begin = end = 0
        if auto.startswith("SAME"):
            out = -(-extent // strides[k])
            total = (out - 1) * strides[k] + reach - extent
            begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
            end = total - begin
        else:
            room = extent + begin + end - reach
            out = room // strides[k] + 1
            if a.get("ceil_mode", 0) and auto != "VALID":
                out = -(-room // strides[k]) + 1
                if (out - 1) * strides[k] >= extent + begin:
                    out -= 1
        if out < 0:
            return None
        begins.append(begin)
        padded.append(extent + end)
        outs.append(out)
    return begins, padded, strides, dilations, outs


def places(a, x):
    """For each element of the kernel: what it lies over, whether that is in x, and whether in the padded x."""
    spatial = x.shape[2:]
    found = window(a, spatial)
    if found is None:
        return None
    begins, padded, strides, dilations, outs = found

    def all_places():
        for offset in itertools.product(*map(range, a["kernel_shape"])):
            inside = within = np.ones(outs, bool)
            index = np.zeros(outs, np.int64)
            for k, extent in enumerate(spatial):
                at = np.arange(outs[k]) * strides[k] - begins[k] + offset[k] * dilations[k]
                at = at.reshape([-1 if j == k else 1 for j in range(len(spatial))])
                inside = inside & (at >= 0) & (at < extent)
                within = within & (at < padded[k])
                index = index * extent + np.clip(at, 0, max(0, extent - 1))
            yield index, inside, within
    return outs, all_places()


@operator("MaxPool")
def max_pool(a, inputs, outputs):
    """NaN if any element is; minus infinity of no elements; the first of equal ones."""
    x = inputs[0]
    found = places(a, x)
    if found is None:
        return None
    outs, all_places = found
    flat = x.reshape(*x.shape[:2], int(np.prod(x.shape[2:])))
    best = np.full((*x.shape[:2], *outs), lowest(x.dtype), x.dtype)
    where, any_ = np.zeros(best.shape, np.int64), np.zeros(outs, bool)
    for index, inside, _ in all_places if flat.size and best.size else ():
        value = flat[:, :, index]
        further = (value > best) | np.isnan(value) & ~np.isnan(best) if x.dtype.kind == "f" else value > best
        better = inside & (further | ~any_)
        best, where, any_ = np.where(better, value, best), np.where(better, index, where), any_ | inside
    if outputs == 1:
        return [best]
    if a.get("storage_order", 0):
        at = np.unravel_index(where, x.shape[2:])
        where = np.zeros_like(where)
        for k in reversed(range(len(at))):
            where = where * x.shape[2 + k] + at[k]
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * len(outs))
    return [best, where + planes * int(np.prod(x.shape[2:]))]


@operator("AveragePool")
def average_pool(a, inputs, outputs):
    """Padding counts with count_include_pad, what ceil_mode lets lie beyond it does not."""
    x = inputs[0]
    found = places(a, x)
    if found is None:
        return None
    outs, all_places = found
    flat = x.reshape(*x.shape[:2], int(np.prod(x.shape[2:]))).astype(np.float64)
    total, count = np.zeros((*x.shape[:2], *outs)), np.zeros(outs)
    for index, inside, within in all_places:
        if flat.size:
            total += np.where(inside, flat[:, :, index], 0)
        count += within if a.get("count_include_pad", 0) else inside
    return [(total / count).astype(x.dtype)]


@operator("GlobalMaxPool")
def global_max_pool(a, inputs, outputs):
    x = inputs[0]
    return [np.max(x, axis=tuple(range(2, x.ndim)), keepdims=True, initial=lowest(x.dtype)).astype(x.dtype)]


# The largest and smallest.
def reduced(a, inputs):
    """The axes of a reduction; None where it has none and leaves its input as it is."""
    axes = a.get("axes") if len(inputs) < 2 or inputs[1] is None else inputs[1].tolist()
    if not axes and a.get("noop_with_empty_axes", 0):
        return None
    return tuple(axes) if axes else tuple(range(inputs[0].ndim))


@operator("ReduceMax", "ReduceMin")
def reduce_extreme(a, inputs, outputs):
    x, axes = inputs[0], reduced(a, inputs)
    if x.dtype.kind not in "fiu" or axes is None:
        return None
    keep = bool(a.get("keepdims", 1))
    if a["op"] == "ReduceMax":
        return [np.asarray(np.max(x, axis=axes, keepdims=keep, initial=lowest(x.dtype)), x.dtype)]
    most = np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).max
    return [np.asarray(np.min(x, axis=axes, keepdims=keep, initial=most), x.dtype)]


@operator("Max", "Min")
def extreme(a, inputs, outputs):
    if inputs[0].dtype.kind != "f":
        return None
    result = inputs[0]
    for x in inputs[1:]:
        result = (np.maximum if a["op"] == "Max" else np.minimum)(result, x)
    return [np.asarray(result)]


@operator("ReduceLogSumExp")
def log_sum_exp(a, inputs, outputs):
    """NaN if any element is."""
    x, axes = inputs[0], reduced(a, inputs)
    if x.dtype.kind != "f" or axes is None:
        return None
    wide = x.astype(np.float64)
    most = np.max(wide, axis=axes, keepdims=True, initial=-np.inf)
    finite = np.where(np.isfinite(most), most, 0)
    result = np.where(np.isfinite(most), finite + np.log(np.sum(np.exp(wide - finite), axis=axes, keepdims=True)), most)
    return [np.asarray(result if a.get("keepdims", 1) else np.squeeze(result, axes), x.dtype)]


# Elementwise.
@operator("Where")
def where(a, inputs, outputs):
    """ONNX Runtime adds what is chosen to 0, so that -0 becomes 0."""
    return [np.where(*inputs)] if inputs[1].dtype.kind == "f" else None


@operator("Sigmoid")
def sigmoid(a, inputs, outputs):
    """ONNX Runtime's is 0 below -18, of wide floats below -37."""
    x = inputs[0]
    return [(1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)]


@operator("Softplus")
def softplus(a, inputs, outputs):
    """Of wide floats ONNX Runtime's overflows in the exponential."""
    x = inputs[0]
    return [np.logaddexp(0, x.astype(np.float64)).astype(x.dtype)]


@operator("MeanVarianceNormalization")
def mean_variance(a, inputs, outputs):
    """ONNX Runtime's variance may be below 0, and its root NaN."""
    x, axes = inputs[0].astype(np.float64), tuple(a.get("axes") or (0, 2, 3))
    centred = x - np.mean(x, axis=axes, keepdims=True)
    return [(centred / (np.sqrt(np.mean(centred * centred, axis=axes, keepdims=True)) + 1e-9)).astype(inputs[0].dtype)]


# Means and sums of nothing.
NOTHING = {"ReduceMean": np.nan, "ReduceProd": 1, "ReduceLogSum": -np.inf, "ReduceSum": 0, "ReduceSumSquare": 0, "ReduceL1": 0,
           "ReduceL2": 0}


@operator(*NOTHING)
def of_nothing(a, inputs, outputs):
    """What no elements give: the mean is 0 / 0. Releases of ONNX Runtime differ in the extents, too."""
    x, axes = inputs[0], reduced(a, inputs)
    if a["op"] == "ReduceMean" and x.dtype.kind in "iu" and x.size and axes is not None:
        return [mean_of_integers(x, axes, bool(a.get("keepdims", 1)))]
    if x.dtype.kind != "f" or x.size or axes is None:
        return None
    shape = np.sum(x, axis=axes, keepdims=bool(a.get("keepdims", 1))).shape
    return [np.full(shape, NOTHING[a["op"]], x.dtype)]


def mean_of_integers(x, axes, keepdims):
    """The sum wraps, the quotient is cut off; ONNX Runtime adds in wide floats."""
    total = np.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)
    count = x.size // max(1, total.size)
    cut = [abs(int(t)) // count * (-1 if t < 0 else 1) for t in np.ravel(total)]
    return np.array(cut, x.dtype).reshape(total.shape)


@operator("MatMul")
def product_of_nothing(a, inputs, outputs):
    """0 under the batches of both; ONNX Runtime may forget one."""
    return None if inputs[0].size and inputs[1].size else [np.matmul(inputs[0], inputs[1])]


@operator("Gemm")
def sum_of_nothing(a, inputs, outputs):
    """beta * C; releases of ONNX Runtime forget beta."""
    x, y = (np.transpose(i) if a.get(flag, 0) else i for i, flag in zip(inputs, ("transA", "transB")))
    if x.dtype.kind != "f" or x.shape[1] != 0:
        return None
    shape, c = (x.shape[0], y.shape[1]), inputs[2] if len(inputs) > 2 and inputs[2] is not None else 0
    return [np.broadcast_to(np.asarray(a.get("beta", 1.0) * c, x.dtype), shape).copy()]


@operator("Clip")
def clip(a, inputs, outputs):
    """An absent bound is the last finite number; a NaN bound gives NaN."""
    x = inputs[0]
    if x.dtype.kind != "f":
        return None
    low, high = (inputs[k] if len(inputs) > k and inputs[k] is not None else bound
                 for k, bound in ((1, np.finfo(x.dtype).min), (2, np.finfo(x.dtype).max)))
    return [np.minimum(np.maximum(x, low), high).astype(x.dtype)]


def furthest(x, axis, op, last):
    """Positions along the axis, which stays as extent 1: a NaN is further than every number."""
    pick = np.argmax if op == "ArgMax" else np.argmin
    if last:
        return x.shape[axis] - 1 - np.expand_dims(pick(np.flip(x, axis), axis), axis)
    return np.expand_dims(pick(x, axis), axis)


@operator("ArgMax", "ArgMin")
def arg(a, inputs, outputs):
    x, axis = inputs[0], a.get("axis", 0)
    if x.shape[axis] == 0:
        return None
    found = furthest(x, axis, a["op"], a.get("select_last_index", 0)).astype(np.int64)
    return [found if a.get("keepdims", 1) else np.squeeze(found, axis)]


@operator("Hardmax")
def hardmax(a, inputs, outputs):
    x, axis = inputs[0], a.get("axis", -1)
    if x.shape[axis] == 0:
        return None
    result = np.zeros_like(x)
    np.put_along_axis(result, furthest(x, axis, "ArgMax", False), 1, axis)
    return [result]


# Resize.
def source(a, o, extent, scale, size):
    """Where output o lies in the input."""
    mode, length = a.get("coordinate_transformation_mode", "half_pixel"), extent * scale
    if mode == "align_corners":
        return 0.0 if length == 1 else o * (extent - 1) / (length - 1)
    if mode == "asymmetric":
        return o / scale
    if mode == "pytorch_half_pixel" and size == 1:
        return 0.0
    middle = extent / 2 * (1 - size / length) if mode == "half_pixel_symmetric" else 0.0
    return middle + (o + 0.5) / scale - 0.5


def cubic(x, a):
    x = abs(x)
    return ((a + 2) * x - (a + 3)) * x * x + 1 if x <= 1 else ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def taps(a, o, extent, scale, size):
    """What output o takes along one axis: (input, weight); several may be of one input at the edge."""
    x, mode = source(a, o, extent, scale, size), a.get("mode", "nearest")
    base = int(np.ceil(x)) - 1
    ratio = x - base  # in (0, 1]
    if mode == "nearest":
        upper = ratio == 1 or {"round_prefer_floor": ratio > 0.5, "round_prefer_ceil": ratio >= 0.5, "floor": False,
                               "ceil": True}[a.get("nearest_mode", "round_prefer_floor")]
        return [(min(max(base + upper, 0), extent - 1), 1.0)]
    squeeze = min(scale, 1.0) if a.get("antialias", 0) else 1.0
    first = int(np.floor((-1 if mode == "linear" else -2) / squeeze)) + 1
    offsets = range(first, 2 - first)
    factor = a.get("cubic_coeff_a", -0.75)
    w = [max(0.0, 1 - abs((k - ratio) * squeeze)) if mode == "linear" else cubic((k - ratio) * squeeze, factor) for k in offsets]
    if a.get("exclude_outside", 0):
        w = [v if 0 <= base + k < extent else 0.0 for k, v in zip(offsets, w)]
    norm = sum(w) if a.get("antialias", 0) or a.get("exclude_outside", 0) else 1.0
    return [(min(max(base + k, 0), extent - 1), v / norm) for k, v in zip(offsets, w) if v != 0]


@operator("Resize")
def resize(a, inputs, outputs):
    """Neighbours of weight 0 are not read; align_corners takes the extent that scales give before it is rounded."""
    x = inputs[0]
    scales, sizes = (inputs[k] if len(inputs) > k and inputs[k] is not None and inputs[k].size else None for k in (2, 3))
    if (x.dtype.kind != "f" and a.get("mode", "nearest") != "nearest" or not x.size or a.get("coordinate_transformation_mode") == "tf_crop_and_resize"
            or a.get("keep_aspect_ratio_policy", "stretch") != "stretch"):
        return None
    y = x.astype(np.float64)
    for k, axis in enumerate(a.get("axes") or range(x.ndim)):
        extent = x.shape[axis]
        if sizes is not None and sizes[k] == extent or scales is not None and scales[k] == 1:
            continue
        size = int(sizes[k] if sizes is not None else np.floor(np.float32(extent) * scales[k]))
        scale = size / extent if sizes is not None else float(scales[k])
        lines = np.moveaxis(y, axis, -1)
        made = np.zeros((*lines.shape[:-1], size))
        for o in range(size):
            for i, w in taps(a, o, extent, scale, size):
                made[..., o] += w * lines[..., i]
        y = np.moveaxis(made, -1, axis)
    return [y.astype(x.dtype)]


# Recurrence over no steps.
@operator("RNN", "GRU", "LSTM")
def no_steps(a, inputs, outputs):
    """The last states are the first ones; ONNX Runtime says 0."""
    x, layout = inputs[0], a.get("layout", 0)
    if x.shape[1 if layout else 0] != 0:
        return None
    directions, hidden = inputs[2].shape[0], inputs[2].shape[-1]
    batch = x.shape[0 if layout else 1]
    shape = (batch, directions, hidden) if layout else (directions, batch, hidden)
    states = [inputs[k] if len(inputs) > k and inputs[k] is not None else np.zeros(shape, x.dtype) for k in (5, 6)]
    y = np.zeros((batch, 0, directions, hidden) if layout else (0, directions, batch, hidden), x.dtype)
    return [y, *states][:outputs]


@operator("DFT")
def transform(a, inputs, outputs):
    """In wide floats: ONNX Runtime's is a chain of float products for lengths that are no power of two."""
    x = inputs[0].astype(np.float64)
    length, axis = ([int(i) if i is not None else None for i in inputs[1:3]] + [None, None])[:2]
    axis = (a.get("axis", 1) if a["opset"] < 20 else -2) if axis is None else axis
    axis += x.ndim if axis < 0 else 0
    signal = x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0]
    if a.get("onesided", 0) and a.get("inverse", 0) or not x.size:
        return None
    y = (np.fft.ifft if a.get("inverse", 0) else np.fft.fft)(signal, length, axis)
    if a.get("onesided", 0):
        y = np.take(y, range(y.shape[axis] // 2 + 1), axis)
    return [np.stack([y.real, y.imag], -1).astype(inputs[0].dtype)]


@operator("StringSplit")
def string_split(a, inputs, outputs):
    """As Python's str.split: an empty string has one piece between its delimiters, an empty one."""
    x = inputs[0]
    pieces = [str(s).split(a.get("delimiter") or None, a.get("maxsplit", -1)) for s in x.ravel()]
    most = max(map(len, pieces), default=0)
    padded = [p + [""] * (most - len(p)) for p in pieces]
    made = np.empty((len(pieces), most), object)
    for k, p in enumerate(padded):
        made[k] = p
    return [made.reshape(*x.shape, most), np.array([len(p) for p in pieces], np.int64).reshape(x.shape)][:outputs]


# Softmax spelled out.
def spelled_softmax(nodes, node):
    """(x, the Exp's result, the sum's node) of a Div that is exp(x) / sum(exp(x)), or None."""
    if node.op_type != "Div":
        return None
    makers = {out: n for n in nodes for out in n.output}
    e, total = makers.get(node.input[0]), makers.get(node.input[1])
    if e is None or total is None or e.op_type != "Exp" or total.op_type != "ReduceSum" or total.input[0] != node.input[0]:
        return None
    return e.input[0], total


def softmax(x, axes):
    """NaN where the row has NaN or plus infinity, or minus infinity alone."""
    with np.errstate(all="ignore"):
        e = np.exp(x - np.max(x, axis=axes, keepdims=True, initial=-np.inf))
        return e / np.sum(e, axis=axes, keepdims=True)


# The measure.
def attributes(node, opset):
    found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    found = {k: v.decode() if isinstance(v, bytes) else list(v) if not isinstance(v, (int, float, str)) and hasattr(v, "__iter__") else v
             for k, v in found.items()}
    return {**found, "op": node.op_type, "opset": opset}


def part(model, wanted, given):
    """The model that computes the wanted values from the given ones and the model's inputs."""
    nodes, need = [], set(wanted)
    for node in reversed(model.graph.node):
        made = {o for o in node.output if o and o not in given}
        if made & need:
            nodes.insert(0, node)
            need |= inner_names(node)
    piece = onnx.ModelProto()
    piece.CopyFrom(model)
    graph = piece.graph
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    inputs = [i for i in graph.input if i.name in need or i.name in wanted]
    inputs += [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in given.items()
               if n in need]
    inputs = [type(i).FromString(i.SerializeToString()) for i in inputs]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.output.extend(onnx.ValueInfoProto(name=n) for n in wanted)
    return piece, {i.name for i in inputs}


def inner_names(node):
    names = set(node.input)
    for a in node.attribute:
        if a.HasField("g"):
            for inner in a.g.node:
                names |= inner_names(inner)
            names |= {o.name for o in a.g.output}
    return names


class Measure:
    """Computes models with the operators of this file; `spelled` takes exp(x) / sum(exp(x)) for Softmax, as Monza does."""

    def __init__(self, spelled=False):
        self.spelled = spelled

    def __call__(self, model: bytes, feeds):
        parsed = onnx.ModelProto.FromString(model)
        try:
            with np.errstate(all="ignore"):
                return [self._of_one(parsed, feed) for feed in feeds]
        except Invalid:
            raise
        except Exception as e:  # what these few lines do not cover stays as ONNX Runtime has it
            raise Invalid(f"standard: {type(e).__name__} {e}") from None

    def concerns(self, model):
        return any(n.op_type in STANDARD or self.spelled and spelled_softmax(model.graph.node, n) for n in model.graph.node)

    def _of_one(self, model, feed):
        opset = next(i.version for i in model.opset_import if i.domain == "")
        constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        given = {}

        def values_of(names):
            names = [n for n in names if n]
            known = {**constants, **feed, **given}
            open_ = [n for n in dict.fromkeys(names) if n not in known]
            if open_:
                known.update(self._by_peer(model, open_, feed, given))
            return known

        for node in model.graph.node:
            spelled = spelled_softmax(model.graph.node, node) if self.spelled else None
            if spelled:
                x, total = spelled
                known = values_of([x, *total.input])
                axes = known[total.input[1]].tolist() if len(total.input) > 1 and total.input[1] else attributes(total, opset).get("axes")
                if axes and len(axes) == 1 and attributes(total, opset).get("keepdims", 1):
                    given[node.output[0]] = softmax(known[x], tuple(axes)).astype(known[x].dtype)
            elif node.op_type in STANDARD and node.domain == "":
                known = values_of(node.input)
                made = STANDARD[node.op_type](attributes(node, opset), [known[n] if n else None for n in node.input], len(node.output))
                if made is not None:
                    given.update({n: np.asarray(v) for n, v in zip(node.output, made) if n})
        names = [o.name for o in model.graph.output]
        known = values_of(names)
        return {n: known[n] for n in names}

    @staticmethod
    def _by_peer(model, names, feed, given):
        from reference import outputs_of
        piece, inputs = part(model, names, given)
        return outputs_of(piece.SerializeToString(), [{k: v for k, v in {**feed, **given}.items() if k in inputs}])[0]


def measured_again(case):
    """The case with what the standard says it must compute; once more where Monza's own Softmax may stand in it."""
    for measure in (Measure(), Measure(spelled=True)):
        if not measure.concerns(case.model):
            continue
        try:
            expected = measure(case.model.SerializeToString(), case.feeds)
        except Invalid:
            continue
        other = copy.copy(case)
        other.expected, other.evaluate = expected, measure
        yield other

"""What a case must compute: ONNX Runtime without optimisations, ONNX's own reference, and either in wider floats."""
import functools
import itertools

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graph import Invalid
from peer import Peer

PEER = Peer()


def outputs_of(model: bytes, feeds):
    """A dictionary of arrays for each feed. Raises Invalid with ONNX Runtime's words, PeerDied where it has none."""
    return PEER.outputs_of(model, feeds)


# What ONNX's reference of recurrent operators leaves aside, in silence.
IGNORED = {"activations", "activation_alpha", "activation_beta", "clip"}


@functools.cache
def corrections():
    """Operators that ONNX's reference has other than the standard does."""
    from onnx.reference.op_run import OpRun
    from onnx.reference.ops.op_conv import Conv as Plain

    class Conv(Plain):
        """Dilated: the reference puts zeros between the weights, and of an infinity they make NaN."""
        op_domain = ""

        def _run(self, x, w, b=None, dilations=None, pads=None, strides=None, group=1, auto_pad=None, **others):
            rank = x.ndim - 2
            if auto_pad not in (None, "NOTSET", "VALID") or all(d == 1 for d in dilations or [1]):
                return super()._run(x, w, b, dilations=dilations, pads=pads, strides=strides, group=group, auto_pad=auto_pad, **others)
            pads, strides = pads if pads and auto_pad != "VALID" else [0] * 2 * rank, strides or [1] * rank
            x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])])
            outs = [(x.shape[2 + k] - (w.shape[2 + k] - 1) * dilations[k] - 1) // strides[k] + 1 for k in range(rank)]
            grouped = w.reshape(group, -1, *w.shape[1:])
            y = np.zeros((x.shape[0], group, grouped.shape[1], *outs), x.dtype)
            for at in itertools.product(*map(range, w.shape[2:])):
                seen = [slice(at[k] * dilations[k], at[k] * dilations[k] + (outs[k] - 1) * strides[k] + 1, strides[k]) for k in range(rank)]
                part = x[(..., *seen)].reshape(x.shape[0], group, -1, *outs)
                y += np.einsum("goc,ngc...->ngo...", grouped[(..., *at)], part)
            y = y.reshape(x.shape[0], w.shape[0], *outs)
            return (y if b is None else y + b.reshape(-1, *[1] * rank),)

    class BatchNormalization(OpRun):
        """Of one output and no training_mode: before opset 14 the reference trains."""
        op_domain = ""

        def _run(self, x, scale, bias, mean, var, epsilon=1e-5, momentum=0.9, training_mode=0, **_):
            if training_mode:
                raise NotImplementedError("BatchNormalization that trains")
            scale, bias, mean, var = (v.reshape(-1, *[1] * (x.ndim - 2)) for v in (scale, bias, mean, var))
            return ((scale * (x - mean) / np.sqrt(var + epsilon) + bias).astype(x.dtype),)

    return [Conv, BatchNormalization]


def second_opinion(model: onnx.ModelProto, feed):
    """What ONNX's own reference says, corrected: outputs by name. Raises Invalid where it cannot say."""
    from onnx.reference import ReferenceEvaluator
    for node in model.graph.node:
        if node.op_type in ("RNN", "GRU", "LSTM") and any(a.name in IGNORED for a in node.attribute):
            raise Invalid(f"ONNX's reference knows no activations of {node.op_type}")
    try:
        with np.errstate(all="ignore"):
            return dict(zip([o.name for o in model.graph.output], ReferenceEvaluator(model, new_ops=corrections()).run(None, feed)))
    except Exception as e:
        raise Invalid(str(e)[:300]) from None


def settle(case):
    """Fills case.expected: by ONNX Runtime, or by ONNX's own reference where the family asks for it."""
    if case.expected is None and case.notes.get("reference") == "onnx":
        case.expected = [{k: np.asarray(v) for k, v in second_opinion(case.model, feed).items()} for feed in case.feeds]
    elif case.expected is None:
        case.expected = outputs_of(case.model.SerializeToString(), case.feeds)
    return case


def widened(model: onnx.ModelProto, feed, kind):
    """The model and what it is fed with, its floats of 16 or 32 bits (`kind`, NumPy's) made such of twice as many."""
    wide, half = onnx.ModelProto(), helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    more = {np.float16: np.float32, np.float32: np.float64}[kind]
    double = helper.np_dtype_to_tensor_dtype(np.dtype(more))
    wide.CopyFrom(model)
    settings = {n.input[k] for n in wide.graph.node if n.op_type in ("Resize", "Upsample") for k in range(1, len(n.input))}
    tensors = list(wide.graph.initializer) + [a.t for n in wide.graph.node for a in n.attribute if a.HasField("t")]
    for tensor in tensors:
        if tensor.data_type == half and tensor.name not in settings:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(more), tensor.name))
    for info in [*wide.graph.input, *wide.graph.output, *wide.graph.value_info]:
        if info.type.tensor_type.elem_type == half:
            info.type.tensor_type.elem_type = double
    for attribute in (a for n in wide.graph.node for a in n.attribute):
        if attribute.name in ("to", "dtype") and attribute.i == half:
            attribute.i = double
    # An absent bound of Clip stays that of the narrower type.
    bounds = {"__lowest": np.finfo(kind).min, "__highest": np.finfo(kind).max}
    wide.graph.initializer.extend(helper.make_tensor(n, double, [], [float(v)]) for n, v in bounds.items())
    for node in (n for n in wide.graph.node if n.op_type == "Clip"):
        given = [*node.input, "", ""]
        del node.input[:]
        node.input.extend([given[0], given[1] or "__lowest", given[2] or "__highest"])
    return wide, {k: v.astype(more) if v.dtype == kind else v for k, v in feed.items()}

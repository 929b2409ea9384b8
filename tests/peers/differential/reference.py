"""What a case must compute: ONNX Runtime without optimisations, ONNX's own reference, and either in wider floats."""
import numpy as np
import onnx
from onnx import helper, numpy_helper

from graph import Invalid
from peer import Peer

PEER = Peer()


def outputs_of(model: bytes, feeds):
    """A dictionary of arrays for each feed. Raises Invalid with ONNX Runtime's words, PeerDied where it has none."""
    return PEER.outputs_of(model, feeds)


def second_opinion(model: onnx.ModelProto, feed):
    """What ONNX's own reference says: outputs by name. Raises Invalid where it cannot say."""
    from onnx.reference import ReferenceEvaluator
    try:
        with np.errstate(all="ignore"):
            return dict(zip([o.name for o in model.graph.output], ReferenceEvaluator(model).run(None, feed)))
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

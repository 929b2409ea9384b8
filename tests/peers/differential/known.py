"""Differences in which ONNX Runtime is not the measure. Each says why; docs/numerics.md has the standard's words."""
import re
from dataclasses import dataclass
from typing import Callable

import numpy as np
from onnx import numpy_helper

from graph import Invalid
from judge import Judge
from shrink import inner_values


@dataclass
class Known:
    name: str
    why: str
    applies: Callable  # (case, bad) -> bool


def operators(case):
    return {n.op_type for n in case.model.graph.node}


def empty_loop(case, bad):
    """A scan output of a loop that ran no iteration: rank and extents of its elements."""
    return bad.kind == "type" and "Loop" in operators(case) and bool(re.fullmatch(r"\w+\[0,.*\] instead of \w+\[0\]", bad.text))


def by_reference(*names):
    """Graphs with one of the operators, where ONNX's own reference computes what Monza does."""
    def applies(case, bad):
        return bool(operators(case) & set(names)) and Judge(case).reference_agrees(bad)
    return applies


def winograd(case, bad):
    """An infinity or NaN reaches all that one tile of a Winograd convolution computes."""
    return "winograd" in bad.kernels and bad.kind == "value" and all("nan" in g or "inf" in g for _, g, _ in bad.elements)


def no_index(case, bad):
    """The position of the largest of no elements."""
    return bad.kind == "run" and bad.text.startswith("ArgMax or ArgMin along an axis without elements")


SUMS = {"MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose", "CumSum", "ReduceSum", "ReduceMean", "ReduceProd", "AveragePool",
        "GlobalAveragePool", "Attention"}
SQUARES = {"ReduceSumSquare", "ReduceL2", "LayerNormalization", "RMSNormalization", "InstanceNormalization",
           "GroupNormalization", "LpNormalization", "MeanVarianceNormalization", "LpPool", "GlobalLpPool"}


def no_numbers(bad):
    """True if each of the elements is NaN or an infinity on one side."""
    return bad.kind == "value" and all("n" in got + want for _, got, want in bad.elements)


def inside(case, bad):
    """Values by name in the feed: inputs, constants, what nodes make. Empty where they cannot be seen."""
    feed = int(bad.feed)
    try:
        made = inner_values(case)[feed]
    except Invalid:
        return {}
    return {**{t.name: numpy_helper.to_array(t) for t in case.model.graph.initializer}, **case.feeds[feed], **made}


def overflowing_sum(case, bad):
    """What a sum makes of numbers so large that their products, or squares, overflow on the way."""
    held = inside(case, bad) if no_numbers(bad) else {}
    for node in case.model.graph.node if held else ():
        large = 1e30 if node.op_type in SUMS else 1e15 if node.op_type in SQUARES else np.inf
        for value in (held[n] for n in node.input if n in held and held[n].dtype.kind == "f"):
            if np.any(np.isfinite(value) & (np.abs(value) >= large)):
                return True
    return False


def subnormal(case, bad):
    """0 and an infinity where a number below the least normal one stands beside it."""
    values = inside(case, bad).values() if no_numbers(bad) else ()
    return any(np.any((v != 0) & (np.abs(v) < np.finfo(v.dtype).tiny)) for v in values if v.dtype.kind == "f")


KNOWN: list[Known] = [
    Known("sums of huge numbers", "docs/numerics.md: whether they overflow on the way is not defined", overflowing_sum),
    Known("Winograd", "docs/numerics.md: neighbours of an infinity are not defined", winograd),
    Known("index of nothing", "docs/numerics.md: refused, as in NumPy; releases of ONNX Runtime refuse it or not", no_index),
    Known("subnormal numbers", "docs/numerics.md: they may be 0, which an infinity makes NaN", subnormal),
    Known("scan output of no iterations", "ONNX Runtime gives [0] where the elements' extents are known to the graph",
          empty_loop),
    Known("AffineGrid", "an axis of extent 1 with align_corners: ONNX Runtime takes +1 or -1 where the reference has the other",
          by_reference("AffineGrid")),
    Known("GridSample", "reflection and cubic at the border", by_reference("GridSample")),
    Known("MaxUnpool", "with output_shape, indices count in that shape", by_reference("MaxUnpool")),
]


def known(case, bad):
    """The entry that explains the difference, or None."""
    return next((k for k in KNOWN if k.applies(case, bad)), None)

"""Differences in which ONNX Runtime is not the measure. Each says why; docs/numerics.md has the standard's words."""
import re
from dataclasses import dataclass
from typing import Callable

from judge import Judge


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


WINDOWS = {"LpPool", "AveragePool", "MaxPool"}


def no_window(case, bad):
    """A window over an axis of extent 0 gives extent 0, floor((0 - k) / stride) + 1, which ONNX Runtime rounds towards zero."""
    fits = re.fullmatch(r"(\w+)\[(.*)\] instead of \1\[(.*)\]", bad.text)
    if bad.kind != "type" or fits is None or not operators(case) & WINDOWS:
        return False
    ours, theirs = fits[2].split(","), fits[3].split(",")
    return len(ours) == len(theirs) and all(a == b or (a, b) == ("0", "1") for a, b in zip(ours, theirs))


def no_index(case, bad):
    """The position of the largest of no elements."""
    return bad.kind == "run" and bad.text.startswith("ArgMax or ArgMin along an axis without elements")


KNOWN: list[Known] = [
    Known("index of nothing", "docs/numerics.md: refused, as in NumPy; releases of ONNX Runtime refuse it or not", no_index),
    Known("scan output of no iterations", "ONNX Runtime gives [0] where the elements' extents are known to the graph",
          empty_loop),
    Known("window over nothing", "the standard's formula gives 0; ONNX Runtime 1", no_window),
    Known("AffineGrid", "an axis of extent 1 with align_corners: ONNX Runtime takes +1 or -1 where the reference has the other",
          by_reference("AffineGrid")),
    Known("GridSample", "reflection and cubic at the border", by_reference("GridSample")),
    Known("STFT", "sums of a transform that cancel may leave what is just below 0 or 0 itself: its root is NaN or 0",
          by_reference("STFT", "DFT")),
    Known("MaxUnpool", "with output_shape, indices count in that shape", by_reference("MaxUnpool")),
]


def known(case, bad):
    """The entry that explains the difference, or None."""
    return next((k for k in KNOWN if k.applies(case, bad)), None)

"""Differences in which ONNX Runtime is not the measure. Each says why; docs/numerics.md has the standard's words."""
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
    return bad.kind == "type" and "Loop" in operators(case) and "[0" in bad.text.split(" instead of ")[0]


def by_reference(*names):
    """Graphs with one of the operators, where ONNX's own reference computes what Monza does."""
    def applies(case, bad):
        return bool(operators(case) & set(names)) and Judge(case).reference_agrees(bad)
    return applies


def drops_nan(case, bad):
    """The largest or smallest of elements of which one is NaN."""
    maxima = {"MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Max", "Min", "Clip", "TopK", "ArgMax", "ArgMin", "Hardmax"}
    return bad.kind == "value" and bool(operators(case) & maxima) and all("nan" in g for _, g, _ in bad.elements)


def no_number(case, bad):
    """NaN or an infinity on one side, and ONNX's own reference computes what Monza does."""
    words = {"nan", "-nan", "inf", "-inf"}
    return bad.kind == "value" and any({g, w} & words for _, g, w in bad.elements) and Judge(case).reference_agrees(bad)


def not_read(case, bad):
    """Resize does not read a neighbour of weight 0."""
    return (bad.kind == "value" and bool({"Resize", "Upsample"} & operators(case))
            and any("nan" in w and "nan" not in g for _, g, w in bad.elements))


def stable_softmax(case, bad):
    """exp(x) / sum(exp(x)) becomes Softmax: finite where what is written overflows."""
    return (bad.kind == "value" and {"Exp", "ReduceSum", "Div"} <= operators(case)
            and any("nan" in w and "nan" not in g for _, g, w in bad.elements))


def winograd(case, bad):
    """An infinity or NaN reaches all that one tile of a Winograd convolution computes."""
    return "winograd" in bad.kernels and bad.kind == "value" and all("nan" in g or "inf" in g for _, g, _ in bad.elements)


KNOWN: list[Known] = [
    Known("softmax spelled out", "docs/numerics.md: its exponents are at most 0", stable_softmax),
    Known("Winograd", "docs/numerics.md: neighbours of an infinity are not defined", winograd),
    Known("NaN in maxima", "docs/numerics.md: NaN if any element is; ONNX Runtime drops it, or not, by its place", drops_nan),
    Known("NaN and infinities", "ONNX Runtime's maxima drop NaN, its means of nothing are 0; the reference does as NumPy does",
          no_number),
    Known("scan output of no iterations", "ONNX Runtime gives [0] where the elements' extents are known to the graph",
          empty_loop),
    Known("Resize of NaN", "docs/numerics.md: neighbours of weight 0 are not read", not_read),
    Known("Resize", "align_corners with fractional scales, and cubic outside: ONNX Runtime rounds the output's extent first",
          by_reference("Resize", "Upsample")),
    Known("AffineGrid", "an axis of extent 1 with align_corners: ONNX Runtime takes +1 or -1 where the reference has the other",
          by_reference("AffineGrid")),
    Known("GridSample", "reflection and cubic at the border", by_reference("GridSample")),
    Known("NaN is the largest", "docs/numerics.md: ONNX Runtime drops NaN", by_reference("Hardmax", "ArgMax", "ArgMin")),
    Known("MaxUnpool", "with output_shape, indices count in that shape", by_reference("MaxUnpool")),
    Known("StringSplit", "an empty string has no pieces or one", by_reference("StringSplit")),
]


def known(case, bad):
    """The entry that explains the difference, or None."""
    return next((k for k in KNOWN if k.applies(case, bad)), None)

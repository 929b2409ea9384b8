"""Differences in which ONNX Runtime is not the measure. Each says why; docs/numerics.md has the standard's words."""
from dataclasses import dataclass
from typing import Callable


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


KNOWN: list[Known] = [
    Known("scan output of no iterations", "ONNX Runtime gives [0] where the elements' extents are known to the graph", empty_loop),
]


def known(case, bad):
    """The entry that explains the difference, or None."""
    return next((k for k in KNOWN if k.applies(case, bad)), None)

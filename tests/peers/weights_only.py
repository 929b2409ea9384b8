#!/usr/bin/env python3
"""What rounding the weights alone costs: the models of quantize_test.py in ONNX Runtime, activations in floats.

Weights are rounded to the nearest of 127 steps a side with a scale for each output channel, as `monza quantize` does it; and
again with the larger scales of narrow pairs, for AVX2. This is the most that another rounding (AdaRound) could win back.

  MONZA_SHARED=DIR tests/peers/run.sh weights_only.py [--only NAME ..]
"""
import argparse

import numpy as np
import onnx
from onnx import numpy_helper

import peerlib
import quantize_test

STEPS = 127


def rounded(weight, axis, pairs):
    """The weight as its integers stand for it; `pairs`: neighbouring channels of one sign add up to at most 127 steps."""
    rows = np.moveaxis(weight, axis, 0)
    flat = rows.reshape(len(rows), -1)
    most = np.abs(flat).max(1)
    if pairs and weight.ndim > 1:
        inputs = rows.reshape(*rows.shape[:2], -1)[:, : rows.shape[1] // 2 * 2]
        a, b = inputs[:, 0::2], inputs[:, 1::2]
        sums = np.where((a > 0) == (b > 0), np.abs(a + b), 0).reshape(len(rows), -1)
        most = np.maximum(most, sums.max(1, initial=0))
    scale = np.maximum(most / STEPS, 1e-12).reshape([-1] + [1] * (rows.ndim - 1))
    return np.moveaxis(np.clip(np.round(rows / scale), -STEPS, STEPS) * scale, 0, axis).astype(np.float32)


def weights_of(model):
    """The weight of each convolution and matrix product, with the axis of its output channels."""
    constants = {t.name: t for t in model.graph.initializer}
    constants.update({n.output[0]: a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute
                      if a.name == "value"})
    found = {}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in constants:
            by_rows = node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute)
            found[node.input[1]] = constants[node.input[1]], 0 if by_rows else 1
    return found.values()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=quantize_test.MODELS, default=list(quantize_test.MODELS))
    args = parser.parse_args()
    print(f"{'model':20} {'floats':>8} {'8 bits':>8} {'narrow pairs':>13}")
    for name in args.only:
        case = quantize_test.MODELS[name]()
        scores = [case.score(peerlib.session(case.path))]
        for pairs in (False, True):
            model = onnx.load(str(case.path))
            for tensor, axis in weights_of(model):
                weight = rounded(numpy_helper.to_array(tensor), axis, pairs)
                tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
            scores.append(case.score(peerlib.session(model.SerializeToString())))
        print(f"{name:20} {scores[0]:8.2f} {scores[1]:8.2f} {scores[2]:13.2f}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""NNCF's default post-training quantisation of an ONNX file: nncf_quantize.py MODEL SAMPLES.npz OUT.onnx none|transformer

SAMPLES holds arrays named NUMBER|INPUT. Needs the packages nncf and onnx; quantize_test.py --nncf runs it.
"""
import collections
import sys

import nncf
import numpy as np
import onnx


def main():
    model, samples, out, kind = sys.argv[1:]
    feeds = collections.defaultdict(dict)
    with np.load(samples) as arrays:
        for key in arrays.files:
            number, name = key.split("|", 1)
            feeds[int(number)][name] = arrays[key]
    data = nncf.Dataset([feeds[k] for k in sorted(feeds)])
    quantised = nncf.quantize(onnx.load(model), data, subset_size=len(feeds),
                              model_type=nncf.ModelType.TRANSFORMER if kind == "transformer" else None)
    onnx.save(quantised, out)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A model of quantize_test.py quantised by NNCF, in NNCF's own runtime (OpenVINO): nncf_quantize.py NAME default|accuracy

`accuracy` is NNCF's accuracy-aware quantisation with the model's own contract, which gives layers back to floats. Prints a
line of JSON: {"float", "quantised", "seconds", "float_ms", "ms"}, seconds of CPU time, latencies with 1 thread. Needs an environment with NNCF
(tests/peers/make_env.sh build/nncf-venv tests/peers/requirements_nncf.txt); quantize_test.py --nncf runs it.
"""
import argparse
import json
import logging
import time

import nncf
import openvino as ov

import quantize_test


class Session:
    """A compiled model, asked as ONNX Runtime's sessions are."""

    def __init__(self, model):
        self.compiled = model if isinstance(model, ov.CompiledModel) else ov.compile_model(
            model, "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})

    def get_inputs(self):
        return [Port(p) for p in self.compiled.inputs]

    def get_outputs(self):
        return [Port(p) for p in self.compiled.outputs]

    def run(self, names, feed):
        results = self.compiled(feed)
        return [results[self.compiled.output(n)] for n in names or [p.any_name for p in self.compiled.outputs]]


class Port:
    """An input or output by its name and shape."""

    def __init__(self, port):
        self.name = port.any_name
        self.shape = list(port.shape) if port.partial_shape.is_static else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=quantize_test.MODELS)
    parser.add_argument("mode", choices=["default", "accuracy"])
    args = parser.parse_args()
    nncf.set_log_level(logging.ERROR)
    case = quantize_test.MODELS[args.name]()
    model = ov.Core().read_model(str(case.path))
    floats = Session(model)
    feeds = list(case.calibration_feeds(floats))
    common = {"subset_size": len(feeds),
              "model_type": nncf.ModelType.TRANSFORMER if args.name == "minilm" else None}
    start = time.process_time()
    if args.mode == "default":
        quantised = nncf.quantize(model, nncf.Dataset(feeds), **common)
    else:
        quantised = nncf.quantize_with_accuracy_control(
            model, nncf.Dataset(feeds), nncf.Dataset(case.evaluation, lambda key: case.feed(floats, key)),
            lambda compiled, some: (case.score(Session(compiled), list(some)), None),
            max_drop=case.allowed, drop_type=nncf.DropType.ABSOLUTE, **common)
    seconds = time.process_time() - start
    integers = Session(quantised)
    print(json.dumps({"float": case.score(floats), "quantised": case.score(integers), "seconds": seconds,
                      "float_ms": quantize_test.latency(floats, feeds[0]),
                      "ms": quantize_test.latency(integers, feeds[0])}))


if __name__ == "__main__":
    main()

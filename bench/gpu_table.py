#!/usr/bin/env python3
"""Latency on an NVIDIA GPU beside PyTorch, from input in host memory to output in host memory.

    bench/gpu_table.py --monza build/bin/monza --exporter export.py --folder /tmp/models [--only resnet50,bert_base] [--precision fp16]

For each workload: the model is exported by PyTorch (random weights of real dimensions), built by Monza for the GPU, compared with
Monza's plain FP32 kernels on the CPU, and timed; the peer is the same module in the same precision, channels-last, replayed as a
CUDA graph between pinned buffers. Medians of many runs on random inputs. Prints a line for each as soon as it is known.
"""
import argparse, copy, importlib.util, json, os, statistics, subprocess, sys, time

WORKLOADS = [  # name, batch, extents beside the batch by input
    ("resnet50", 1, {"input": "3x224x224"}),
    ("resnet50", 8, {"input": "3x224x224"}),
    ("resnet50", 32, {"input": "3x224x224"}),
    ("resnet50", 256, {"input": "3x224x224"}),
    ("resnet18", 1, {"input": "3x224x224"}),
    ("mobilenet_v2", 1, {"input": "3x224x224"}),
    ("mobilenet_v2", 128, {"input": "3x224x224"}),
    ("efficientnet_b0", 1, {"input": "3x224x224"}),
    ("yolov8n", 1, {"images": "3x640x640"}),
    ("bert_base", 1, {"input_ids": "128", "attention_mask": "128", "token_type_ids": "128"}),
    ("bert_base", 8, {"input_ids": "128", "attention_mask": "128", "token_type_ids": "128"}),
    ("bert_base", 32, {"input_ids": "128", "attention_mask": "128", "token_type_ids": "128"}),
    ("vit_b_16", 1, {"input": "3x224x224"}),
    ("vit_b_16", 32, {"input": "3x224x224"}),
]


def exporter(path, folder):
    os.environ["OUT"] = folder
    spec = importlib.util.spec_from_file_location("exporter", path)
    module = importlib.util.module_from_spec(spec)
    sys.argv = [path]
    spec.loader.exec_module(module)
    return module


def torch_ms(module, inputs, half):
    """Median milliseconds of copy in, CUDA graph, copy out."""
    import torch

    module = copy.deepcopy(module).cuda().eval().to(memory_format=torch.channels_last)
    pinned = [x.pin_memory() for x in inputs]
    there = [x.cuda() for x in pinned]

    def forward():
        with torch.autocast("cuda", torch.float16, enabled=half):
            return module(*there).float()

    with torch.no_grad():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                forward()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = forward()
        host = torch.empty(out.shape, dtype=out.dtype).pin_memory()
        times = []
        for _ in range(200):
            begin = time.perf_counter()
            for x, y in zip(there, pinned):
                x.copy_(y, non_blocking=True)
            graph.replay()
            host.copy_(out, non_blocking=True)
            torch.cuda.synchronize()
            times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times[20:])


def monza(arguments, options):
    command = [options.monza] + arguments
    ran = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
    if ran.returncode != 0:
        raise RuntimeError((ran.stderr or ran.stdout).strip()[-400:])
    return ran.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monza", required=True)
    parser.add_argument("--exporter", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--precision", default="fp16,fp32")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--no-compare", action="store_true")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    peers = exporter(options.exporter, options.folder)
    kept = {}
    real_export = peers.exp

    def keep(name, m, x, *rest):
        kept[name] = (m, x if isinstance(x, tuple) else (x,))
        if not os.path.exists(os.path.join(options.folder, name + ".onnx")):
            real_export(name, m, x, *rest)

    peers.exp = keep
    import torch

    print(f"{'workload':24} {'precision':9} {'build s':>8} {'monza ms':>9} {'no copies':>9} {'torch ms':>9} {'ratio':>6}  agreement", flush=True)
    for name, batch, shapes in WORKLOADS:
        if options.only and name not in options.only.split(","):
            continue
        if name not in kept:
            peers.J[name](name)
        module, example = kept[name]
        model = os.path.join(options.folder, name + ".onnx")
        shape = []
        for key, extents in shapes.items():
            shape += ["--shape", f"{key}={batch}x{extents}"]
        if name == "yolov8n":
            shape = []
        for precision in options.precision.split(","):
            engine = os.path.join(options.folder, f"{name}-{batch}-{precision}.engine")
            row = f"{name + ' batch ' + str(batch):24} {precision:9}"
            try:
                begin = time.perf_counter()
                monza(["build", model, "--output", engine, "--device", "cuda", "--precision", precision, "--timing-cache",
                       os.path.join(options.folder, "timings")] + shape, options)
                built = time.perf_counter() - begin
                report = json.loads(monza(["bench", engine, "--duration", "1.5", "--json"], options))
                ms = report["latency_ms"]["median"]
                without = ((report.get("transfers") or {}).get("latency_without_ms") or {}).get("median", float("nan"))
                peer = float("nan")
                if not options.no_peer:
                    sizes = [[batch] + [int(e) for e in shapes[k].split("x")] for k in shapes]
                    inputs = [torch.rand(s) if x.is_floating_point() else torch.randint(0, 2, s) for s, x in zip(sizes, example)]
                    peer = torch_ms(module, inputs, precision == "fp16")
                agreement = ""
                if not options.no_compare and batch == 1:
                    try:
                        text = monza(["compare", engine, model] + shape, options)
                        agreement = " ".join(text.split())[-150:]
                    except RuntimeError as e:
                        agreement = "DIFFERS " + " ".join(str(e).split())[-300:]
                print(f"{row} {built:8.1f} {ms:9.3f} {without:9.3f} {peer:9.3f} {peer / ms:6.2f}  {agreement}", flush=True)
            except (RuntimeError, subprocess.TimeoutExpired, KeyError) as e:
                print(f"{row} failed: {' '.join(str(e).split())[:400]}", flush=True)


if __name__ == "__main__":
    main()

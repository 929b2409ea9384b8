#!/usr/bin/env python3
"""Writes the seeds of every fuzz target to a folder: from the models and files of the project's own tests.

    tests/fuzz/make_corpus.py FOLDER

What the fuzzer found beside them is kept in tests/fuzz/corpus."""
import json
import math
import re
import struct
import sys
from pathlib import Path

import onnx_seeds

SOURCE = Path(__file__).resolve().parents[2]
MODELS, WAYS = 44, 5  # of tests/support: hostile.cpp; ways to load an engine (edited_engine.h)
MOST_BYTES = 20_000


def text_graphs() -> dict:
    """Every graph that stands in a test."""
    found = []
    for file in sorted([*SOURCE.glob("src/**/*.test.cpp"), *SOURCE.glob("tests/**/*.cpp")]):
        found += re.findall(r'R"\((\s*(?:model|graph) .*?)\)"', file.read_text(), re.DOTALL)
    return {f"{i:03}": text.encode() for i, text in enumerate(dict.fromkeys(found))}


def files(*patterns: str) -> dict:
    paths = sorted(p for pattern in patterns for p in (SOURCE / "tests/data").glob(pattern))
    return {p.name: p.read_bytes() for p in paths if p.stat().st_size <= MOST_BYTES}


def strings() -> bytes:
    header = b"{'descr': '<U2', 'fortran_order': True, 'shape': (2, 2)}\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + "ab\0\0\0cé\0".encode("utf-32-le")


def timings() -> dict:
    header = b"H"
    lines = [b"%s K%c\n" % (t, k) for k, t in enumerate([b"12.5", b"0", b"1e300", b"inf", b"3", b"0.001", b"-1", b"nan", b"7", b"9"])]
    return {"all": header + b"".join(lines), "none": header, "other_version": b"x" + lines[0], "damaged": header + b"x K0\n\n12 \n 3 K1\n1 K2"}


def calibrations() -> dict:
    ours = b"monza calibration 1\ncalibrator mse\nsamples 160\n# low high scale zero_point name\n"
    return {"ours": ours + b"0 255 1 0 images\n-128 127 1 128 /model.0/act/Mul_output_0\n0 0 0.003921569 0 a\\n\\\\b\n",
            "tensorrt": b"TRT-8601-EntropyCalibration2\nimages: 3c010a14\nsum: a: 3f800000\r\nzero: 00000000\n", "empty": ours}


def conversations() -> dict:
    def message(line: str, body: bytes, fields: str = "") -> bytes:
        return f"{line} HTTP/1.1\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body

    binary = b'{"id":"1","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","parameters":{"binary_data_size":16}}],"parameters":{"binary_data_output":true,"timeout":9}}'
    json = b'{"inputs":[{"data":[[1,-2.5e1]],"shape":[1,2],"datatype":"FP32","name":"x"}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}'
    infer = "POST /v2/models/m/infer"
    chunks = f"{infer} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"%x;a=b\r\n%s\r\n0\r\nA: b\r\n\r\n" % (len(json), json)
    gets = b"".join(f"GET /v2{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in ("", "/health/ready", "/models/m", "/models/%6d/config", "/models/m/versions/1/stats", "/models/none"))
    tensors = message(infer, binary + struct.pack("<4f", 1, 2, 3, 4), f"Inference-Header-Content-Length: {len(binary)}\r\n")
    strings = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"BYTES","parameters":{"binary_data_size":12}}]}'
    texts = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"BYTES","data":["a","\\u00fc"]}],"parameters":{"binary_data_output":true}}'
    bytes_in = message("POST /v2/models/s/infer", strings + struct.pack("<I3sI1s", 3, b"abc", 1, b"d"), f"Inference-Header-Content-Length: {len(strings)}\r\n")
    bytes_out = message("POST /v2/models/s/infer", texts)
    return {name: bytes([piece]) + text for piece in (0, 40, 255) for name, text in {
        f"gets_{piece}": gets, f"json_{piece}": message(infer, json), f"binary_{piece}": tensors + gets, f"chunks_{piece}": chunks, f"no_chunks_{piece}": f"{infer} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode() + gets,
        f"strings_{piece}": bytes_in + bytes_out,
        f"expect_{piece}": message(infer, json, "Expect: 100-continue\r\nConnection: close\r\n")}.items()}


def language_models() -> dict:
    """A layer of every family, two wide, with a tokenizer of either kind."""
    def text(s: str) -> bytes:
        return struct.pack("<Q", len(s.encode())) + s.encode()

    def value(v) -> bytes:
        if isinstance(v, str): return struct.pack("<I", 8) + text(v)
        if isinstance(v, float): return struct.pack("<If", 6, v)
        if isinstance(v, list):
            kind = 8 if isinstance(v[0], str) else 6 if isinstance(v[0], float) else 5
            return struct.pack("<IIQ", 9, kind, len(v)) + b"".join(value(e)[4:] if kind != 5 else struct.pack("<i", e) for e in v)
        return struct.pack("<II", 4, v)

    models = {}
    for family, tokenizer in (("llama", "llama"), ("qwen2", "gpt2"), ("qwen3", "gpt2"), ("gemma3", "llama")):
        sizes = {"block_count": 1, "embedding_length": 2, "attention.head_count": 1, "attention.key_length": 2, "context_length": 8, "rope.freq_base": 1e4}
        metadata = {"general.architecture": family, **{f"{family}.{k}": v for k, v in sizes.items()}, "tokenizer.ggml.model": tokenizer,
                    "tokenizer.ggml.tokens": ["a", "b", "ab", "<s>"], "tokenizer.ggml.token_type": [1, 1, 1, 3], "tokenizer.ggml.bos_token_id": 3,
                    **({"tokenizer.ggml.scores": [0.0, -1.0, -2.0, 0.0]} if tokenizer == "llama" else {"tokenizer.ggml.merges": ["a b"], "tokenizer.ggml.pre": "qwen2"})}
        square = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
        rows = ["attn_norm", "ffn_norm"] + ["attn_q_norm", "attn_k_norm"] * (family in ("qwen3", "gemma3")) + ["post_attention_norm", "post_ffw_norm"] * (family == "gemma3")
        tensors = {"token_embd": (4, 2), "output_norm": (2,), **{f"blk.0.{n}": (2, 2) for n in square}, **{f"blk.0.{n}": (2,) for n in rows}}
        head, at = b"", 0
        for name, shape in tensors.items():
            head += text(name + ".weight") + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", e) for e in reversed(shape)) + struct.pack("<IQ", 0, at)
            at += 32
        out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + b"".join(text(k) + value(v) for k, v in metadata.items()) + head
        models[family] = out + bytes(-len(out) % 32) + struct.pack("<8f", *[0.5] * 8) * len(tensors)
    return models


def model_folders() -> dict:
    """The models of tests/data/families, with weights of zeros, and the file of weights of one alone."""
    folders = {}
    for path in sorted((SOURCE / "tests/data/families").glob("*.json")):
        model = json.loads(path.read_text())
        head, at = {}, 0
        for name, shape in model["tensors"].items():
            size = 4 * math.prod(shape)
            head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(head).encode()
        weights = struct.pack("<Q", len(text)) + text + bytes(at)
        folders[path.stem] = json.dumps(model["config"]).encode() + b"\0" + weights
        folders["alone"] = weights
    return folders


def tokenizers() -> dict:
    """The tokenizers of src/text's tests, each with a text."""
    found = re.findall(r'R"\((\{.*?\})\)"', (SOURCE / "src/text/tokenizer.test.cpp").read_text(), re.S)
    text = "hello, world e\u0301 \u4e2d<|end|> \U0001F1E9\U0001F1EA\r\n ab'LL 123".encode()
    return {f"{k:02}": json.encode() + b"\0" + text for k, json in enumerate(found)}


def templates() -> dict:
    """The templates of src/jinja's tests, each with what it was given."""
    found = re.findall(r'rendered\("((?:[^"\\]|\\.)*)"(?:,\s*R"\((.*?)\)")?', (SOURCE / "src/jinja/template.test.cpp").read_text())
    return {f"{k:02}": source.replace("\\n", "\n").encode() + (b"\0" + given.encode() if given else b"") for k, (source, given) in enumerate(found)}


def grammars() -> dict:
    """The schemas of src/grammar's tests, and grammars, each with a text."""
    schemas = [m for f in sorted((SOURCE / "src/grammar").glob("*.test.cpp")) for m in re.findall(r'R"J?\((\{.*?\})\)J?"', f.read_text(), re.S)]
    gbnf = ['root ::= ("a" | "ab" | [0-9]+ ", "?)* "!"', 'root ::= item{2,4}\nitem ::= "(" [^()]* (item [^()]*)* ")"', 'root ::= "\\x41" [^a-z]? .{2,}']
    return {f"{k:03}": source.encode() + b'\0{"a":1,"b":[1,"x"]}' for k, source in enumerate(schemas + gbnf)}


def words() -> set:
    """Names of operators, attributes and their values: what a byte-wise search would not guess."""
    text = "".join(f.read_text() for pattern in ("*.def.cpp", "*.onnx.cpp") for f in sorted(SOURCE.glob(f"src/ops/*/{pattern}")))
    return set(re.findall(r'"([A-Za-z][A-Za-z0-9_]{1,30})"', text))


def seeds() -> dict:
    return {
        "engine": {f"{m:02}_{w}": bytes([m, w]) for m in range(MODELS) for w in range(WAYS)},
        "tables": {name: struct.pack("<5H", *counts) for name, counts in {"none": (0, 0, 0, 0, 0), "metadata": (2000, 0, 0, 0, 4000), "extents": (0, 2000, 0, 0, 4000), "choices": (0, 0, 4000, 4000, 64)}.items()},
        "onnx": onnx_seeds.models(),
        "text": text_graphs(),
        "image": files("vision/*.jpg", "vision/*.png", "vision/*.webp", "vision/*.bmp") | {"small.ppm": b"P6 2 1 255\nabcdef", "grey.pgm": b"P5\n# c\n2 2\n65535\n" + struct.pack(">4H", 1, 2, 3, 4)},
        "npz": files("io/*.npz"),
        "npy": files("io/*.npy") | {"strings.npy": strings()},
        "tensor": onnx_seeds.tensors(),
        "timings": timings(),
        "calibration": calibrations(),
        "http": conversations(),
        "tokenizer": tokenizers(),
        "template": templates(),
        "gguf": language_models(),
        "grammar": grammars(),
        "safetensors": model_folders(),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.dict").write_text("".join(f'"{w}"\n' for w in sorted(words())))
    for target, inputs in seeds().items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, content in inputs.items():
            (folder / target / f"seed_{name}").write_bytes(content)
        print(f"{target}: {len(inputs)} seeds, {sum(map(len, inputs.values()))} bytes")


if __name__ == "__main__":
    main()

"""Writes a llama of random weights as GGUF: the sizes of Llama-3.2-1B, or smaller ones. It has no tokenizer.

  build/llm-venv/bin/python bench/random_llama.py q4_0 model.gguf [--layers 16]

Needs the packages gguf and numpy.
"""
import argparse
import pathlib

import gguf
import numpy as np

WIDTH, HEADS, KEY_HEADS, HEAD, INNER, VOCABULARY = 2048, 32, 8, 64, 8192, 128256
KINDS = {"q4_0": gguf.GGMLQuantizationType.Q4_0, "q8_0": gguf.GGMLQuantizationType.Q8_0,
         "q4_k": gguf.GGMLQuantizationType.Q4_K, "f16": gguf.GGMLQuantizationType.F16}
DEVIATION = 0.02  # of a weight


def halves(value: float, count: int) -> np.ndarray:
    return np.full((count, 1), value, np.float16).view(np.uint8).reshape(count, 2)


def blocks(kind: str, rows: int, columns: int, draw: np.random.Generator) -> np.ndarray:
    """Bytes of a matrix, a row a line: random codes under scales that make weights of that deviation."""
    if kind == "f16":
        return (draw.standard_normal((rows, columns), np.float32) * DEVIATION).astype(np.float16)
    each, parts = {"q4_0": (32, lambda n: [halves(DEVIATION / 4.6, n), draw.integers(0, 256, (n, 16), np.uint8)]),
                   "q8_0": (32, lambda n: [halves(DEVIATION / 74, n), draw.integers(0, 256, (n, 32), np.uint8)]),
                   "q4_k": (256, lambda n: [halves(DEVIATION / 140, n), halves(DEVIATION / 20, n),
                                            draw.integers(0, 256, (n, 12), np.uint8),
                                            draw.integers(0, 256, (n, 128), np.uint8)])}[kind]
    return np.hstack(parts(rows * columns // each)).reshape(rows, -1)


def write(kind: str, path: pathlib.Path, layers: int):
    draw = np.random.default_rng(1)
    w = gguf.GGUFWriter(str(path), "llama")
    w.add_name(f"a llama of random weights, {kind}")
    w.add_block_count(layers)
    w.add_context_length(8192)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(INNER)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KEY_HEADS)
    w.add_rope_dimension_count(HEAD)
    w.add_rope_freq_base(500000.0)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(VOCABULARY)
    w.add_tokenizer_model("no_vocab")

    def matrix(name, rows, columns):
        data = blocks(kind, rows, columns, draw)
        if kind == "f16":
            w.add_tensor(name + ".weight", data)
        else:
            w.add_tensor(name + ".weight", data, raw_dtype=KINDS[kind])

    def ones(name):
        w.add_tensor(name + ".weight", np.ones(WIDTH, np.float32))

    matrix("token_embd", VOCABULARY, WIDTH)
    ones("output_norm")
    for i in range(layers):
        ones(f"blk.{i}.attn_norm")
        ones(f"blk.{i}.ffn_norm")
        for part, rows, columns in (("attn_q", HEADS * HEAD, WIDTH), ("attn_k", KEY_HEADS * HEAD, WIDTH),
                                    ("attn_v", KEY_HEADS * HEAD, WIDTH), ("attn_output", WIDTH, HEADS * HEAD),
                                    ("ffn_gate", INNER, WIDTH), ("ffn_up", INNER, WIDTH), ("ffn_down", WIDTH, INNER)):
            matrix(f"blk.{i}.{part}", rows, columns)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=16)
    o = parser.parse_args()
    write(o.kind, o.path, o.layers)


if __name__ == "__main__":
    main()

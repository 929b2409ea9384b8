#!/usr/bin/env python3
"""`monza quantize --encoding` writes what PyPI's gguf package makes of the same weights.

A model folder of random weights is written as GGUF in every encoding and read by that package: f16, q8_0 and q4_0 bit for bit;
q4_k, which it cannot make, with a smaller error than q4_0. A GGUF file written again is the same as one of the folder.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/encode_test.py
"""
import json
import subprocess
import sys

import gguf
import numpy as np
import safetensors.numpy

import peerlib

WIDTH, INNER, HEADS, KEY_HEADS, HEAD, TOKENS = 256, 512, 4, 2, 64, 64
CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": 1,
          "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS, "head_dim": HEAD, "max_position_embeddings": 64,
          "rms_norm_eps": 1e-6, "hidden_act": "silu", "eos_token_id": 1}
LAYER = "model.layers.0."
MATRICES = {"model.embed_tokens": ("token_embd", TOKENS, WIDTH), "lm_head": ("output", TOKENS, WIDTH),
            LAYER + "self_attn.q_proj": ("blk.0.attn_q", HEADS * HEAD, WIDTH),
            LAYER + "self_attn.k_proj": ("blk.0.attn_k", KEY_HEADS * HEAD, WIDTH),
            LAYER + "self_attn.v_proj": ("blk.0.attn_v", KEY_HEADS * HEAD, WIDTH),
            LAYER + "self_attn.o_proj": ("blk.0.attn_output", WIDTH, HEADS * HEAD),
            LAYER + "mlp.gate_proj": ("blk.0.ffn_gate", INNER, WIDTH),
            LAYER + "mlp.up_proj": ("blk.0.ffn_up", INNER, WIDTH), LAYER + "mlp.down_proj": ("blk.0.ffn_down", WIDTH, INNER)}
NORMS = {"model.norm": "output_norm", LAYER + "input_layernorm": "blk.0.attn_norm",
         LAYER + "post_attention_layernorm": "blk.0.ffn_norm"}


def make_folder(folder):
    """Writes the model; returns what GGUF has under its names, in f32."""
    random = np.random.default_rng(7)
    theirs, ours = {}, {}
    for name, (short, rows, columns) in MATRICES.items():
        weight = random.normal(0, 0.05, (rows, columns)).astype(np.float32)
        weight[rows // 2, :32] = 0  # a block of zeros
        theirs[name + ".weight"] = weight
        if short.endswith(("attn_q", "attn_k")):  # neighbours turn together in GGUF, halves in the folder
            weight = weight.reshape(-1, 2, HEAD // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        ours[short + ".weight"] = np.ascontiguousarray(weight)
    for name, short in NORMS.items():
        theirs[name + ".weight"] = ours[short + ".weight"] = random.normal(1, 0.1, WIDTH).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    vocabulary = {chr(ord("A") + i): i for i in range(TOKENS)}
    (folder / "tokenizer.json").write_text(json.dumps(
        {"model": {"type": "BPE", "vocab": vocabulary, "merges": []}, "pre_tokenizer": {"type": "ByteLevel"}}))
    safetensors.numpy.save_file(theirs, folder / "model.safetensors")
    return ours


def encoded(model, encoding, name):
    """The file's tensors by name: type and bytes."""
    path = peerlib.WORK / f"{name}.gguf"
    subprocess.run([str(peerlib.TOOL), "quantize", str(model), "--encoding", encoding, "-o", str(path)], check=True,
                   capture_output=True)
    reader = gguf.GGUFReader(path)
    return path, {t.name: (t.tensor_type, np.array(t.data)) for t in reader.tensors}


def error(want, kind, data):
    got = gguf.quants.dequantize(data, kind)
    return float(np.sqrt(((got - want) ** 2).sum() / (want ** 2).sum()))


def main():
    folder = peerlib.WORK / "encode"
    want = make_folder(folder)
    wrong, errors = [], {}
    for encoding in ("f16", "q8_0", "q4_0", "q4_k"):
        path, tensors = encoded(folder, encoding, encoding)
        if set(tensors) != set(want):
            wrong.append(f"{encoding}: tensors {set(tensors) ^ set(want)}")
            continue
        for name, (kind, data) in tensors.items():
            if kind == gguf.GGMLQuantizationType.Q4_K:
                errors.setdefault(name, {})["q4_k"] = error(want[name], kind, data)
                continue
            if kind == gguf.GGMLQuantizationType.Q4_0:
                errors.setdefault(name, {})["q4_0"] = error(want[name], kind, data)
            made = gguf.quants.quantize(want[name], kind)
            if made.tobytes() != data.tobytes():
                wrong.append(f"{encoding}: {name} as {kind.name} has other bits")
        _, again = encoded(path, encoding, "again") if encoding == "f16" else (None, tensors)
        if any(again[n][1].tobytes() != tensors[n][1].tobytes() for n in tensors):
            wrong.append(f"{encoding}: a file written again differs")
    for name, of in errors.items():
        print(f"{name}: q4_0 {of['q4_0']:.4f}, q4_k {of['q4_k']:.4f} of the weights")
        if not of["q4_k"] < 0.9 * of["q4_0"]:
            wrong.append(f"{name}: q4_k loses {of['q4_k']:.4f}, q4_0 {of['q4_0']:.4f}")
    print("\n".join(wrong) or f"all {len(want)} tensors agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Logits of small models of every family, by PyPI's transformers: the files that src/decoder/folders.test.cpp compares with.

A file has a model's config.json, the shapes of its tensors, a prompt, and logits in FP32. Weights are not in it: element
i of a tensor is made of the tensor's name and of i (`values`), here and in the test.

    tests/peers/families.sh            compares what transformers computes with the files that are there
    tests/peers/families.sh --write    writes them anew
"""
import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import safetensors.numpy
import torch
import transformers
from transformers import AutoModelForCausalLM

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data" / "families"
POSITIONS, VOCABULARY = 24, 40
SIZES = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
EXPERTS = dict(num_experts=5, num_experts_per_tok=2, moe_intermediate_size=16)


def rope(kind, **more):
    return dict(rope_type=kind, rope_theta=10000.0, **more)


LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=16)
# Short factors hold within the original context, which the prompt does not leave.
LONG = rope("longrope", original_max_position_embeddings=32, short_factor=[1.0, 1.1, 1.2, 1.5],
            long_factor=[1.0, 2.0, 3.0, 4.0])
MODELS = {
    "llama": transformers.LlamaConfig(**SIZES),
    "llama-linear": transformers.LlamaConfig(**SIZES, rope_parameters=rope("linear", factor=3.0)),
    "llama-llama3": transformers.LlamaConfig(**SIZES, rope_parameters=LLAMA3, tie_word_embeddings=True),
    "llama-yarn": transformers.LlamaConfig(**SIZES, rope_parameters=YARN),
    "llama-biases": transformers.LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True),
    "mistral": transformers.MistralConfig(**SIZES, sliding_window=8),
    "qwen2": transformers.Qwen2Config(**SIZES),
    "qwen3": transformers.Qwen3Config(**SIZES, head_dim=16),
    "gemma2": transformers.Gemma2Config(**SIZES, head_dim=8, sliding_window=8, query_pre_attn_scalar=16,
                                        attn_logit_softcapping=2.0, final_logit_softcapping=5.0),
    "gemma3": transformers.Gemma3TextConfig(**{**SIZES, "num_hidden_layers": 7}, head_dim=8, sliding_window=8,
                                            query_pre_attn_scalar=16),
    "phi3": transformers.Phi3Config(**SIZES, sliding_window=8),
    "phi3-longrope": transformers.Phi3Config(**SIZES, original_max_position_embeddings=32, rope_parameters=LONG),
    "gpt2": transformers.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64,
                                    bos_token_id=1, eos_token_id=2),
    "smollm3": transformers.SmolLM3Config(**SIZES),
    "olmo2": transformers.Olmo2Config(**SIZES),
    "granite": transformers.GraniteConfig(**SIZES, embedding_multiplier=3.0, residual_multiplier=0.5,
                                          logits_scaling=2.0, attention_multiplier=0.2),
    "mixtral": transformers.MixtralConfig(**SIZES, num_local_experts=5, num_experts_per_tok=2),
    "qwen2moe": transformers.Qwen2MoeConfig(**SIZES, **EXPERTS, shared_expert_intermediate_size=24),
    "qwen3moe": transformers.Qwen3MoeConfig(**SIZES, **EXPERTS, head_dim=16, norm_topk_prob=True),
}


def values(name, shape):
    """Uniform numbers around 1 for the weights of normalisations, around 0 for others; all are 16-bit floats, too."""
    seed = 0xCBF29CE484222325  # FNV-1a of the name
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):  # splitmix64
        x = np.uint64(seed) + np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    uniform = (x >> np.uint64(54)).astype(np.float32) / np.float32(2**10) - np.float32(0.5)
    middle = 1 if len(shape) == 1 and name.endswith(".weight") else 0
    return (np.float32(middle) + uniform).reshape(shape)


def write_folder(folder, config, tensors):
    """A model folder: config.json, and the tensors by their shapes."""
    (folder / "config.json").write_text(json.dumps(config))
    safetensors.numpy.save_file({n: values(n, s) for n, s in tensors.items()}, folder / "model.safetensors",
                                metadata={"format": "pt"})


def shapes_of(config, folder):
    """The tensors that transformers writes for such a model."""
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    with safetensors.safe_open(folder / "model.safetensors", "np") as file:
        return {name: file.get_slice(name).get_shape() for name in sorted(file.keys())}


def golden(config):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tensors = shapes_of(config, folder)
        said = json.loads((folder / "config.json").read_text())
        write_folder(folder, said, tensors)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    prompt = [(i * 7 + 3) % VOCABULARY for i in range(POSITIONS)]
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0].numpy()
    if not np.isfinite(logits).all():
        raise SystemExit(f"{config.model_type}: logits are not finite")
    return {"config": said, "tensors": tensors, "prompt": prompt,
            "logits": [[float(f"{x:.6g}") for x in row] for row in logits]}


def text_of(model):
    """JSON with a line for each tensor and each position."""
    tensors = ",\n  ".join(f"{json.dumps(n)}: {json.dumps(s)}" for n, s in model["tensors"].items())
    rows = ",\n  ".join(json.dumps(row) for row in model["logits"])
    return (f'{{"config": {json.dumps(model["config"])},\n "tensors": {{\n  {tensors}}},\n'
            f' "prompt": {json.dumps(model["prompt"])},\n "logits": [\n  {rows}]}}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help="write the files instead of comparing with them")
    parser.add_argument("--only", default="", help="one model of the list")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    wrong = 0
    for name, config in MODELS.items():
        if args.only not in ("", name):
            continue
        made, path = golden(config), FOLDER / f"{name}.json"
        if args.write:
            path.write_text(text_of(made))
            continue
        kept = json.loads(path.read_text())
        largest = np.abs(made["logits"]).max()
        off = np.abs(np.array(made["logits"]) - np.array(kept["logits"])).max() / largest
        same = made["tensors"] == kept["tensors"] and off < 1e-5
        wrong += not same
        print(f"{name}: {'ok' if same else 'DIFFERS'}, {off:.1e} of the largest")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

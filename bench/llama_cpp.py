"""llama.cpp's C library by ctypes: how fast it reads and writes tokens. For bench/llm.py, in a process of its own:

  python bench/llama_cpp.py FOLDER-OF-LIBRARIES MODEL.gguf --prompt-tokens 512 --generate-tokens 64 --batch 1 --threads 2

Or how well it foresees tokens, as `monza perplexity` counts (needs numpy); TOKENS.json is from `monza tokenize --json`:

  python bench/llama_cpp.py FOLDER-OF-LIBRARIES MODEL.gguf --foresee TOKENS.json [--begin TOKEN] [--max-tokens N]

FOLDER is `bins/linux-x64` of npm's @node-llama-cpp/linux-x64 (3.22.1: llama.cpp v0.5.0). Prints JSON.
"""
import argparse
import ctypes as c
import json
import pathlib
import random
import time


class Params(c.Structure):
    """A struct that is passed by value. Larger than the library's: what is behind its end nobody reads."""
    _fields_ = [("head", c.c_int32 * 6), ("rest", c.c_byte * 488)]


class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)), ("embd", c.POINTER(c.c_float)),
                ("pos", c.POINTER(c.c_int32)), ("n_seq_id", c.POINTER(c.c_int32)),
                ("seq_id", c.POINTER(c.POINTER(c.c_int32))), ("logits", c.POINTER(c.c_int8))]


def open_library(folder: pathlib.Path):
    """libllama with the kernels for this CPU."""
    for name in ("libggml-base*.so*", "libggml.*so*"):
        for path in sorted(folder.glob(name)):
            ggml = c.CDLL(str(path), mode=c.RTLD_GLOBAL)
    ggml.ggml_backend_load_all_from_path.argtypes = [c.c_char_p]
    ggml.ggml_backend_load_all_from_path(str(folder).encode())
    llama = c.CDLL(str(next(iter(sorted(folder.glob("libllama.*so*"))))), mode=c.RTLD_GLOBAL)
    llama.llama_log_set(SILENT, None)
    for name, result, arguments in (
            ("llama_model_default_params", Params, []), ("llama_context_default_params", Params, []),
            ("llama_model_load_from_file", c.c_void_p, [c.c_char_p, Params]),
            ("llama_init_from_model", c.c_void_p, [c.c_void_p, Params]),
            ("llama_set_n_threads", None, [c.c_void_p, c.c_int32, c.c_int32]),
            ("llama_get_memory", c.c_void_p, [c.c_void_p]), ("llama_memory_clear", None, [c.c_void_p, c.c_bool]),
            ("llama_batch_init", Batch, [c.c_int32, c.c_int32, c.c_int32]),
            ("llama_model_get_vocab", c.c_void_p, [c.c_void_p]), ("llama_vocab_n_tokens", c.c_int32, [c.c_void_p]),
            ("llama_decode", c.c_int32, [c.c_void_p, Batch]), ("llama_synchronize", None, [c.c_void_p]),
            ("llama_get_logits_ith", c.POINTER(c.c_float), [c.c_void_p, c.c_int32])):
        function = getattr(llama, name)
        function.restype, function.argtypes = result, arguments
    return llama


SILENT = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)(lambda level, text, user: None)


class Model:
    def __init__(self, folder: pathlib.Path, path: str, positions: int, sequences: int, threads: int):
        self.llama = open_library(folder)
        model = self.llama.llama_model_load_from_file(path.encode(), self.llama.llama_model_default_params())
        if not model:
            raise SystemExit(f"llama.cpp does not load {path}")
        self.vocabulary = self.llama.llama_vocab_n_tokens(self.llama.llama_model_get_vocab(model))
        params = self.llama.llama_context_default_params()
        # n_ctx, n_batch, n_ubatch, n_seq_max lead the struct.
        params.head[0], params.head[1], params.head[2], params.head[3] = positions, 512, 512, sequences
        self.context = self.llama.llama_init_from_model(model, params)
        if not self.context:
            raise SystemExit("llama.cpp makes no context")
        self.llama.llama_set_n_threads(self.context, threads, threads)
        self.batch = self.llama.llama_batch_init(512, 0, 1)

    def clear(self):
        self.llama.llama_memory_clear(self.llama.llama_get_memory(self.context), True)

    def run(self, entries):
        """entries: (token, position, sequence, whether its logits are wanted)."""
        b = self.batch
        b.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = token, position, 1, sequence, wanted
        if self.llama.llama_decode(self.context, b) != 0:
            raise SystemExit("llama.cpp: a run failed")
        self.llama.llama_synchronize(self.context)


def foresee(model: Model, tokens: list, begin, piece=512) -> dict:
    """Pieces of 512 tokens, each with the model's first token in front, whose second half counts."""
    import numpy as np
    nll, counted = 0.0, 0
    for first in range(0, len(tokens) - piece + 1, piece):
        ids = list(tokens[first:first + piece])
        if begin is not None:
            ids[0] = begin
        model.clear()
        model.run([(t, i, 0, i >= piece // 2) for i, t in enumerate(ids)])
        for i in range(piece // 2, piece - 1):
            row = np.ctypeslib.as_array(model.llama.llama_get_logits_ith(model.context, i), (model.vocabulary,))
            most = row.max()
            nll += float(most + np.log(np.exp(row - most, dtype=np.float64).sum()) - row[ids[i + 1]])
            counted += 1
    return {"perplexity": float(np.exp(nll / counted)), "tokens": counted, "nll": nll / counted}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("model")
    for name, default in (("prompt-tokens", 512), ("generate-tokens", 64), ("batch", 1), ("threads", 2), ("repeat", 3)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--foresee", type=pathlib.Path)
    parser.add_argument("--begin", type=int)
    parser.add_argument("--max-tokens", type=int, default=0)
    o = parser.parse_args()
    if o.foresee:
        tokens = json.loads(o.foresee.read_text())["tokens"]
        model = Model(o.folder, o.model, 512, 1, o.threads)
        print(json.dumps(foresee(model, tokens[:o.max_tokens] if o.max_tokens else tokens, o.begin)))
        return
    begin = time.perf_counter()
    model = Model(o.folder, o.model, o.batch * (o.prompt_tokens + o.generate_tokens + 256), o.batch, o.threads)
    load = time.perf_counter() - begin
    draw = random.Random(1)
    prompt = [draw.randrange(1000) for _ in range(o.prompt_tokens)]
    reading = writing = float("inf")
    for _ in range(o.repeat):
        model.clear()
        begin = time.perf_counter()
        for s in range(o.batch):
            for at in range(0, len(prompt), 512):
                part = prompt[at:at + 512]
                model.run([(t, at + i, s, at + i + 1 == len(prompt)) for i, t in enumerate(part)])
        reading = min(reading, time.perf_counter() - begin)
        begin = time.perf_counter()
        for i in range(o.generate_tokens):
            model.run([(prompt[i % len(prompt)], len(prompt) + i, s, True) for s in range(o.batch)])
        writing = min(writing, time.perf_counter() - begin)
    print(json.dumps({"prefill_tokens_per_s": o.batch * o.prompt_tokens / reading,
                      "decode_tokens_per_s": o.batch * o.generate_tokens / writing, "load_ms": load * 1e3}))


if __name__ == "__main__":
    main()

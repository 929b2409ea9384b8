#!/usr/bin/env python3
"""`monza tokenize` gives the tokens that the models' own tokenizers give.

First the texts and tokens under MONZA_SHARED (llama.cpp's, swift-transformers', and those of tokenizer_vectors.json), then
drawn lines of Unicode beside PyPI's tokenizers, on each tokenizer.json. The libraries in tokenizers know Unicode 8 to 16, so
lines are drawn from what Unicode 3.2 assigned and no later one put into another category, and from emoji: on those they agree.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/tokenizer_test.py [--lines N] [--seed N]
"""
import argparse
import ast
import json
import lzma
import pathlib
import random
import subprocess
import sys
import unicodedata

import tokenizers

import peerlib
import tokenizer_files

WORDS = ("the of and to in Hello world don't I'll we've 1234 3.14 foo_bar naïve café Übermaß ПРИВЕТ привет 你好 世界 日本語 한국어 العربية "
         "हिन्दी ไทย ... !!! <s> </s> <|endoftext|> <|im_start|> [CLS] <unk> <0x0A> ▁ a\u0301 I\u0307 ſ 'S 'LL 'Re \n\n \r\n").split(" ")
OLD = unicodedata.ucd_3_2_0
ASSIGNED = [chr(c) for c in range(0x30000) if OLD.category(chr(c)) not in ("Cn", "Cs", "Co") and OLD.category(chr(c)) == unicodedata.category(chr(c))]
EMOJI = [chr(c) for c in (*range(0x1F300, 0x1F650), 0x200D, 0xFE0F, *range(0x1F1E6, 0x1F200))]
SPACES = " \t\n\r\x0b\x0c\x85\xa0\u2003\u3000"
BLOCKS = [0x370, 0x400, 0x600, 0x900, 0x1100, 0x3040, 0x4E00, 0xAC00]


def drawn_piece(random) -> str:
    def some(choices, most):
        return "".join(random.choice(choices) for _ in range(random.randint(1, most)))
    kind = random.random()
    if kind < 0.45:
        return random.choice(WORDS) + random.choice(["", " ", " ", "  "])
    if kind < 0.60:
        return some(ASSIGNED, 8)
    if kind < 0.70:
        return some(EMOJI, 4)
    if kind < 0.85:
        return some([chr(c) for c in range(32, 127)], 10)
    if kind < 0.90:
        return some(SPACES, 5)
    if kind < 0.95:
        return random.choice("aeiouAEnNcC한각ㄱ") + some([chr(c) for c in range(0x300, 0x346)], 3)
    block = random.choice(BLOCKS)
    return some([chr(c) for c in range(block, block + 128) if OLD.category(chr(c)) != "Cn"], 5)


def tokens_of(tool, tokenizer, texts, special) -> list:
    peerlib.WORK.mkdir(parents=True, exist_ok=True)
    path = peerlib.WORK / "texts.json"
    path.write_text(json.dumps(texts))
    words = [str(tool), "tokenize", str(tokenizer), "--texts", str(path), *([] if special else ["--no-special"])]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line)["tokens"] for line in lines]


class Check:
    failed = 0

    def __call__(self, name, texts, got, wanted):
        wrong = [i for i in range(len(texts)) if got[i] != wanted[i]]
        self.failed += len(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name}: {len(texts) - len(wrong)} of {len(texts)} texts", flush=True)
        for i in wrong[:3]:
            print(f"     {ascii(texts[i])[:200]}\n     {got[i][:40]}\n     {wanted[i][:40]}")


def written(name, content) -> pathlib.Path:
    """A tokenizer made here, as a file."""
    peerlib.WORK.mkdir(parents=True, exist_ok=True)
    path = peerlib.WORK / f"{name}.tokenizer.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def check_vectors(tool, folder, files, check):
    vectors = folder / "vectors"
    pairs = {"gpt-2": files["gpt2"], "llama-bpe": files["llama3_2"], "qwen2": files["qwen2_5"],
             "bert-bge": files["bert"]}
    pairs |= {name: written(name, tokenizer_files.from_gguf(vectors / f"ggml-vocab-{name}.gguf")) for name in ("deepseek-llm", "qwen35", "gemma-4", "llama-spm")}
    for name, tokenizer in pairs.items():
        texts = (vectors / f"ggml-vocab-{name}.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
        wanted = [[int(t) for t in line.split()] for line in (vectors / f"ggml-vocab-{name}.gguf.out").read_text().split("\n")]
        check(f"llama.cpp's {name}", texts[:len(wanted)], tokens_of(tool, tokenizer, texts[:len(wanted)], False), wanted)
    encoded = {"gpt2_encoded_tokens": files["gpt2"], "llama_encoded": pairs["llama-spm"], "llama_3.2_encoded": files["llama3_2"],
               "bert_uncased_encoded": files["bert"]}
    for name, tokenizer in encoded.items():
        data = json.loads((vectors / f"{name}.json").read_text())
        ids = data["token_ids"]
        check(name, [data["text"]], tokens_of(tool, tokenizer, [data["text"]], "gpt2" not in name), [ast.literal_eval(ids) if isinstance(ids, str) else ids])
    data = json.loads((folder.parents[1] / "data/llm/tokenizer_vectors.json").read_text())
    made = {"multilingual-e5-small": files["multilingual-e5-small"], "multilingual-e5-small+special": files["multilingual-e5-small"],
            "llama4": written("llama4", tokenizer_files.from_tiktoken(vectors / "llama4.tokenizer.model")),
            "mistral-tekken": written("tekken", tokenizer_files.from_tekken(vectors / "mistral-tekken_240911.json.xz"))}
    for name, tokenizer in made.items():
        check(name, data["texts"], tokens_of(tool, tokenizer, data["texts"], "special" in name), data["ids"][name])


def check_drawn(tool, files, count, seed, check):
    source = random.Random(seed)
    texts = ["".join(drawn_piece(source) for _ in range(source.randint(1, 12))) for _ in range(count)]
    for name, path in files.items():
        if name == "bert":
            peer = tokenizers.BertWordPieceTokenizer(str(path))
        else:
            peer = tokenizers.Tokenizer.from_file(str(path))
            peer.no_truncation()
            peer.no_padding()
        check(f"{name}, drawn with seed {seed}", texts, tokens_of(tool, path, texts, True), [e.ids for e in peer.encode_batch(texts)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--lines", type=int, default=10_000, help="drawn for each tokenizer (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    folder = peerlib.shared() / "models" / "tokenizers"
    files = {name: folder / f"{name}.json" for name in ("gpt2", "llama2", "llama3_2", "qwen2_5")}
    files["bert"] = folder / "bert-base-uncased.vocab.txt"
    e5 = lzma.open(folder / "vectors" / "multilingual-e5-small.tokenizer.json.xz").read()
    files["multilingual-e5-small"] = written("e5", e5)
    check = Check()
    check_vectors(args.tool, folder, files, check)
    check_drawn(args.tool, files, args.lines, args.seed, check)
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()

"""Tokenizers that come in other files than tokenizer.json, written as one: GGUF, tiktoken's and Tekken's."""
import base64
import json
import lzma
import pathlib

import gguf

WORD = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA4 = (rf"[^\r\n\p{{L}}\p{{N}}]?{WORD[0]}*{WORD[1]}+{ENDING}?|[^\r\n\p{{L}}\p{{N}}]?{WORD[0]}+{WORD[1]}*{ENDING}?"
          r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN35 = (ENDING + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# The letters of DeepSeek's list are those of bicameral scripts.
DEEPSEEK = ["[\r\n]", r"\s?[\p{Lu}\p{Ll}\p{Lt}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+", r"\p{N}+"]


def letters() -> list:
    """GPT-2's letter of each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(other)) for b in range(256)]


LETTERS = letters()


def spelt(text: bytes) -> str:
    return "".join(LETTERS[b] for b in text)


def splits(patterns) -> list:
    return [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in patterns]


def byte_bpe(vocab: dict, merges: list, patterns, added=(), ignore_merges=False) -> dict:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": not patterns}
    return {"added_tokens": list(added), "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits(patterns), byte_level]},
            "post_processor": None, "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": ignore_merges}}


def merges_of_ranks(ranks: dict) -> list:
    """Merges that give what ranks give: each token from the two parts that lower ranks make of it."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            found = [(ranks.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1)]
            least, i = min(found)
            if least >= rank:
                break
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        if len(parts) == 2:
            merges.append([spelt(parts[0]), spelt(parts[1])])
    return merges


def from_ranks(ranks: dict, pattern: str, first: int) -> dict:
    vocab = {spelt(token): rank + first for token, rank in ranks.items()}
    return byte_bpe(vocab, merges_of_ranks(ranks), [pattern], ignore_merges=True)


def from_tiktoken(path: pathlib.Path) -> dict:
    lines = (line.split() for line in path.read_text().splitlines() if line)
    return from_ranks({base64.b64decode(token): int(rank) for token, rank in lines}, LLAMA4, 0)


def from_tekken(path: pathlib.Path) -> dict:
    file = json.loads(lzma.open(path).read())
    config = file["config"]
    special = config["default_num_special_tokens"]
    entries = file["vocab"][:config["default_vocab_size"] - special]
    return from_ranks({base64.b64decode(e["token_bytes"]): e["rank"] for e in entries}, config["pattern"], special)


def fields(path: pathlib.Path) -> dict:
    return {k: v.contents() for k, v in gguf.GGUFReader(path).fields.items() if k.startswith("tokenizer.ggml.")}


def added_tokens(tokens: list, types: list) -> list:
    """Control (3) and user-defined (4) tokens."""
    return [{"id": i, "content": t, "special": types[i] == 3, "normalized": False} for i, t in enumerate(tokens) if types[i] in (3, 4)]


def from_gguf(path: pathlib.Path) -> dict:
    data = fields(path)
    get = lambda key: data[f"tokenizer.ggml.{key}"]
    tokens, vocab = get("tokens"), {}
    for number, token in enumerate(tokens):
        vocab.setdefault(token, number)
    added = added_tokens(tokens, get("token_type"))
    if get("model") == "gpt2":
        patterns = {"deepseek-llm": DEEPSEEK, "qwen35": [QWEN35], "gpt-2": []}[get("pre")]
        return byte_bpe(vocab, [m.split(" ") for m in get("merges")], patterns, added)
    if get("model") == "gemma4":  # SentencePiece's BPE, with merges in the file
        merges = [m[:m.index(" ", 1)] + "\0" + m[m.index(" ", 1) + 1:] for m in get("merges")]
        return {"added_tokens": added, "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
                "pre_tokenizer": splits(["[^\n]+|[\n]+"])[0], "post_processor": None, "decoder": None,
                "model": {"type": "BPE", "vocab": vocab, "merges": [m.split("\0") for m in merges], "byte_fallback": True,
                          "unk_token": "<unk>", "fuse_unk": True}}
    if get("model") == "llama":  # SentencePiece's BPE, whose merges are all pairs of tokens that are a token
        scores = get("scores")
        merges = [(scores[number], token[:i], token[i:]) for token, number in vocab.items() for i in range(1, len(token))
                  if token[:i] in vocab and token[i:] in vocab]
        merges.sort(key=lambda merge: -merge[0])
        prepend = {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
        bos = get("bos_token_id")
        template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "bos", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                    "special_tokens": {"bos": {"id": "bos", "ids": [bos], "tokens": [tokens[bos]]}}}
        return {"added_tokens": added, "normalizer": {"type": "Sequence", "normalizers": list(prepend)}, "pre_tokenizer": None,
                "post_processor": template, "decoder": None,
                "model": {"type": "BPE", "vocab": vocab, "merges": [m[1:] for m in merges], "byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}}
    raise SystemExit(f"{path}: {get('model')} is not read here")

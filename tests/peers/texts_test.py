#!/usr/bin/env python3
"""Texts through `monza serve`, asked by OpenAI's own Python client, unchanged.

all-MiniLM-L6-v2 (fetched from Maven by name and checksum, 90 MB) gives the embeddings of minilm_reference.json under
MONZA_SHARED, in every form that the client asks for, one by one and together; reranks; refuses what is wrong.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/texts_test.py
"""
import argparse
import concurrent.futures
import json
import pathlib
import sys
import urllib.request

import numpy as np
import openai

import minilm_files
import peerlib
from serve_test import Server, expect

LIMIT = 1e-4


def check_embeddings(client, items):
    texts, wanted = [i["text"] for i in items], np.array([i["embedding"] for i in items])
    tokens = sum(len(i["ids"]) for i in items)
    together = client.embeddings.create(model="minilm", input=texts)
    got = np.array([d.embedding for d in together.data])
    expect(np.abs(got - wanted).max() <= LIMIT, f"{len(texts)} texts at once: largest error {np.abs(got - wanted).max():.1e}")
    expect(together.usage.prompt_tokens == tokens == together.usage.total_tokens, f"usage: {together.usage.prompt_tokens} tokens")
    expect([d.index for d in together.data] == list(range(len(texts))), "each vector in its place")
    floats = client.embeddings.create(model="minilm", input=texts, encoding_format="float")
    expect(np.abs(np.array([d.embedding for d in floats.data]) - got).max() <= 1e-7, "float and base64 are the same numbers")
    single = np.array([client.embeddings.create(model="minilm", input=t).data[0].embedding for t in texts])
    expect(np.abs(single - wanted).max() <= LIMIT, f"one by one: largest error {np.abs(single - wanted).max():.1e}")
    ids = client.embeddings.create(model="minilm", input=[i["ids"] for i in items])
    expect(np.abs(np.array([d.embedding for d in ids.data]) - wanted).max() <= LIMIT, "tokens in place of texts")
    short = np.array(client.embeddings.create(model="minilm", input=texts[0], dimensions=64).data[0].embedding)
    cut = wanted[0][:64] / np.linalg.norm(wanted[0][:64])
    expect(short.shape == (64,) and np.abs(short - cut).max() <= LIMIT, "64 dimensions, of length 1")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        many = np.array(list(pool.map(lambda t: client.embeddings.create(model="minilm", input=t).data[0].embedding, texts * 4)))
    expect(np.abs(many - np.tile(wanted, (4, 1))).max() <= LIMIT, f"{len(many)} requests of 8 threads")
    long = client.embeddings.create(model="minilm", input="word " * 5000)
    expect(long.usage.prompt_tokens == 128, f"a long text is cut: {long.usage.prompt_tokens} tokens")


def post(address, path, body):
    request = urllib.request.Request(f"http://{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def check_rerank(address, items):
    texts, vectors = [i["text"] for i in items], np.array([i["embedding"] for i in items])
    answer = post(address, "/v1/rerank", {"model": "minilm", "query": texts[0], "documents": texts[1:], "top_n": 3, "return_documents": True})
    cosines = vectors[1:] @ vectors[0]
    best = np.argsort(-cosines)[:3]
    expect([r["index"] for r in answer["results"]] == list(best), f"rerank: the best are {list(best)}")
    expect(all(abs(r["relevance_score"] - cosines[r["index"]]) < 1e-4 and r["document"]["text"] == texts[1 + r["index"]] for r in answer["results"]),
           "rerank: cosines and documents")


def check_refusals(client):
    cases = {"there is no model 'none'": dict(model="none", input="a"), "'input' is no text": dict(model="minilm", input=[]),
             "1 to 384": dict(model="minilm", input="a", dimensions=400), "is no token of the model": dict(model="minilm", input=[10**6]),
             "2049 texts": dict(model="minilm", input=["a"] * 2049)}
    for words, arguments in cases.items():
        try:
            client.embeddings.create(**arguments)
            said = "nothing"
        except openai.APIStatusError as e:
            said = e.message
        expect(words in said, f"refused: {said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    args = parser.parse_args()
    items = json.loads((peerlib.shared() / "data" / "minilm_reference.json").read_text())
    server = Server(args.tool, [minilm_files.fetch() / "minilm.onnx"], "--threads", "1", "--max-tokens", "128")
    try:
        client = openai.OpenAI(base_url=f"http://{server.address}/v1", api_key="none", max_retries=0)
        expect([m.id for m in client.models.list()] == ["minilm"], "models")
        check_embeddings(client, items)
        check_rerank(server.address, items)
        check_refusals(client)
        expect(server.end() == 0, "ended")
    finally:
        server.process.kill()
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""all-MiniLM-L6-v2 with its real weights through `monza run`: sentence embeddings to 1e-4.

The reference file under MONZA_SHARED holds sentences, their token ids and embeddings (mean-pooled,
normalised). The model is made by tests/peers/make_models.sh.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/minilm_test.py [--model FILE]
"""
import argparse
import json
import pathlib
import sys

import numpy as np

import peerlib

LIMIT = 1e-4


def embedding(hidden, mask) -> np.ndarray:
    """Mean over the tokens that the mask keeps, of length one."""
    pooled = (hidden[0] * mask[0, :, None]).sum(0) / mask.sum()
    return pooled / np.linalg.norm(pooled)


def feed_for(ids, length) -> dict[str, np.ndarray]:
    """Token ids padded to a length, which the mask hides."""
    padded, mask = np.zeros((1, length), np.int64), np.zeros((1, length), np.int64)
    padded[0, : len(ids)], mask[0, : len(ids)] = ids, 1
    return {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros((1, length), np.int64)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--model", type=pathlib.Path, default=peerlib.ROOT / "build/peers/models/minilm_real.onnx")
    parser.add_argument("--reference-only", action="store_true", help="only ONNX Runtime")
    args = parser.parse_args()
    if not args.model.exists():
        raise SystemExit(f"{args.model} is missing: run tests/peers/make_models.sh")
    session = peerlib.session(args.model)
    worst, found = 0.0, []
    for k, item in enumerate(json.loads((peerlib.shared() / "data" / "minilm_reference.json").read_text())):
        for length in {len(item["ids"]), 32}:
            if length < len(item["ids"]):
                continue
            feed = feed_for(item["ids"], length)
            peer = peerlib.run(session, feed)["last_hidden_state"]
            hidden = peer if args.reference_only else peerlib.monza_run(
                args.model, feed, peerlib.WORK / "minilm", args.tool)["last_hidden_state"]
            got = embedding(hidden, feed["attention_mask"])
            error = float(np.abs(got - np.array(item["embedding"])).max())
            own = float(np.abs(embedding(peer, feed["attention_mask"]) - np.array(item["embedding"])).max())
            worst = max(worst, error)
            print(f"{'ok  ' if error <= LIMIT else 'FAIL'} {error:.1e} (ONNX Runtime {own:.1e}) "
                  f"{length:3} tokens  {item['text']}", flush=True)
        found.append(got)
    print(f"largest error {worst:.1e}, limit {LIMIT:.0e}; cosine of the first two {found[0] @ found[1]:.3f}")
    sys.exit(0 if worst <= LIMIT else 1)


if __name__ == "__main__":
    main()

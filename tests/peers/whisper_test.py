#!/usr/bin/env python3
"""whisper-tiny from sound to text through `monza run`, against ONNX Runtime.

One front end and one greedy loop serve both; the merged decoder runs both branches of its If and
carries its key/value cache from step to step. The two texts must be equal.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/whisper_test.py [--wav FILE]
"""
import argparse
import json
import pathlib
import sys

import numpy as np

import peerlib
import whisper_audio as audio

HEADS, HEAD_SIZE, LAYERS = 6, 64, 4
START, ENGLISH, TRANSCRIBE, NO_TIMESTAMPS, END = 50258, 50259, 50359, 50363, 50257


def transcribe(features, encode, decode, generation, limit=100) -> list[int]:
    """The greedy loop; encode and decode map named inputs to named outputs."""
    hidden = encode({"input_features": features})["last_hidden_state"]
    past = {f"past_key_values.{l}.{side}.{part}": np.zeros((1, HEADS, 0, HEAD_SIZE), np.float32)
            for l in range(LAYERS) for side in ("decoder", "encoder") for part in ("key", "value")}
    ids, tokens = np.array([[START, ENGLISH, TRANSCRIBE, NO_TIMESTAMPS]], np.int64), []
    while len(tokens) < limit:
        out = decode({"input_ids": ids, "encoder_hidden_states": hidden, **past,
                      "use_cache_branch": np.array([bool(tokens)])})
        for name in past:
            # The cached branch leaves the encoder's keys as they are and returns nothing of use.
            if not tokens or ".decoder." in name:
                past[name] = out[name.replace("past_key_values", "present")]
        scores = out["logits"][0, -1].copy()
        scores[generation["suppress_tokens"]] = -np.inf
        if not tokens:
            scores[generation["begin_suppress_tokens"]] = -np.inf
        token = int(scores.argmax())
        if token == END:
            break
        tokens.append(token)
        ids = np.array([[token]], np.int64)
    return tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--wav", type=pathlib.Path, help="16-bit sound of up to 30 s (the shared recording)")
    parser.add_argument("--reference-only", action="store_true", help="only ONNX Runtime")
    args = parser.parse_args()
    folder = peerlib.shared() / "models" / "onnx" / "whisper-tiny"
    encoder = folder / "onnx" / "encoder_model_quantized.onnx"
    decoder = folder / "onnx" / "decoder_model_merged_quantized.onnx"
    samples, rate = audio.read_wav(args.wav or peerlib.shared() / "data" / "rain_in_spain.wav")
    features = audio.log_mel(audio.resample(samples, rate))
    generation = json.loads((folder / "generation_config.json").read_text())

    def text(encode, decode):
        return audio.decode_text(transcribe(features, encode, decode, generation), folder / "tokenizer.json").strip()

    peers = [peerlib.session(encoder), peerlib.session(decoder)]
    expected = text(*(lambda feed, s=s: peerlib.run(s, feed) for s in peers))
    print(f"ONNX Runtime: {expected}", flush=True)
    if args.reference_only:
        return
    work = peerlib.WORK / "whisper"
    got = text(*(lambda feed, m=m: peerlib.monza_run(m, feed, work / m.stem, args.tool) for m in (encoder, decoder)))
    print(f"monza:        {got}")
    sys.exit(0 if got == expected else 1)


if __name__ == "__main__":
    main()

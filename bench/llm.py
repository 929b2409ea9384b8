#!/usr/bin/env python3
"""Language models: Monza beside llama.cpp, in turn, in one run on this machine.

A llama of random weights with the sizes of Llama-3.2-1B is written in each encoding (bench/random_llama.py); both
read a prompt and write on, each in its own process, for several rounds; the most tokens a second of all rounds count.
Prints a Markdown table.

  python3 -m venv build/llm-venv && build/llm-venv/bin/pip install gguf==0.19.0
  npm install --ignore-scripts --prefix build/llama @node-llama-cpp/linux-x64@3.22.1
  build/llm-venv/bin/python bench/llm.py --kinds q4_0 q8_0 --batch 1 --threads 2
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LLAMA = ROOT / "build/llama/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"


def measure(command, o) -> dict:
    counts = [f"--{name.replace('_', '-')}={getattr(o, name)}"
              for name in ("prompt_tokens", "generate_tokens", "batch", "threads", "repeat")]
    done = subprocess.run([*map(str, command), *counts], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=["q4_0", "q8_0", "q4_k", "f16"])
    parser.add_argument("--monza", type=pathlib.Path, default=ROOT / "build/bin/monza")
    parser.add_argument("--llama", type=pathlib.Path, default=LLAMA, help="folder of llama.cpp's libraries")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "build/llm-models")
    for name, default in (("prompt-tokens", 512), ("generate-tokens", 64), ("batch", 1), ("threads", 2), ("repeat", 2),
                          ("rounds", 2)):
        parser.add_argument("--" + name, type=int, default=default)
    o = parser.parse_args()
    o.models.mkdir(parents=True, exist_ok=True)
    print(f"{o.threads} threads, batch {o.batch}, {o.prompt_tokens} tokens read and {o.generate_tokens} written\n")
    print("| weights | prefill, tokens/s | llama.cpp | ratio | decode, tokens/s | llama.cpp | ratio |")
    print("|---|---|---|---|---|---|---|")
    for kind in o.kinds:
        path = o.models / f"{kind}.gguf"
        if not path.exists():
            subprocess.run([sys.executable, ROOT / "bench/random_llama.py", kind, path], check=True)
        best = [{}, {}]
        for _ in range(o.rounds):
            for which, command in enumerate(([o.monza, "bench", path, "--json"],
                                             [sys.executable, ROOT / "bench/llama_cpp.py", o.llama, path])):
                told = measure(command, o)
                for name in ("prefill_tokens_per_s", "decode_tokens_per_s"):
                    best[which][name] = max(best[which].get(name, 0), told[name])
        cells = [f"{best[0][n]:.1f} | {best[1][n]:.1f} | {best[0][n] / best[1][n]:.2f}"
                 for n in ("prefill_tokens_per_s", "decode_tokens_per_s")]
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

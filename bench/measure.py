#!/usr/bin/env python3
"""Runs a benchmark and writes its table into docs/measurements.md, with the commit, the day and the processor.

  MONZA_SHARED=DIR build/peers-venv/bin/python bench/measure.py compare first_inference busy_neighbours

Needs build/bin/monza of the commit checked out, the peers' environment (tests/peers/make_env.sh) and the exported networks
(tests/peers/make_models.sh). Nothing else may run meanwhile; `compare` takes half an hour.
"""
import argparse
import datetime
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))
from compare import processor

PAGE = ROOT / "docs" / "measurements.md"
EXPORTED = ROOT / "build" / "peers" / "models"
SHARED = pathlib.Path(os.environ.get("MONZA_SHARED", ""))
YOLO = SHARED / "models" / "onnx" / "yolov8n.onnx"
SECTIONS = {
    "compare": ["bench/compare.py", "--models", EXPORTED, "--rounds", "3", "--seconds", "1"],
    "operators": ["bench/operators.py", "--rounds", "3"],
    "first_inference": ["bench/first_inference.py", YOLO, EXPORTED / "bert_base.onnx", "--runs", "40"],
    "busy_neighbours": ["bench/busy_neighbours.py", YOLO, EXPORTED / "resnet50.onnx", EXPORTED / "bert_base.onnx"],
}


def commit() -> str:
    """The commit checked out, marked when files differ from it: a number must belong to code that others can get."""
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain") else "")


def table(words) -> str:
    """The Markdown table that a benchmark prints. What it exits with says who is faster, not whether it ran."""
    done = subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    if len(lines) < 3:
        sys.exit(f"{words[0]} printed no table:\n{done.stdout}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="+", choices=SECTIONS)
    for name in parser.parse_args().sections:
        words = SECTIONS[name]
        shown = " ".join(str(w).replace(str(SHARED), "DIR").replace(f"{ROOT}/", "") for w in words)
        note = f"<!-- {name}: {commit()}, {datetime.date.today()}, {processor()}; {shown} -->"
        found = table(words)
        page = PAGE.read_text()
        new, count = re.subn(rf"<!-- {name}: .*? -->\n(.*?)<!-- end -->", lambda _: f"{note}\n{found}\n<!-- end -->", page,
                             flags=re.S)
        if count != 1:
            sys.exit(f"{PAGE} has no place for {name}")
        PAGE.write_text(new)
        print(f"{name}: written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""For `monza quantize --metric`: a hundred times the least cosine of the sentence embeddings in FOLDER and their reference.

  minilm_metric.py REFERENCE.json FOLDER      FOLDER holds last_hidden_state of each sentence, in the order of the reference
"""
import json
import pathlib
import sys

import numpy as np

reference = json.loads(pathlib.Path(sys.argv[1]).read_text())
files = sorted(pathlib.Path(sys.argv[2]).iterdir())
if len(files) != len(reference):
    raise SystemExit(f"{len(files)} files of outputs for {len(reference)} sentences")
least = 1.0
for item, file in zip(reference, files):
    with np.load(file) as outputs:
        pooled = outputs["last_hidden_state"][0].mean(0)
    wanted = np.array(item["embedding"])
    least = min(least, float(pooled @ wanted / np.linalg.norm(pooled) / np.linalg.norm(wanted)))
print(100 * least)

#!/usr/bin/env python3
"""mAP50-95 of YOLOv8n on the shared COCO pictures: `monza detect --coco` against ONNX Runtime.

ONNX Runtime gets the same pre- and post-processing (score 0.001, IoU 0.7, at most 300 boxes) and
pycocotools measures it. The two numbers must agree to 0.001, and so must what pycocotools makes of
the boxes that monza prints.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/map_test.py [--model FILE]
"""
import argparse
import contextlib
import io
import json
import pathlib
import subprocess
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import peerlib
import yolo

LIMIT = 0.001


def measure(truth, detections, images=None) -> tuple[float, float]:
    """mAP50-95 and mAP50 by pycocotools, without its printing, on all images or on those with these numbers."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(truth, truth.loadRes(detections), "bbox")
        if images is not None:
            run.params.imgIds = list(images)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0]), float(run.stats[1])


def entry(image, category, box, score) -> dict:
    """One detection in COCO's result format, from corners."""
    x1, y1, x2, y2 = map(float, box)
    return {"image_id": image, "category_id": category, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)}


def by_ort(model, folder, truth, categories) -> list[dict]:
    """Every detection of ONNX Runtime."""
    session, found = peerlib.session(model, threads=2), []
    for image in truth.loadImgs(truth.getImgIds()):
        for box, score, label in zip(*yolo.detect(session, folder / image["file_name"])):
            found.append(entry(image["id"], categories[label], box, score))
    return found


def by_monza(tool, model, folder, instances, truth) -> tuple[list[dict], float]:
    """Every detection of the tool, and the mAP50-95 it reports itself."""
    done = subprocess.run([tool, "detect", folder, "--model", model, "--coco", instances, "--score", str(yolo.SCORE),
                           "--iou", str(yolo.IOU), "--json"], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise SystemExit(f"monza detect ended with {done.returncode}: {done.stderr.strip()}")
    ids = {i["file_name"]: i["id"] for i in truth.loadImgs(truth.getImgIds())}
    labels = {c["name"]: c["id"] for c in truth.loadCats(truth.getCatIds())}
    found, reported = [], None
    for line in map(json.loads, filter(None, done.stdout.splitlines())):
        if "detections" not in line:
            reported = line["map50_95"]
            continue
        image = ids[pathlib.Path(line["source"]).name]
        found += [entry(image, labels[d["class"]], d["box"], d["score"]) for d in line["detections"]]
    return found, reported


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--model", type=pathlib.Path, help="a YOLOv8 of the 80 classes (the shared yolov8n.onnx)")
    parser.add_argument("--reference-only", action="store_true", help="only ONNX Runtime")
    args = parser.parse_args()
    model = args.model or peerlib.shared() / "models" / "onnx" / "yolov8n.onnx"
    coco = peerlib.shared() / "data" / "coco"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(coco / "instances_val.json"))
    expected, at_half = measure(truth, by_ort(model, coco / "val", truth, sorted(truth.getCatIds())))
    print(f"ONNX Runtime:                mAP50-95 {expected:.4f}  mAP50 {at_half:.4f}", flush=True)
    if args.reference_only:
        return
    boxes, reported = by_monza(args.tool, model, coco / "val", coco / "instances_val.json", truth)
    measured, at_half = measure(truth, boxes)
    print(f"monza, as pycocotools says:  mAP50-95 {measured:.4f}  mAP50 {at_half:.4f}")
    print(f"monza, as it says itself:    mAP50-95 {reported:.4f}")
    sys.exit(0 if max(abs(measured - expected), abs(reported - expected)) <= LIMIT else 1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the fixtures of the vision tests: what other programs make of the same pixels and boxes.

Usage: make_fixtures.py [FOLDER]     needs Pillow, numpy, opencv-python-headless and pycocotools

The pictures come from a formula that the tests compute, too, so only the results are stored.
"""
import contextlib
import io
import json
import random
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)


def pattern(width, height):
    """Smooth colour with a hard-edged checker over it; the same as pattern() in the tests."""
    y, x = np.mgrid[0:height, 0:width]
    check = ((x // 5 + y // 7) % 2) * 90
    return np.stack([(x * 3 + y) % 160 + check, (x + y * 2) % 160 + check, (x * y // 8) % 160 + check], -1).astype(np.uint8)


def resampling():
    for name, (w, h), (ow, oh) in [("down", (67, 45), (24, 19)), ("up", (13, 9), (40, 31)), ("mixed", (50, 8), (20, 21))]:
        source = pattern(w, h)
        Image.fromarray(source).resize((ow, oh), Image.BILINEAR).save(out / f"pillow_{name}_{w}x{h}_to_{ow}x{oh}.png")
        bgr = cv2.resize(source, (ow, oh), interpolation=cv2.INTER_LINEAR)
        Image.fromarray(bgr).save(out / f"opencv_{name}_{w}x{h}_to_{ow}x{oh}.png")


def formats():
    picture = Image.fromarray(pattern(24, 16))
    picture.save(out / "pattern.webp", lossless=True)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture.save(out / "pattern_animated.webp", lossless=True, save_all=True, append_images=[mirrored], duration=100)
    picture.save(out / "pattern.tiff", compression="tiff_lzw")
    picture.save(out / "pattern.jp2", irreversible=False)
    picture.save(out / "pattern.bmp")
    picture.save(out / "pattern.png")
    picture.quantize(64).save(out / "palette.png")
    picture.quantize(64).convert("RGB").save(out / "palette_expected.png")
    picture.convert("CMYK").save(out / "cmyk.jpg", quality=95)
    Image.open(out / "cmyk.jpg").convert("RGB").save(out / "cmyk_expected.png")
    picture.convert("L").save(out / "grey.jpg", quality=95)
    Image.open(out / "grey.jpg").convert("RGB").save(out / "grey_expected.png")
    picture.save(out / "progressive.jpg", quality=95, progressive=True)
    Image.open(out / "progressive.jpg").convert("RGB").save(out / "progressive_expected.png")
    rgba = picture.convert("RGBA")
    rgba.putalpha(Image.fromarray(pattern(24, 16)[..., 0]))
    rgba.save(out / "alpha.png")
    for orientation in (3, 6, 8, 5):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.save(out / f"exif{orientation}.jpg", quality=100, subsampling=0, exif=exif)


def average_precision():
    rng = random.Random(20)
    categories = [{"id": i, "name": n} for i, n in ((2, "bicycle"), (5, "airplane"), (7, "train"), (90, "toothbrush"))]
    images = [{"id": 10 * i + 3, "file_name": f"{i}.jpg", "width": 200, "height": 150} for i in range(25)]
    truth, found = [], []
    for image in images:
        for _ in range(rng.randint(0, 6)):
            w, h = rng.uniform(5, 90), rng.uniform(5, 90)
            box = [round(v, 2) for v in (rng.uniform(0, 200 - w), rng.uniform(0, 150 - h), w, h)]
            category = rng.choice(categories[:3])["id"]
            crowd = int(rng.random() < 0.15)
            truth.append({"id": len(truth) + 1, "image_id": image["id"], "category_id": category, "bbox": box,
                          "area": round(w * h, 2), "iscrowd": crowd})
            for _ in range(rng.choice([0, 1, 1, 1, 2, 3] if not crowd else [2, 4])):
                shaken = [round(v + rng.gauss(0, 2), 2) for v in box[:2]] + [round(max(v + rng.gauss(0, 2), 1), 2) for v in box[2:]]
                right = rng.random() < 0.85
                found.append({"image_id": image["id"], "category_id": category if right else rng.choice(categories)["id"],
                              "bbox": shaken, "score": round(rng.random(), 2)})  # two digits: many equal scores
    # One picture with more detections of one class than are counted.
    for _ in range(130):
        found.append({"image_id": images[4]["id"], "category_id": 2, "score": round(rng.random(), 2),
                      "bbox": [round(rng.uniform(0, 150), 2), round(rng.uniform(0, 100), 2), 30.0, 30.0]})
    dataset = {"images": images, "categories": categories, "annotations": truth}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "truth.json"
        path.write_text(json.dumps(dataset))
        coco = COCO(str(path))
        run = COCOeval(coco, coco.loadRes(found), "bbox")
        run.evaluate(), run.accumulate(), run.summarize()
    precision = run.eval["precision"][:, :, :, 0, 2]  # [thresholds, recalls, classes] over all areas, 100 detections
    per_class = [float(p[p > -1].mean()) if (p > -1).any() else None for p in np.moveaxis(precision, 2, 0)]
    # Small enough to read in a diff: detections as rows of image, category, score, box.
    (out / "average_precision.json").write_text(json.dumps({
        "truth": dataset, "detections": [[d["image_id"], d["category_id"], d["score"], *d["bbox"]] for d in found],
        "expected": {"map50_95": run.stats[0], "map50": run.stats[1], "map75": run.stats[2], "per_class": per_class}}))


resampling()
formats()
average_precision()

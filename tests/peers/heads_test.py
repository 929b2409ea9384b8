"""Masks, poses and turned boxes of `monza detect` beside Ultralytics' own predictions of the same ONNX files.

Models have the family's true structure and random weights, whose class scores are spread so that there are objects of all
kinds to find: what is held against the peer is everything behind the network, and the files that exporters write. Such
networks tell pictures apart that differ by one level in a pixel, as two resizes do. So photos are brought to the network's
size first, and then every pixel doubled: halving them gives both sides the same input.

  tests/peers/heads.sh            fetches Ultralytics and PyTorch (some GB) into an environment of their own
"""
import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "peers" / "heads"
MODELS = ["yolov8n-seg", "yolov8n-pose", "yolov8n-obb", "yolov8n"]  # YOLO11 has the same heads
SCORE, IOU, MOST, SIDE = 0.3, 0.5, 300, 320


def liven(network, pictures):
    """Weights as drawn let every signal die out. Batch norms take the statistics of the photos, and the last convolutions of
    the head are scaled so that boxes differ and some scores of each class are high."""
    import cv2
    import torch

    images = [cv2.resize(cv2.imread(str(p)), (SIDE, SIDE))[..., ::-1] / 255 for p in pictures]
    batch = torch.tensor(np.stack(images).transpose(0, 3, 1, 2).copy(), dtype=torch.float32)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(batch)
    network.eval()
    head = network.model[-1]
    seen = {}
    branches = [(c[-1], mean, std) for part, mean, std in
                (("cv2", 0, 2), ("cv3", -4.2 - 0.37 * np.log(head.nc), 1.2), ("cv4", 0, 1.5))
                for c in getattr(head, part, None) or []]
    hooks = [conv.register_forward_hook(lambda m, _, out: seen.__setitem__(m, out)) for conv, _, _ in branches]
    with torch.no_grad():
        network(batch)
        for conv, mean, std in branches:
            was_mean, was_std = seen[conv].mean((0, 2, 3)), seen[conv].std((0, 2, 3)).clamp(1e-6)
            conv.weight.mul_((std / was_std)[:, None, None, None])
            conv.bias.copy_((conv.bias - was_mean) * std / was_std + mean)
    for hook in hooks:
        hook.remove()


def export(name, end2end, pictures):
    """The ONNX file of a model with drawn weights."""
    import torch
    from ultralytics import YOLO

    kind = "-end2end" if end2end else ""
    path = WORK / f"{name}{kind}.onnx"
    if path.exists():
        return path
    torch.manual_seed(3)
    model = YOLO(f"{name}.yaml")
    liven(model.model, pictures)
    with tempfile.TemporaryDirectory(dir=WORK) as folder, contextlib.chdir(folder):  # it writes where it is
        made = model.export(format="onnx", imgsz=SIDE, opset=17, simplify=False, nms=end2end, conf=SCORE, iou=IOU,
                            max_det=MOST)
        pathlib.Path(made).rename(path)
    return path


def doubled(photo):
    import cv2

    image = cv2.imread(str(photo))
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    path = WORK / f"{photo.stem}.png"
    cv2.imwrite(str(path), small.repeat(2, 0).repeat(2, 1))
    return path


def monza(tool, model, picture, folder):
    command = [tool, "detect", str(picture), "--model", str(model), "--score", str(SCORE), "--iou", str(IOU),
               "--max-boxes", str(MOST), "--json", "--no-cache", "--no-tune", "--save-txt", str(folder), "--save-scores"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)["detections"]


def bitmap(mask, shape):
    """The pixels of the outlines, filled: holes are lost, on both sides alike."""
    import cv2

    image = np.zeros(shape, np.uint8)
    for outline in mask["outlines"]:
        cv2.fillPoly(image, [np.array(outline, np.int32)], 1)
    return image


def filled(mask):
    import cv2

    outlines = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return cv2.fillPoly(np.zeros_like(mask, np.uint8), outlines, 1)


def box_iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.clip(high - low, 0, None).prod()
    return both / max((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both, 1e-9)


def far(match, theirs, i):
    """Largest distance of key points or corners in pixels."""
    if theirs.keypoints is not None:
        return float(np.abs(np.array(match["keypoints"])[:, :2] - theirs.keypoints.data[i].numpy()[:, :2]).max())
    if theirs.obb is not None:
        return float(np.abs(np.array(match["turned"]["corners"]) - theirs.obb.xyxyxyxy[i].numpy()).max())
    return 0.0


def compare(ours, theirs, shape):
    """Objects of theirs that ours have, how many both have, the mean likeness of masks, the largest distance of points."""
    boxes = theirs.obb if theirs.obb is not None else theirs.boxes
    left, found, masks, distance = list(ours), 0, [], 0.0
    for i in range(len(boxes)):
        want, kind = boxes.xyxy[i].numpy().clip(0, [shape[1], shape[0]] * 2), int(boxes.cls[i])
        near = [o for o in left if o["class_id"] == kind and abs(o["score"] - float(boxes.conf[i])) < 0.01 and
                box_iou(np.array(o["box"]), want) > 0.9]
        if not near:
            continue
        match = min(near, key=lambda o: far(o, theirs, i))
        left.remove(match)
        found += 1
        distance = max(distance, far(match, theirs, i))
        if theirs.masks is not None:
            a, b = bitmap(match["mask"], shape), filled(theirs.masks.data[i].numpy() > 0)
            if b.sum() > 400:
                masks.append((a & b).sum() / max((a | b).sum(), 1))
    return found, len(boxes), len(ours), float(np.mean(masks or [1.0])), distance


def check_labels(theirs, folder, path):
    """Whether the label file has the lines that Ultralytics writes: as many numbers each (outlines aside), and near."""
    mine = [line.split() for line in (folder / f"{path.stem}.txt").read_text().splitlines()]
    target = WORK / "theirs.txt"
    target.unlink(missing_ok=True)
    theirs.save_txt(target, save_conf=True)
    want = [line.split() for line in target.read_text().splitlines()]
    if theirs.masks is not None:
        return all(len(line) % 2 == 0 and len(line) >= 8 for line in mine)
    sizes = {len(line) for line in mine} | {len(line) for line in want}
    first = max(abs(float(a) - float(b)) for a, b in zip(mine[0], want[0])) if mine and want else 1
    return len(sizes) == 1 and first < 0.02


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", default=str(ROOT / "build" / "bin" / "monza"))
    parser.add_argument("--pictures", required=True, help="folder of pictures")
    parser.add_argument("--only", help="part of a model's name")
    args = parser.parse_args()
    from ultralytics import YOLO

    WORK.mkdir(parents=True, exist_ok=True)
    pictures = [doubled(p) for p in sorted(pathlib.Path(args.pictures).glob("*.jpg"))]
    failed = False
    for name, end2end in [(m, e) for e in (False, True) for m in MODELS]:
        if args.only and args.only not in name:
            continue
        model = export(name, end2end, pictures)
        peer = YOLO(str(model))
        for picture in pictures:
            theirs = peer.predict(str(picture), imgsz=SIDE, conf=SCORE, iou=IOU, max_det=MOST, retina_masks=True,
                                  verbose=False, device="cpu")[0].cpu()
            folder = WORK / "labels"
            ours = monza(args.tool, model, picture, folder)
            found, want, have, masks, distance = compare(ours, theirs, theirs.orig_shape)
            # An object whose score or overlap is within the noise of a threshold may fall on either side of it.
            # Where the padding is no whole cells, their masks are interpolated twice, which shows at rough edges.
            least = 0.98 if picture.stem == "bus" else 0.85
            good = want > 0 and found >= 0.97 * want and abs(have - want) <= 0.03 * want + 1 and masks > least and \
                distance < 1 and check_labels(theirs, folder, picture)
            failed |= not good
            print(f"{'ok    ' if good else 'FAILED'} {model.stem} {picture.name}: {found} of {want} objects, {have} ours; "
                  f"mean IoU of masks {masks:.3f}, points within {distance:.2f} pixels")
    return failed


if __name__ == "__main__":
    sys.exit(main())

"""YOLOv8 on ONNX Runtime with the pre- and post-processing of its reference implementation, in numpy."""
import numpy as np
from PIL import Image

SCORE, IOU, MOST, CANDIDATES = 0.001, 0.7, 300, 30000


def _taps(source, target):
    """Bilinear neighbours and weight of half-pixel centres."""
    centre = (np.arange(target) + 0.5) * (source / target) - 0.5
    low = np.floor(centre)
    clip = lambda v: np.clip(v, 0, source - 1).astype(int)
    return clip(low), clip(low + 1), (centre - low).astype(np.float32)


def letterbox(image, size):
    """[1, 3, size, size] in 0..1, the scale, and the upper left corner (x, y) of the picture in it."""
    height, width = image.shape[:2]
    scale = min(size / width, size / height)
    inner_w, inner_h = round(width * scale), round(height * scale)
    left, top = (round((size - inner) / 2 - 0.1) for inner in (inner_w, inner_h))
    pixels = image.astype(np.float32)
    if (inner_w, inner_h) != (width, height):
        a, b, w = _taps(height, inner_h)
        pixels = pixels[a] + (pixels[b] - pixels[a]) * w[:, None, None]
        a, b, w = _taps(width, inner_w)
        pixels = np.floor(pixels[:, a] + (pixels[:, b] - pixels[:, a]) * w[None, :, None] + 0.5)
    canvas = np.full((size, size, 3), 114, np.float32)
    canvas[top:top + inner_h, left:left + inner_w] = pixels
    return np.ascontiguousarray(canvas.transpose(2, 0, 1))[None] / np.float32(255), scale, (left, top)


def nms(boxes, scores, limit) -> list[int]:
    """Greedy suppression; boxes are corners, best score first."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        inter = np.clip(high - low, 0, None).prod(1)
        order = rest[inter / (area[best] + area[rest] - inter) <= limit]
    return kept


def detect(session, path, score=SCORE, iou=IOU):
    """Boxes in pixels of the picture [n, 4] (corners), scores [n], classes [n]; every class whose
    score passes counts at an anchor, suppression is per class."""
    image = np.asarray(Image.open(path).convert("RGB"))
    entry = session.get_inputs()[0]
    tensor, scale, (left, top) = letterbox(image, entry.shape[2])
    out = session.run(None, {entry.name: tensor})[0][0]
    classes, anchors = np.nonzero(out[4:] > score)
    scores = out[4:][classes, anchors]
    best = np.argsort(-scores, kind="stable")[:CANDIDATES]
    classes, anchors, scores = classes[best], anchors[best], scores[best]
    centre, half = out[:2, anchors].T, out[2:4, anchors].T / 2
    boxes = np.concatenate((centre - half, centre + half), 1)
    # Moving each class to a place of its own makes one suppression serve all classes.
    kept = nms(boxes + classes[:, None] * 7680.0, scores, iou)[:MOST]
    boxes = (boxes[kept] - np.array([left, top] * 2)) / scale
    return boxes.clip(0, np.array([image.shape[1], image.shape[0]] * 2)), scores[kept], classes[kept]

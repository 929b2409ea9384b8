"""Deterministic inputs for every model: what a graph declares, and for a few models what it means."""
import pathlib

import numpy as np
from PIL import Image

import peerlib

NUMPY = {"float": np.float32, "float16": np.float16, "double": np.float64, "int64": np.int64, "int32": np.int32,
         "int8": np.int8, "uint8": np.uint8, "bool": np.bool_}

# Extents of symbolic dimensions by their name in the graph; every other one is 1.
EXTENTS = {"seq": 128, "sequence": 128, "sequence_length": 128, "feature_size": 80,
           "encoder_sequence_length": 3000, "encoder_sequence_length / 2": 1500}


def _values(name, shape, dtype, rng):
    """Sensible values for an input, recognised by the name that exporters give it."""
    if name == "input_ids":
        return rng.integers(0, 30000, shape, dtype)
    if name == "attention_mask":  # the last eighth is padding
        mask = np.ones(shape, dtype)
        mask[..., shape[-1] - shape[-1] // 8:] = 0
        return mask
    if name == "token_type_ids":
        return np.broadcast_to(np.arange(shape[-1]) >= shape[-1] // 2, shape).astype(dtype)
    if name == "sr":
        return np.full(shape, 16000, dtype)
    if name == "input_features":
        return (rng.standard_normal(shape) * 0.4 - 0.3).clip(-0.8, 1.2).astype(dtype)
    if dtype.kind in "iub":
        return rng.integers(0, 256 if dtype == np.uint8 else 2, shape).astype(dtype)
    if is_image(shape):
        return rng.random(shape).astype(dtype)
    return (rng.standard_normal(shape) * 0.5).astype(dtype)


def is_image(shape) -> bool:
    """True for NCHW or NHWC with three channels."""
    return len(shape) == 4 and 3 in (shape[1], shape[3])


def seeded(sess, seed=0, extents=None) -> dict[str, np.ndarray]:
    """Inputs of the declared types and shapes. `extents` maps a dimension's name, or
    "INPUT:AXIS" for one without a name, to its extent."""
    rng = np.random.default_rng(seed)
    extents = {**EXTENTS, **(extents or {})}
    feed = {}
    for i in sess.get_inputs():
        shape = [d if isinstance(d, int) else extents.get(f"{i.name}:{k}", extents.get(d, 1))
                 for k, d in enumerate(i.shape)]
        feed[i.name] = _values(i.name, shape, np.dtype(NUMPY[i.type[7:-1]]), rng)
    return feed


def photo(shape, path) -> np.ndarray:
    """A picture resized to the shape of an image input, in 0..1."""
    nchw = shape[1] == 3
    size = (shape[3], shape[2]) if nchw else (shape[2], shape[1])
    pixels = np.asarray(Image.open(path).convert("RGB").resize(size, Image.BILINEAR), np.float32) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if nchw else pixels)[None]


def _boxes(rng, count=300):
    """An output of YOLOv8's form [1, 84, count]: clustered boxes of which some overlap."""
    out = np.zeros((1, 84, count), np.float32)
    clusters = count // 6 + 1
    spread = lambda lo, hi, noise: (rng.uniform(lo, hi, (2, clusters)).repeat(6, 1)[:, :count]
                                    + rng.normal(0, noise, (2, count)))
    out[0, :2], out[0, 2:4] = spread(60, 580, 6), spread(40, 160, 4)
    out[0, 4:] = rng.random((80, count)) ** 12
    return out


def _nms(sess):
    boxes, config = _boxes(np.random.default_rng(1)), np.array([100, 0.45, 0.3], np.float32)
    return [("", {"detection": boxes, "config": config}),
            ("nothing", {"detection": boxes * 0.1, "config": config})]


def _silero(sess):
    shapes = lambda samples: {"input:0": 1, "input:1": samples, "state:1": 1}
    low = seeded(sess, extents=shapes(256))
    low["sr"] = np.array(8000, np.int64)
    return [("16kHz", seeded(sess, extents=shapes(512))), ("8kHz", low)]


def _merged_decoder(sess):
    """Both branches of the If: the prompt without a past, then one token on the past it leaves."""
    prompt = seeded(sess, extents={"past_decoder_sequence_length": 0, "encoder_sequence_length_out": 0})
    prompt["use_cache_branch"] = np.array([False])
    prompt["input_ids"] = np.array([[50258, 50259, 50359, 50363]], np.int64)
    left = peerlib.run(sess, prompt)
    step = dict(prompt, input_ids=np.array([[440]], np.int64), use_cache_branch=np.array([True]))
    step.update({n.replace("present", "past_key_values"): v for n, v in left.items() if n.startswith("present")})
    return [("prompt", prompt), ("cached", step)]


def cases(model, sess=None) -> list[tuple[str, dict[str, np.ndarray]]]:
    """The named input sets of one model: random ones, and a photo for models of images."""
    sess = sess or peerlib.session(model)
    names = {i.name for i in sess.get_inputs()}
    if names == {"detection", "config"}:
        return _nms(sess)
    if names == {"input", "state", "sr"}:
        return _silero(sess)
    if "use_cache_branch" in names:
        return _merged_decoder(sess)
    feed = seeded(sess)
    sets = [("", feed)]
    first = next(iter(feed))
    if len(feed) == 1 and is_image(feed[first].shape):
        picture = peerlib.shared() / "data" / "images" / "bus.jpg"
        # YOLOX was trained on 0..255; the range changes what its quantities look like.
        scale = 255 if "yolox" in pathlib.Path(model).stem else 1
        sets = [("", {first: feed[first] * scale}), ("photo", {first: photo(feed[first].shape, picture) * scale})]
    return sets


def load(path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file."""
    with np.load(path) as z:
        return {k: z[k] for k in z.files}

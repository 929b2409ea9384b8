#!/usr/bin/env python3
"""Checks that objects compiled for one instruction set define no function that others could share.

An inline function or template instance is a weak symbol: the linker keeps one of its copies, and if that is the one
compiled with AVX-512, a program without AVX-512 in its CPU calls it from ordinary code and dies. So the per-ISA
objects may define strong and local functions alone. (Weak data, nm's V and u, holds no instructions.)

  check_isa_symbols.py BUILD_FOLDER        exit 1 and the list of symbols if there are any
"""
import json
import re
import subprocess
import sys
from pathlib import Path

ISA_FLAG = re.compile(r"\s-m(avx|amx|fma|f16c|bmi)")


def weak_functions(path):
    listing = subprocess.run(["nm", "--demangle", "--defined-only", path], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        _, kind, name = line.split(" ", 2)
        if kind in "Ww":
            yield name


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    build = Path(sys.argv[1])
    objects, found, missing = 0, [], []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if not ISA_FLAG.search(entry["command"]):
            continue
        output = build / re.search(r"\s-o\s+(\S+)", entry["command"]).group(1)
        if not output.exists():
            missing.append(output)
            continue
        objects += 1
        found += [(output, name) for name in weak_functions(output)]
    for output, name in found:
        print(f"{output}: defines the weak function {name}")
    if missing:
        sys.exit(f"{len(missing)} objects are not built, the first: {missing[0]}: build everything, then run this again")
    if found:
        sys.exit(f"{len(found)} weak functions: give them internal linkage (docs/howto/add-a-kernel.md)")
    if objects == 0:
        sys.exit("no object is compiled for an instruction set of its own: has the build changed its flags?")
    print(f"{objects} objects, no weak function")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Files of a folder can be compiled together: no two of them define the same thing in an unnamed namespace.

A cold build (docs/howto/build.md) compiles the files of a folder as one, where that is an error. This finds it without a compiler,
by the lines that begin functions, types and constants. It knows no types: what is spelled in two ways passes here, and the
build says so. A function there also hides one of a header of the folder, whatever its parameters, from the files behind it.

Usage: check_names.py
"""
from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["src", "tools", "tests"]
# Compiled alone (cmake/MonzaColdBuild.cmake), or not at all in groups.
ALONE = re.compile(r"\.x86_|/c_api[^/]*\.cpp$|^tools/main\.cpp$|^tests/(fuzz|differential|plugins/libraries|run_only|install)/")
FUNCTION = re.compile(r"^(?!return|else|case|using|namespace|static_assert|extern|friend|TEST|INSTANTIATE)"
                      r"[\w:<>,&*\[\] ]+[ &*](\w+)\((.*)\)(?: const)?(?: noexcept)? (?:\{|=)")
TYPE = re.compile(r"^(?:struct|class|enum class|enum|union) (\w+)[^;()]*\{")
CONSTANT = re.compile(r"^(?:inline )?(?:constexpr|const) [^()=]*?(\w+)(?:\[[^\]]*\])*(?: =|\{)")


def parameters(text: str) -> str:
    """Their types alone."""
    depth, parts = 0, [""]
    for c in text:
        depth += (c in "<({[") - (c in ">)}]")
        if c == "," and depth == 0: parts.append("")
        else: parts[-1] += c
    return ",".join(re.sub(r"(?<=[\w>&*]) ?\b\w+$", "", p.split("=")[0].strip()) if len(p.split()) > 1 else p.strip()
                    for p in parts)


def statements(text: str):
    """Lines that begin at the margin inside an unnamed namespace, with what continues them up to the brace."""
    inside = False
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if line == "namespace {": inside = True
        elif line.startswith("}  // namespace") and line.split()[-1] == "namespace": inside = False
        elif inside and line and line[0] not in " #}/":
            whole = line
            for more in lines[i + 1:i + 6]:
                if re.search(r"[{;]\s*$|\{", whole): break
                whole += " " + more.strip()
            if whole.startswith("template"): continue  # the next line, which the margin finds
            yield i + 1, whole


def definitions(path: Path):
    for line, text in statements(path.read_text()):
        for pattern in (TYPE, CONSTANT):
            if m := pattern.match(text): yield line, m[1]
        if m := FUNCTION.match(text): yield line, f"{m[1]}({parameters(m[2])})"


def aliases(path: Path):
    """Short names for types at the margin, in any namespace: the same for two is an error, twice for one is not."""
    for line, text in enumerate(path.read_text().split("\n"), 1):
        if m := re.match(r"using (\w+) = (.+);", text): yield line, m[1], m[2]


def functions_of_header(path: Path):
    """Names that files of the folder may call: functions at the margin of a header."""
    for line in path.read_text().split("\n"):
        if m := re.match(r"^(?:inline |constexpr )+[\w:<>,&*\[\] ]+[ &*](\w+)\(", line): yield m[1]


def group_of(path: str) -> str:
    """What is compiled together: the target's half of a folder."""
    name = Path(path).name
    half = ("test" if ".test." in name else "run" if re.search(r"\.(ref|check|any)\.cpp$", name) else "build") \
        if path.startswith("src/ops/") else "test" if ".test." in name else "library"
    return f"{Path(path).parent} {half}"


def main() -> int:
    found, named = defaultdict(list), defaultdict(dict)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.cpp")):
            relative = path.relative_to(ROOT).as_posix()
            if ALONE.search(relative): continue
            for line, name in definitions(path):
                found[group_of(relative), name].append(f"{relative}:{line}")
            for line, name, meaning in aliases(path): named[group_of(relative), name][meaning] = f"{relative}:{line}"
    hidden = 0
    for (group, name), places in found.items():
        folder = ROOT / group.split()[0]
        for header in sorted(folder.glob("*.h")):
            if "(" in name and name.split("(")[0] in functions_of_header(header):
                print(f"{name} in {' and '.join(places)} hides a function of {header.relative_to(ROOT).as_posix()} from files that "
                      "are compiled behind it: give it a better name")
                hidden += 1
    clashes = {key: places for key, places in found.items() if len({p.split(":")[0] for p in places}) > 1}
    for (_, name), places in clashes.items():
        print(f"{name} is defined in {' and '.join(places)}: give each its better name, or share it in a header")
    twofold = {key: meanings for key, meanings in named.items() if len({p.split(":")[0] for p in meanings.values()}) > 1}
    for (_, name), meanings in twofold.items():
        print(f"{name} stands for {' and '.join(f'{m} in {place}' for m, place in meanings.items())}: give each its own name")
    bad = bool(clashes or twofold or hidden)
    if not bad: print("names ok")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

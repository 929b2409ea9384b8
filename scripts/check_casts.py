#!/usr/bin/env python3
"""Casts have one form: static_cast<T>(x) between numbers, never T(x) or (T)x; `(void)x` says that a value is not used.

    scripts/check_casts.py         names what differs and exits 1
    scripts/check_casts.py --fix   writes T(x) as static_cast<T>(x)

T(x) of a class makes an object, and T{x} narrows nothing: both are left alone. Of enumerations only (T)x is found.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("include", "src", "tools", "plugins", "tests", "bench", "examples")
LATER = {"src/base/cpu.h"}  # every file includes it: with its next change
NUMBER = (r"(?:std::)?(?:u?int(?:8|16|32|64)_t|u?intptr_t|size_t|ptrdiff_t)|ssize_t|"
          r"(?:unsigned|signed)(?: (?:char|short|int|long))?|bool|char|short|int|long|float|double")
FUNCTIONAL = re.compile(rf"(?<![\w:<>.~])({NUMBER})\((?![)*])")
C_STYLE = re.compile(rf"(?<![\w)>\]])\(({NUMBER})(?: ?\*)?\)\s?[\w(*&~-]")
# A word before T( that makes it something else: a conversion function, a type's name, the type of a declaration.
OTHER = re.compile(r"(operator|new|sizeof|alignof|decltype|const|using \w+ =)\s*$")


def blanked(text):
    """The text with comments and literals as spaces, so that places stay the same."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"([^(\n]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![\w\'])\'(?:\\.|[^\'\\\n])\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)


def functional(code):
    for m in FUNCTIONAL.finditer(code):
        if not OTHER.search(code[max(0, m.start() - 40):m.start()]):
            yield m


def fixed(text):
    while True:
        code = blanked(text)
        found = list(functional(code))
        if not found:
            return text
        m = found[-1]
        text = f"{text[:m.start()]}static_cast<{m.group(1)}>{text[m.end() - 1:]}"


def main():
    fix = sys.argv[1:] == ["--fix"]
    if sys.argv[1:] and not fix:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    found = 0
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".cpp", ".h", ".cu", ".cuh") or str(path.relative_to(ROOT)) in LATER:
                continue
            text = path.read_text()
            if fix:
                new = fixed(text)
                if new != text:
                    path.write_text(new)
                text = new
            code = blanked(text)
            for m in sorted([*functional(code), *C_STYLE.finditer(code)], key=lambda m: m.start()):
                found += 1
                line = text.count("\n", 0, m.start()) + 1
                print(f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[line - 1].strip()}")
    if found:
        print(f"{found} casts of another form: write static_cast<T>(x)")
    else:
        print("casts ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

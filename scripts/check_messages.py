#!/usr/bin/env python3
"""Check that every message a user can meet stands in a test.

Usage: check_messages.py                 exits 1 and prints what is wrong
       check_messages.py --list [PATH]   prints the messages of PATH (a prefix) that no test shows
       check_messages.py --sites [PATH]  prints every message that was found, with its kind

A message is a text that src/ or tools/ hands to something that throws it (fail, fail_hint, Error, UsageError, ...,
and functions that pass a parameter on to these), that is a Status, or that is a Refusal. It is covered when
  - an expected line of a *.messages.txt file is this text, with anything for each {}; or
  - the longest piece of it between {} stands in a string of a *.test.cpp or of another file of tests/.
What tools/ prints goes through print() of tools/text/terminal.h, which makes the names of strangers printable.
Statuses with StatusCode::internal report a broken promise of Monza itself and need no test. What else no input can
reach is listed in tests/messages/unreachable.txt, a line each: `file: text  # why`.

What the tool says of command lines stands in tests/cli/tool.messages.txt, tests/detect/vision.messages.txt and
tests/serve/serve.messages.txt.
To add a case of a model: write a model and, two spaces in, what is said of it into src/ops/<family>/<family>.messages.txt (or
tests/messages/<topic>.messages.txt); tests/support/onnx_notation.h has the notation. Nothing is compiled:
  MONZA_MESSAGES=FILE build/test/monza_test_tests_messages --gtest_filter=MessagesOf.*
prints FILE with what is said of each of its models, and monza_test_tests_messages checks all files.
"""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

# Calls that make a message: name -> positions of the arguments that are its text.
MAKERS = {"fail": [0], "fail_hint": [0, 1], "Error": [0, 1], "UsageError": [0, 1], "SettingsError": [0, 1], "RunError": [0], "runtime_error": [0],
          "fail_with": [1]}
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(]*)\((?P<raw>.*?)\)(?P=d)"|"(?P<s>(?:[^"\\\n]|\\.)*)"|'
                   r"'(?:[^'\\]|\\.)+'|[A-Za-z_]\w*|\d[\w.']*|::|->|<<|>>|[^\s\w]", re.S)
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'", "0": "\0"}
OPEN, CLOSE = {"(": ")", "{": "}", "[": "]"}, set(")}]")


@dataclass
class Token:
    text: str
    line: int
    string: str | None = None  # its content, for a string literal


@dataclass(frozen=True)
class Site:
    file: str
    line: int
    kind: str  # "error", "status", "refusal" or "part": a phrase that is set into another message
    text: str


@dataclass
class Source:
    file: str
    tokens: list[Token]
    match: dict[int, int] = field(default_factory=dict)  # of every bracket: its partner


def tokens_of(text: str) -> list[Token]:
    tokens: list[Token] = []
    line, at = 1, 0
    for m in TOKEN.finditer(text):
        line += text.count("\n", at, m.start())
        at = m.start()
        word = m.group()
        if word.startswith(("//", "/*")):
            continue
        content = m.group("raw")
        if m.group("s") is not None:
            content = re.sub(r"\\(.)", lambda e: ESCAPES.get(e.group(1), e.group(1)), m.group("s"))
        if content is not None and tokens and tokens[-1].string is not None:
            tokens[-1].string += content  # adjacent literals are one
            continue
        tokens.append(Token(word, line, content))
    return tokens


def read(root: Path, path: Path) -> Source:
    source = Source(path.relative_to(root).as_posix(), tokens_of(path.read_text()))
    stack: list[int] = []
    for i, t in enumerate(source.tokens):
        if t.string is not None:
            continue
        if t.text in OPEN:
            stack.append(i)
        elif t.text in CLOSE and stack:
            source.match[i] = stack[-1]
            source.match[stack.pop()] = i
    return source


def split(source: Source, begin: int, end: int, separators: str) -> list[tuple[int, int]]:
    """Pieces of [begin, end) between separators that stand outside all brackets."""
    pieces, i, start = [], begin, begin
    while i < end:
        t = source.tokens[i]
        if t.string is None and t.text in OPEN and i in source.match:
            i = source.match[i]
        elif t.string is None and t.text in separators:
            pieces.append((start, i))
            start = i + 1
        i += 1
    pieces.append((start, end))
    return pieces


def texts_of(source: Source, begin: int, end: int) -> list[str]:
    """What an expression can be, with {} for what is not known: several where it chooses; none where it holds no text."""
    tokens = source.tokens
    while end - begin >= 2 and tokens[begin].text == "(" and source.match.get(begin) == end - 1:
        begin, end = begin + 1, end - 1
    choice = split(source, begin, end, "?:")
    if len(choice) > 1:
        return [t for b, e in choice[1:] for t in texts_of(source, b, e)]
    alternatives, known = [""], False
    for b, e in split(source, begin, end, "+"):
        piece = ["{}"]
        if e - b == 1 and tokens[b].string is not None:
            piece, known = [tokens[b].string], True
        elif e > b and tokens[e - 1].text == ")":
            call = source.match.get(e - 1, e)
            name = tokens[call - 1].text if call > b else "("
            inner = []
            if name in ("format", "message", "string", "move", "string_view"):
                inner = texts_of(source, *split(source, call + 1, e - 1, ",")[0])
            elif call == b:
                inner = texts_of(source, b + 1, e - 1)
            if inner:
                piece, known = inner, True
        alternatives = [a + p for a in alternatives for p in piece]
    return alternatives if known else []


def functions(source: Source):
    """(name, return type, parameters as (type, name), body begin, body end) of what looks like a function or lambda."""
    tokens = source.tokens
    for i, t in enumerate(tokens):
        if t.text != "(" or t.string is not None or i not in source.match or i == 0:
            continue
        close = source.match[i]
        j = close + 1
        while j < len(tokens) and tokens[j].text in ("const", "noexcept", "override", "mutable", "->", "Refusal", "::",
                                                     "std", "string", "bool", "Status", "auto"):
            j += 1
        if j >= len(tokens) or tokens[j].text != "{" or tokens[j].string is not None or j not in source.match:
            continue
        name, returns = tokens[i - 1].text, tokens[i - 2].text if i > 1 else ""
        if name == "]":  # a lambda: `name = [...](...) {`
            opening = source.match.get(i - 1, 0)
            returns = next((k.text for k in tokens[close + 1:j] if k.text in ("Refusal", "Status")), "")
            name = tokens[opening - 2].text if opening > 1 and tokens[opening - 1].text == "=" else ""
        if name in ("if", "for", "while", "switch", "catch", "return"):
            continue
        parameters = []
        for b, e in split(source, i + 1, close, ","):
            words = [k.text for k in tokens[b:e]]
            if "=" in words:
                words = words[:words.index("=")]
            if words:
                parameters.append((" ".join(words[:-1]), words[-1]))
        yield name, returns, parameters, j, source.match[j]


def is_text(type_name: str) -> bool:
    return any(t in type_name for t in ("char const *", "const char *", "string_view", "std :: string", "format_string"))


def calls(source: Source, makers: dict[str, list[int]], begin: int, end: int):
    tokens = source.tokens
    for i in range(begin, end):
        if tokens[i].string is None and tokens[i].text in makers and i + 1 < end and tokens[i + 1].text in ("(", "{") \
                and i + 1 in source.match and tokens[i + 1].string is None:
            if tokens[i - 1].text in ("class", "struct", "]", "explicit", "void") or tokens[i - 1].text == "~":
                continue
            yield i, split(source, i + 2, source.match[i + 1], ",")


def derived_makers(sources: list[Source]) -> dict[tuple[str, str], tuple[list[int], bool]]:
    """Functions that pass text parameters on to a maker: (file or "", name) -> (positions, whole message or a part)."""
    found: dict[tuple[str, str], tuple[list[int], bool]] = {}
    while True:
        before = len(found)
        for source in sources:
            known = makers_for(found, source.file)
            for name, _, parameters, begin, end in functions(source):
                texts = {p: k for k, (type_name, p) in enumerate(parameters) if is_text(type_name)}
                if not name or not texts or name in MAKERS:
                    continue
                whole, part = set(), set()
                for i, arguments in calls(source, {n: p for n, (p, _) in known.items()}, begin, end):
                    positions, complete = known[source.tokens[i].text]
                    for k, (b, e) in enumerate(arguments):
                        for t in source.tokens[b:e]:
                            if t.string is None and t.text in texts:
                                (whole if k in positions and complete and e - b <= 5 else part).add(texts[t.text])
                key = ("" if source.file.endswith(".h") else source.file, name)
                if whole or part:
                    found.setdefault(key, (sorted(whole or part), bool(whole)))
        if len(found) == before:
            return found


def makers_for(found, file: str) -> dict[str, tuple[list[int], bool]]:
    """What makes messages in this file: its own functions, those of headers, and those of other files that a header
    declares: helpers of that kind have telling names."""
    known = {name: entry for (where, name), entry in found.items() if where == file}
    others: dict[str, list] = {}
    for (where, name), entry in found.items():
        if name not in known and (where == "" or name.startswith(("fail", "refuse", "require", "null_", "check"))):
            others.setdefault(name, []).append(entry)
    for name, entries in others.items():
        known[name] = (sorted({k for positions, _ in entries for k in positions}), all(whole for _, whole in entries))
    return known | {n: (p, True) for n, p in MAKERS.items()}


def sites_of(source: Source, found) -> set[Site]:
    sites: set[Site] = set()
    tokens = source.tokens
    known = makers_for(found, source.file)

    def add(line: int, kind: str, text: str) -> None:
        text = re.sub(r"\{[^{}]*\}", "{}", text.replace("{{", "\1").replace("}}", "\2"))
        text = text.replace("\1", "{").replace("\2", "}")
        if re.search(r"[A-Za-z]{2}", text.replace("{}", "")) and (kind != "part" or text.strip().count(" ") >= 2):
            sites.add(Site(source.file, line, kind, text))

    for i, arguments in calls(source, {n: p for n, (p, _) in known.items()}, 0, len(tokens)):
        positions, whole = known[tokens[i].text]
        for k, (b, e) in enumerate(arguments):
            if k in positions and e > b:
                for text in texts_of(source, b, e):
                    add(tokens[b].line, "error" if whole else "part", text)
    for i, t in enumerate(tokens):
        if t.text == "StatusCode" and tokens[i + 2].text != "internal" and tokens[i + 3].text == ",":
            end = next(k for k in range(i, len(tokens)) if tokens[k].text in ("}", ")", ";") and tokens[k].string is None)
            for text in texts_of(source, i + 4, end):
                add(t.line, "status", text)
        if t.text == "MONZA_REQUIRE" and i + 1 in source.match:
            for text in texts_of(source, *split(source, i + 2, source.match[i + 1], ",")[-1]):
                add(t.line, "refusal", text)
        if t.text == "Refusal" and tokens[i + 2].text == "=":
            add(t.line, "refusal", tokens[i + 3].string or "")
    for _, returns, _, begin, end in functions(source):
        if returns not in ("Refusal", "Refuse"):
            continue
        for i in range(begin, end):
            if tokens[i].text == "return":
                stop = next(k for k in range(i, end) if tokens[k].text == ";")
                for text in texts_of(source, i + 1, stop):
                    add(tokens[i].line, "refusal", text)
    return sites


def all_sites(root: Path) -> list[Site]:
    files = [p for folder in ("src", "tools") for p in (root / folder).rglob("*") if p.suffix in (".cpp", ".h")]
    sources = [read(root, p) for p in sorted(files) if not p.name.endswith((".test.cpp", ".bench.cpp"))]
    found = derived_makers(sources)
    return sorted({s for source in sources for s in sites_of(source, found)}, key=lambda s: (s.file, s.line, s.text))


class Shown:
    """The texts of the tests."""

    def __init__(self, root: Path):
        self.expected: list[str] = []
        strings: list[str] = []
        for path in [*(root / "src").rglob("*.messages.txt"), *(root / "tests/messages").glob("*.messages.txt")]:
            for block in re.findall(r"(?:^  .*\n?)+", path.read_text(), re.M):
                lines = [line[2:] for line in block.splitlines()]
                self.expected.append("\n".join(lines))
                self.expected.extend(line.removeprefix("try: ") for line in lines)
        for path in [*(root / "src").rglob("*.test.cpp"), *(root / "tests").rglob("*")]:
            if path.suffix in (".cpp", ".h", ".c"):
                strings += [t.string for t in tokens_of(path.read_text()) if t.string is not None]
            # The tables of the tool's messages (expect_messages in tests/cli/driver.h) are its words as they are.
            elif path.suffix in (".py", ".sh") or path.match("tests/cli/*.messages.txt") or \
                    path.match("tests/detect/*.messages.txt") or path.match("tests/serve/*.messages.txt"):
                strings.append(path.read_text())
        self.strings = "\0".join(strings)
        self.lines = "\n".join(self.expected)

    def covers(self, site: Site) -> bool:
        pieces = site.text.strip().split("{}")
        longest = max((p.strip() for p in pieces), key=len)
        if longest in self.strings:
            return True
        if site.kind == "part":
            return longest in self.lines
        if longest not in self.lines:
            return False
        pattern = re.compile(".*".join(re.escape(p) for p in pieces), re.S)
        return any(pattern.fullmatch(e) or (pattern.match(e) and "\n" in e) for e in self.expected if longest in e)


def unreachable(root: Path) -> dict[tuple[str, str], str]:
    entries = {}
    path = root / "tests/messages/unreachable.txt"
    for line in path.read_text().splitlines() if path.exists() else []:
        if line and not line.startswith("#"):
            entry, _, reason = line.partition("  # ")
            file, _, text = entry.partition(": ")
            entries[(file, text.strip())] = reason.strip()
    return entries


def main() -> int:
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0
    root = Path(__file__).resolve().parent.parent
    sites = all_sites(root)
    prefix = arguments[1] if len(arguments) > 1 else ""
    one_line = lambda text: text.replace("\n", "\\n").strip()
    if arguments[:1] == ["--sites"]:
        for s in sites:
            if s.file.startswith(prefix):
                print(f"{s.file}:{s.line}: {s.kind}: {one_line(s.text)}")
        return 0
    shown, excused = Shown(root), unreachable(root)
    open_sites = [s for s in sites if not shown.covers(s)]
    if arguments[:1] == ["--list"]:
        missing = [s for s in open_sites if s.file.startswith(prefix) and (s.file, one_line(s.text)) not in excused]
        for s in missing:
            print(f"{s.file}:{s.line}: {s.kind}: {one_line(s.text)}")
        print(f"{len(missing)} of {sum(s.file.startswith(prefix) for s in sites)} messages are in no test", file=sys.stderr)
        return 0
    problems = [f"{s.file}:{s.line}: no test shows: {one_line(s.text)}" for s in open_sites
                if (s.file, one_line(s.text)) not in excused]
    for path in sorted((root / "tools").rglob("*.cpp")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"fmt::print\((?!stderr)", line):
                problems.append(f"{path.relative_to(root)}:{number}: print with tools/text/terminal.h, which makes names printable")
    still_open = {(s.file, one_line(s.text)) for s in open_sites}
    for (file, text), reason in excused.items():
        if (file, text) not in still_open:
            problems.append(f"tests/messages/unreachable.txt: {file}: {text}: is gone or in a test; remove the line")
        elif not reason:
            problems.append(f"tests/messages/unreachable.txt: {file}: {text}: no reason is given")
    print("\n".join(problems) or f"all {len(sites)} messages are in tests")
    if problems:
        print("  try: scripts/check_messages.py --help tells how to add a case", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

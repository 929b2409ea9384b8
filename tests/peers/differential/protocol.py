"""Talks to monza_differential (tests/differential): cases as bytes in, lines of results out."""
import os
import queue
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from graph import BOOL, F16, F32, F64, I8, I16, I32, I64, TEXT, U8, U16, U32, U64

MAGIC = 0x32444D4D
# As include/monza/dtype.h numbers them.
CODES = {F32: 1, F64: 2, F16: 3, I8: 5, U8: 6, I16: 7, U16: 8, I32: 9, U32: 10, I64: 11, U64: 12, BOOL: 13, TEXT: 16,
         np.dtype(np.complex64): 14, np.dtype(np.complex128): 15}
FIRST, TIMED, DRAWN = range(3)
# Relative, of the largest, absolute: what rounding alone easily reaches. What lies beyond is held against the noise of
# the model itself (judge.py), so these need not cover the worst.
TOLERANCES = {F32: (1e-5, 4e-6, 1e-36), F64: (1e-11, 1e-12, 1e-300), F16: (2e-3, 1e-3, 1e-6),
              np.dtype(np.complex64): (1e-5, 2e-6, 1e-36), np.dtype(np.complex128): (1e-11, 1e-12, 1e-300)}


@dataclass
class Way:
    """One way of planning a model: tests/differential/case.h says what the fields are."""
    name: str
    ranged: bool = False
    profiles: bool = False
    kernels: int = FIRST
    optimize: bool = True
    reload: bool = False
    seed: int = 1
    disabled: tuple = ()


def ways_of(case):
    """The four ways of a case, and sometimes without passes, or with two profiles. Timed and drawn kernels take turns in seeing ranges."""
    turn = case.seed % 2 == 1 and case.varies
    ways = [Way("static"), Way("tuned", turn, kernels=TIMED), Way("random", turn, kernels=DRAWN, seed=case.seed + 1),
            Way("random2", not turn and case.varies, kernels=DRAWN, seed=case.seed + 0x9E3779B9)]
    if case.seed % 4 == 0:
        ways.append(Way("plain", turn, optimize=False))
    if case.varies and case.seed % 3 == 0:
        ways.append(Way("profiles", profiles=True, reload=True))
    if case.varies:
        ways.insert(1, Way("ranged", True, reload=True))
    return ways


def _text(x):
    data = x if isinstance(x, bytes) else str(x).encode()
    return struct.pack("<I", len(data)) + data


def _numbers(x):
    return struct.pack(f"<I{len(x)}q", len(x), *map(int, x))


def _tensor(array):
    head = struct.pack("<B", CODES[array.dtype]) + _numbers(array.shape)
    if array.dtype == TEXT:
        return head + struct.pack("<I", array.size) + b"".join(_text(s) for s in array.ravel())
    data = np.ascontiguousarray(array).tobytes()
    return head + struct.pack("<Q", len(data)) + data


def _list(parts):
    parts = list(parts)
    return struct.pack("<I", len(parts)) + b"".join(parts)


def encode(case, ways) -> bytes:
    loose = case.notes.get("tolerance")

    def expected(name, value):
        return _text(name) + _tensor(value) + struct.pack("<3d", *(loose or TOLERANCES.get(value.dtype, (0, 0, 0))))

    body = _text(case.id) + _text(case.model.SerializeToString())
    body += _list(_text(w.name) + struct.pack("<BBBBBQ", w.ranged, w.profiles, w.kernels, w.optimize, w.reload, w.seed & (2**64 - 1))
                  + _list(map(_text, w.disabled)) for w in ways)
    body += _list(_text(n) + b"".join(map(_numbers, r)) for n, r in case.ranges.items())
    body += _list(_text(n) + _numbers(v.ravel()) for n, v in case.shape_values.items())
    body += _list(_list(_text(n) + _tensor(v) for n, v in feed.items()) + _list(expected(*o) for o in want.items())
                  for feed, want in zip(case.feeds, case.expected))
    return struct.pack("<II", MAGIC, len(body)) + body


@dataclass
class Bad:
    """Something that went wrong in one way of planning a case."""
    way: str
    kind: str  # build, run, type, value, threads, again, crash, hang
    feed: str = "-"
    threads: str = "-"
    output: str = "-"
    text: str = ""
    elements: list = field(default_factory=list)  # of kind value: (index, got, want)
    kernels: str = ""


class Gone(Exception):
    """The runner ended, or was ended because it hung, while it worked on a case."""


class Runner:
    """The runner's process. Results come back in the order of the cases sent."""

    def __init__(self, path, isa="", timeout=60):
        self.timeout = timeout
        environment = dict(os.environ)
        if isa:
            environment["MONZA_ISA"] = isa
        environment.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0:allocator_may_return_null=1")
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=environment, start_new_session=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self.lines.put(line.decode(errors="replace").rstrip("\n").split("\t"))
        self.lines.put(None)

    def _send(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            pass  # the reader sees the end

    def send(self, case, ways):
        self._send(encode(case, ways))

    def last_words(self):
        """The end of what it wrote to its standard error."""
        size = self.errors.seek(0, 2)
        self.errors.seek(max(0, size - 200000))
        text = self.errors.read().decode(errors="replace")
        for mark in ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
            if mark in text:
                return text[max(0, text.index(mark) - 200):][:6000]
        return text[-1500:].strip()

    def result(self):
        """(case id, list of Bad) of the next case. Raises Gone with (case id, list of Bad) when it dies in it."""
        case, bads, step, began = None, [], ("-", "start", "-", "-"), time.monotonic()
        while True:
            try:
                words = self.lines.get(timeout=max(0.1, began + self.timeout - time.monotonic()))
            except queue.Empty:
                self.process.kill()
                raise Gone(case, bads + [Bad(step[0], "hang", step[2], step[3], text=f"{step[1]} takes over {self.timeout} s")])
            if words is None:
                code = self.process.wait()
                text = f"{step[1]}: ended with {code} {self.last_words()}"
                raise Gone(case, bads + [Bad(step[0], "crash", step[2], step[3], text=text)])
            head, rest = words[0], words[1:]
            if head == "begin":
                case, bads, began = rest[0], [], time.monotonic()
            elif head == "step":
                step, began = rest, time.monotonic()
            elif head == "bad":
                bads.append(Bad(*rest))
            elif head == "at":
                bads[-1].elements.append((int(rest[0]), rest[1], rest[2]))
            elif head == "kernels":
                for bad in bads:
                    if bad.way == rest[0]:
                        bad.kernels = rest[1]
            elif head == "end":
                return case, bads

    def counts(self):
        """What passes and kernels were counted since the last call: {(kind, name): number}."""
        self._send(struct.pack("<II", MAGIC, 0))
        counted = {}
        while True:
            try:
                words = self.lines.get(timeout=self.timeout)
            except queue.Empty:
                return counted
            if words is None or words[0] == "counted":
                return counted
            if words[0] == "count":
                counted[words[1], words[2]] = int(words[3])

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(5)
        except Exception:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def everything(path):
    """Passes and kernels that there are: ([names], {kernel: operator})."""
    passes, kernels = [], {}
    for line in subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout.splitlines():
        words = line.split("\t")
        if words[0] == "pass":
            passes.append(words[1])
        else:
            kernels[words[1]] = words[2]
    return passes, kernels

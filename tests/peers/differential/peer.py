"""ONNX Runtime in a process of its own: where it crashes or hangs, one graph is lost and the tester goes on.

As a program it answers pickled (model, feeds) on its standard input, after their length in 8 bytes, with the outputs of
each feed or the words of the failure on its standard output.
"""
import os
import pathlib
import pickle
import select
import signal
import struct
import subprocess
import sys
import time

from graph import Invalid

SECONDS = 20  # that one model may take


class PeerDied(Invalid):
    """The peer's process ended, or was ended because it hung: nothing is known of the graph."""


class Peer:
    """The process, started when it is first asked and again after it has died. Not for several threads."""

    def __init__(self):
        self.process = None

    def outputs_of(self, model: bytes, feeds):
        """A dictionary of arrays for each feed. Raises Invalid with ONNX Runtime's words, or PeerDied."""
        if self.process is None:
            # A session of its own: what ends the tester by a signal to its group reaches the peer as the end of input.
            self.process = subprocess.Popen([sys.executable, "-W", "ignore", str(pathlib.Path(__file__).resolve())],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                            start_new_session=True)
        data = pickle.dumps((model, feeds), pickle.HIGHEST_PROTOCOL)
        try:
            self.process.stdin.write(struct.pack("<Q", len(data)) + data)
            self.process.stdin.flush()
        except OSError:
            raise PeerDied(self._ended()) from None
        until = time.monotonic() + SECONDS
        size, = struct.unpack("<Q", self._read(8, until))
        good, answer = pickle.loads(self._read(size, until))
        if not good:
            raise Invalid(answer)
        return answer

    def _read(self, size, until):
        parts, left = [], size
        while left:
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                self.process.kill()
                self._ended()
                raise PeerDied(f"ONNX Runtime takes over {SECONDS} s")
            part = os.read(self.process.stdout.fileno(), left)
            if not part:
                raise PeerDied(self._ended())
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _ended(self):
        """Gives the process up; how it ended."""
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except OSError:
                pass
        self.process = None
        return f"ONNX Runtime's process ended by {signal.Signals(-code).name}" if code < 0 else f"ONNX Runtime's process ended with {code}"


def serve():
    import numpy as np
    import onnxruntime as ort

    def session(model):
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints is no answer
    ort.set_default_logger_severity(4)
    while head := sys.stdin.buffer.read(8):
        model, feeds = pickle.loads(sys.stdin.buffer.read(struct.unpack("<Q", head)[0]))
        try:
            run = session(model)
            names = [o.name for o in run.get_outputs()]
            answer = True, [dict(zip(names, map(np.asarray, run.run(names, feed)))) for feed in feeds]
        except Exception as e:  # its exceptions have no common class
            answer = False, str(e).splitlines()[0][:300] if str(e) else type(e).__name__
        data = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        answers.write(struct.pack("<Q", len(data)) + data)
        answers.flush()


if __name__ == "__main__":
    serve()

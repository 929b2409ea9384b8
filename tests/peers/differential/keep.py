"""Cases as folders: model.onnx, feed_N.npz, expected_N.npz, case.json and info.md."""
import json
import pathlib
import re

import numpy as np
import onnx

from graph import Case
from protocol import Gone, Runner, Way


def words(bad):
    """One line for people, and the worst elements."""
    at = "".join(f"\n    [{i}] {got} instead of {want}" for i, got, want in bad.elements[:4])
    where = f"feed {bad.feed}, {bad.threads} threads" if bad.feed != "-" else ""
    kernels = f"\n    kernels: {bad.kernels}" if bad.kernels else ""
    what = f"{bad.text} elements differ" if bad.kind == "value" else bad.text
    return f"{bad.way}: {bad.kind} {where} {bad.output if bad.output != '-' else ''} {what}{at}{kernels}"


def write(case, folder, bads, more="", command=""):
    """Writes the case; `more` goes into info.md."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for k, (feed, want) in enumerate(zip(case.feeds, case.expected)):
        np.savez(folder / f"feed_{k}.npz", **feed)
        np.savez(folder / f"expected_{k}.npz", **want)
    notes = {k: v for k, v in case.notes.items() if isinstance(v, (int, float, str, bool, list, tuple))}
    (folder / "case.json").write_text(json.dumps({
        "family": case.family, "seed": case.seed, "feeds": len(case.feeds), "ranges": case.ranges, "notes": notes,
        "shape_values": {k: v.tolist() for k, v in case.shape_values.items()}}, indent=1))
    text = re.sub(r"\{[^{}\n]{60,}\}", "{...}", onnx.printer.to_text(case.model))
    (folder / "info.md").write_text("\n".join([
        f"# {case.id}", "", more, "", *map(words, bads), "", "Repeat: " + command if command else "",
        f"{'Ranges: ' + str(case.ranges) if case.varies else ''}", "", "```", text, "```", ""]))


def read(folder):
    """A case that write() wrote."""
    folder = pathlib.Path(folder)
    about = json.loads((folder / "case.json").read_text())
    model = onnx.load(str(folder / "model.onnx"))

    def arrays(name):
        with np.load(folder / name, allow_pickle=True) as z:
            return {k: z[k] for k in z.files}

    feeds = [arrays(f"feed_{k}.npz") for k in range(about["feeds"])]
    ranges = {k: tuple(v) for k, v in about["ranges"].items()}
    values = {k: np.array(v, feeds[0][k].dtype).reshape(feeds[0][k].shape) for k, v in about["shape_values"].items()}
    case = Case(about["family"], about["seed"], model, feeds, ranges, values, about.get("notes"))
    case.expected = [arrays(f"expected_{k}.npz") for k in range(about["feeds"])]
    return case


def try_case(case, ways, options, runner=None):
    """What is wrong with one case, by a runner of its own unless one is given."""
    own = runner or Runner(options.runner, options.isa, options.timeout)
    try:
        own.send(case, ways)
        return own.result()[1]
    except Gone as gone:
        return gone.args[1]
    finally:
        if runner is None:
            own.close()


def way_named(case, name):
    """The way of that name, as ways_of makes it; "static" where the case has no such way any more."""
    from protocol import ways_of
    return next((w for w in ways_of(case) if w.name == name), Way("static"))

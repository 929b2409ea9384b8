#!/usr/bin/env python3
"""Whether the tester finds what is wrong: faults are planted in what ONNX Runtime computes, and judged as Monza's results are.

  planted.py --count 600           so many graphs, every family in turn; --start, --families as in differ.py

A fault is one element of one output: its neighbour's value (a wrong index), 0 (left out), one part in 500 more (a wrong
weight in a sum), NaN, or of integers another one. Prints how many of each kind were found, and what was excused. Exits 1
when less than --least of all are found: some of the elements are noise, and then no measure can tell.
"""
import argparse
import collections
import dataclasses
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from differ import chosen, draw, remaining, schedule
from graph import Invalid
from protocol import TOLERANCES, Bad


def neighbour(values, i):
    return values[(i + 1) % values.size]


FAULTS = {"neighbour": neighbour, "left out": lambda values, i: 0, "one part in 500": lambda values, i: values[i] * 1.002,
          "NaN": lambda values, i: np.nan}


def planted(case, rng):
    """(kind, feed, output, element, value) of a fault for each kind that the case has room for."""
    for kind, change in FAULTS.items():
        feed = int(rng.integers(len(case.feeds)))
        names = [n for n, v in case.expected[feed].items() if v.size and v.dtype.kind in "fiu"]
        if not names:
            continue
        name = names[rng.integers(len(names))]
        values = case.expected[feed][name].ravel()
        i = int(rng.integers(values.size))
        if values.dtype.kind != "f" and kind in ("NaN", "one part in 500"):
            continue
        with np.errstate(all="ignore"):
            yield kind, feed, name, i, values.dtype.type(change(values, i))


def difference(case, feed, name, i, value):
    """What the runner would say of the element, as a list."""
    want = case.expected[feed][name]
    relative, of_largest, absolute = case.notes.get("tolerance") or TOLERANCES.get(want.dtype, (0, 0, 0))
    got, wanted = float(value), float(want.ravel()[i])
    finite = np.abs(want[np.isfinite(want)].astype(np.float64))
    room = absolute + relative * abs(wanted) + of_largest * (finite.max() if finite.size else 0)
    if got == wanted or np.isnan(got) and np.isnan(wanted) or abs(got - wanted) <= room:
        return []
    return [Bad("static", "value", str(feed), "1", name, "1", elements=[(i, f"{got:.9g}", f"{wanted:.9g}")])]


@dataclasses.dataclass
class StaticWay:
    name: str = "static"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=200)
    p.add_argument("--start", type=int, default=0)
    p.add_argument("--families", default="")
    p.add_argument("--least", type=float, default=0.97, help="the share of faults that must be found")
    p.add_argument("--tell", action="store_true", help="name the faults that were excused")
    options = p.parse_args()
    import families
    weights = chosen({name: weight for name, (_, weight) in families.load().items()}, options.families)
    found, all_ = collections.Counter(), collections.Counter()
    for index, (name, seed) in enumerate(schedule(weights, options.start)):
        if index >= options.count:
            break
        try:
            case = draw(name, seed)
        except Invalid:
            continue
        for kind, *where in planted(case, np.random.default_rng(seed)):
            bads = difference(case, *where)
            if not bads:
                continue
            all_[kind] += 1
            if remaining(case, bads, [StaticWay()], lambda other, ways: difference(other, *where)):
                found[kind] += 1
            elif options.tell:
                print(f"excused: {case.id} {kind}, feed {where[0]}, {where[1]}[{where[2]}]: {bads[0].elements[0][1:]}", flush=True)
    for kind in all_:
        print(f"{kind:16} {found[kind]:6} of {all_[kind]:6} found")
    share = sum(found.values()) / max(1, sum(all_.values()))
    print(f"{100 * share:.1f} % of {sum(all_.values())} planted faults found")
    return 0 if share >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())

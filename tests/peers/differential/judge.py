"""Whether a difference is more than rounding: the second look at elements beyond the first tolerance."""
import numpy as np

from graph import Invalid
from reference import noise

LIMIT = 12  # an error may be so many times what noise of some ulps on every value did in sixteen trials: Winograd's
            # convolutions and long sums need most of it


def within(value, near, dtype) -> bool:
    """True if the value is one of `near`, or lies about as far from them as they lie from each other."""
    if np.isnan(value) or np.isinf(value):
        # Where noise alone makes numbers of NaN, or the other way round, any of them may come: log(0 and a little).
        return (any(n == value or np.isnan(n) and np.isnan(value) for n in near)
                or len({"nan" if np.isnan(n) else "inf" if np.isinf(n) else "number" for n in near}) > 1)
    finite = [n for n in near if np.isfinite(n)]
    if not finite:
        return False
    low, high = min(finite), max(finite)
    room = LIMIT * (high - low)
    if dtype.kind == "f":
        room += max(abs(low), abs(high)) * (2.0**-11 if dtype == np.float16 else 1e-7)
    return low - room <= value <= high + room


class Judge:
    """Judges the differences of one case; the noisy results of a feed are computed once."""

    def __init__(self, case):
        self.case, self.noisy = case, {}

    def _shaken(self, feed):
        if feed not in self.noisy:
            try:
                self.noisy[feed] = noise(self.case.model, self.case.feeds[feed])
            except Invalid:
                self.noisy[feed] = {}
        return self.noisy[feed]

    def is_rounding(self, bad) -> bool:
        """True if every differing element that is known lies where the model's own noise carries it."""
        if bad.kind != "value" or not bad.elements:
            return False
        feed = int(bad.feed)
        want = self.case.expected[feed][bad.output]
        trials = self._shaken(feed).get(bad.output, [])
        if not trials or want.dtype == object or any(t.shape != want.shape for t in trials):
            return False
        flat = want.ravel()
        trials = [t.ravel() for t in trials]
        return all(within(float(got), [float(flat[i]), *(float(t[i]) for t in trials)], flat.dtype) for i, got, _ in bad.elements)

    def reference_agrees(self, bad) -> bool:
        """True if ONNX's own reference computes what Monza does where ONNX Runtime does not."""
        from reference import second_opinion
        if bad.kind != "value" or not bad.elements:
            return False
        try:
            says = np.asarray(second_opinion(self.case.model, self.case.feeds[int(bad.feed)])[bad.output])
        except (Invalid, KeyError):
            return False
        want = self.case.expected[int(bad.feed)][bad.output]
        if says.shape != want.shape or says.dtype.kind not in "fiub":
            return False
        for index, got, _ in bad.elements:
            a, b = float(got), float(says.ravel()[index])
            if np.isinf(a) and abs(b) >= np.finfo(np.float32).max:
                b = np.copysign(np.inf, b)  # the reference's Resize clips to what the type can hold
            if not (a == b or np.isnan(a) and np.isnan(b) or abs(a - b) <= 1e-4 * max(1, abs(b))):
                return False
        return True

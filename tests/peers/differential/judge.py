"""Whether a difference is more than rounding: the second look at elements beyond the first tolerance."""
import numpy as np
from onnx import TensorProto

from graph import Invalid
from noise import Trials
from reference import outputs_of, second_opinion, widened

LIMIT = 12  # an error may be so many times what noise of some ulps on every value did: Winograd's convolutions and long sums
            # need most of it
TRIALS, MORE = 16, 96  # MORE for what is rare: which of several equal values is the largest is drawn anew in each trial


def within(value, near, dtype) -> bool:
    """True if the value is one of `near`, or lies about as far from them as they lie from each other."""
    # Where noise alone makes numbers of NaN, or the other way round, any of them may come: log(0 and a little).
    mixed = len({"nan" if np.isnan(n) else "inf" if np.isinf(n) else "number" for n in near}) > 1
    if np.isnan(value) or np.isinf(value):
        return mixed or any(n == value or np.isnan(n) and np.isnan(value) for n in near)
    finite = [n for n in near if np.isfinite(n)]
    if not finite:  # squares that overflow on the way: what does not square, or squares in wider floats, has the number
        return mixed and abs(value) > 2.0**64
    low, high = min(finite), max(finite)
    room = LIMIT * (max(abs(low), abs(high)) if mixed else high - low)
    if dtype.kind == "f":
        room += max(abs(low), abs(high)) * (2.0**-11 if dtype == np.float16 else 1e-7)
    return low - room <= value <= high + room


class Judge:
    """Judges the differences of one case; the noisy results of a feed are computed once."""

    def __init__(self, case):
        self.case, self.trials, self.exact = case, {}, {}
        graph = case.model.graph
        self.halves = any(v.type.tensor_type.elem_type == TensorProto.FLOAT16 for v in [*graph.input, *graph.value_info]) or any(
            a.name == "to" and a.i == TensorProto.FLOAT16 for n in graph.node for a in n.attribute)

    def _noisy(self, feed, output, count, winograd):
        """The output's elements in so many trials with noise; none where the noisy model cannot be computed."""
        key = feed, winograd
        if key not in self.trials:
            self.trials[key] = Trials(self.case.model, self.case.feeds[feed], self.case.evaluate or outputs_of, winograd)
        want = self.case.expected[feed][output]
        try:
            found = self.trials[key].of(output, count)
        except Invalid:
            return []
        return [t.ravel() for t in found] if all(t.shape == want.shape for t in found) else []

    def is_rounding(self, bad) -> bool:
        """True if every differing element that is known lies where the model's own noise carries it, or where wider floats
        have it: what Monza fuses is not rounded, and does not overflow, in between."""
        if bad.kind != "value" or not bad.elements:
            return False
        feed = int(bad.feed)
        want = self.case.expected[feed][bad.output]
        if want.dtype == object:
            return False
        flat = want.ravel()
        left = [(i, got) for i, got, _ in bad.elements if not self._is_wider(feed, bad.output, flat, i, float(got))
                and not self._is_rounded_each(feed, bad.output, flat, i, float(got))]
        if not left:
            return True
        left = [(i, got) for i, got in left if not self._is_wider(feed, bad.output, flat, i, float(got), True)]
        beyond = self._beyond(left, TRIALS, bad)
        if 0 < len(beyond) <= len(left) / 2:  # some are explained
            beyond = self._beyond(beyond, MORE, bad)
        return not beyond

    def _beyond(self, elements, count, bad):
        """Those of the elements that so many trials with noise do not reach."""
        flat = self.case.expected[int(bad.feed)][bad.output].ravel()
        trials = self._noisy(int(bad.feed), bad.output, count, "winograd" in bad.kernels) if elements else []
        return [(i, got) for i, got in elements
                if not trials or not within(float(got), [float(flat[i]), *(float(t[i]) for t in trials)], flat.dtype)]

    def _is_wider(self, feed, output, want, i, got, numbers=False) -> bool:
        """Of 16 bits: within an ulp of what twice as many give, or nearer to it than what is wanted. Of 32: what twice as
        many give, where one of the two is no number; `numbers`: where both are, too, to some ulps."""
        both = np.isfinite(want[i]) and np.isfinite(got)
        if want.dtype not in (np.float16, np.float32) or want.dtype == np.float32 and both and not numbers:
            return False
        key = feed, want.dtype
        if key not in self.exact:
            model, inputs = widened(self.case.model, self.case.feeds[feed], want.dtype.type)
            try:
                self.exact[key] = (self.case.evaluate or outputs_of)(model.SerializeToString(), [inputs])[0]
            except Invalid:
                try:
                    self.exact[key] = second_opinion(model, inputs)
                except Invalid:
                    self.exact[key] = {}
        exact = self.exact[key].get(output)
        if exact is None or exact.size != want.size:
            return False
        exact = float(np.ravel(exact)[i])
        with np.errstate(over="ignore"):
            rounded = float(want.dtype.type(exact))
            ulp = float(np.spacing(np.abs(want.dtype.type(exact)))) if np.isfinite(rounded) else 0.0
        if np.isnan(got) or np.isnan(exact) or not np.isfinite(rounded):
            return got == rounded or np.isnan(got) and np.isnan(exact)
        if want.dtype == np.float16:
            return abs(got - exact) <= max(abs(float(want[i]) - exact), ulp)
        return abs(got - exact) <= max((1e-6 if both else 1e-4) * abs(exact), ulp)

    def _is_rounded_each(self, feed, output, want, i, got) -> bool:
        """Of 16 bits, or an integer made of such: what ONNX's reference has, which rounds, and overflows, behind each node;
        ONNX Runtime may not."""
        if want.dtype != np.float16 and not (want.dtype.kind in "iub" and self.halves):
            return False
        if ("reference", feed) not in self.exact:
            try:
                self.exact["reference", feed] = second_opinion(self.case.model, self.case.feeds[feed])
            except Invalid:
                self.exact["reference", feed] = {}
        says = self.exact["reference", feed].get(output)
        if says is None or np.size(says) != want.size:
            return False
        value = float(np.ravel(says)[i])
        if want.dtype != np.float16:
            return value == got
        if not np.isfinite(value) or not np.isfinite(got):
            return value == got or np.isnan(value) and np.isnan(got)
        return abs(value - got) <= float(np.spacing(np.abs(np.float16(value))))

    def reference_agrees(self, bad) -> bool:
        """True if ONNX's own reference computes what Monza does where ONNX Runtime does not."""
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
            if not (a == b or np.isnan(a) and np.isnan(b) or abs(a - b) <= 1e-4 * max(1, abs(b))):
                return False
        return True

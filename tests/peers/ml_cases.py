"""Draws of ai.onnx.ml's operators for contrib_test.py."""
import numpy as np

ML = "ai.onnx.ml"
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def _rows(c, low=1):
    n, f = (int(v) for v in c.rng.integers(low, 9, 2))
    kind = c.rng.integers(3)
    x = c.floats(n, f) if kind else c.ints(-4, 5, n, f, dtype=np.int64)
    c.input(x)
    return n, f


def _per_feature(c, f, count=None):
    """As many numbers as features, or one."""
    return [float(v) for v in c.floats(count or (f if c.flip() else 1))]


@case
def Scaler(c):
    _, f = _rows(c)
    offset = _per_feature(c, f)
    c.attrs.update(offset=offset, scale=_per_feature(c, f, len(offset)))


@case
def Normalizer(c):
    n, f = (int(v) for v in c.rng.integers(1, 9, 2))
    x = c.floats(n, f)
    x[0] = 0 if c.flip() else x[0]
    c.input(x)
    c.attrs["norm"] = str(c.rng.choice(["MAX", "L1", "L2"]))


@case
def Imputer(c):
    n, f = (int(v) for v in c.rng.integers(1, 9, 2))
    if c.flip():
        c.input(c.ints(0, 3, n, f, dtype=np.int64))
        c.attrs.update(imputed_value_int64s=[7] * (f if c.flip() else 1), replaced_value_int64=2)
        return
    x = np.round(c.floats(n, f))
    nan = c.flip()
    if nan:
        x[x == 1] = np.nan
    c.input(x)
    c.attrs.update(imputed_value_floats=_per_feature(c, f), replaced_value_float=float("nan") if nan else 1.0)


@case
def OneHotEncoder(c):
    shape = tuple(int(v) for v in c.rng.integers(1, 6, c.rng.integers(1, 3)))
    c.input(c.ints(0, 6, *shape, dtype=np.int64) if c.flip() else np.round(c.floats(*shape) + 2))
    c.attrs.update(cats_int64s=[0, 2, 3, 5], zeros=1)


@case
def FeatureVectorizer(c):
    n = int(c.rng.integers(1, 6))
    widths = [int(v) for v in c.rng.integers(1, 5, c.rng.integers(1, 4))]
    floats = c.flip()
    for w in widths:
        c.input(c.floats(n, w) if floats else c.ints(-3, 4, n, w, dtype=np.int64))
    c.attrs["inputdimensions"] = widths


def _labels(c, count, ints):
    if c.flip():
        c.attrs[ints] = [int(v) for v in c.rng.permutation(20)[:count]]
    else:
        c.attrs["classlabels_strings"] = [f"label {i}" for i in c.rng.permutation(count)]
    c.outputs = ["y", "z"]


@case
def LinearRegressor(c):
    n, f = (int(v) for v in c.rng.integers(1, 9, 2))
    c.input(c.floats(n, f))
    targets = int(c.rng.integers(1, 4))
    c.attrs.update(targets=targets, coefficients=[float(v) for v in c.floats(targets * f)],
                   intercepts=[float(v) for v in c.floats(targets)])


@case
def LinearClassifier(c):
    _, f = _rows(c)
    classes = int(c.rng.integers(2, 5))
    scores = 1 if classes == 2 and c.flip() else classes
    c.attrs.update(coefficients=[float(v) for v in c.floats(scores * f)],
                   intercepts=[float(v) for v in c.floats(scores)], multi_class=int(c.flip()),
                   post_transform=str(c.rng.choice(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])))
    _labels(c, classes, "classlabels_ints")


@case
def SVMRegressor(c):
    n, f = (int(v) for v in c.rng.integers(1, 7, 2))
    c.input(c.floats(n, f))
    supports = int(c.rng.integers(0, 6))
    kind = str(c.rng.choice(["LINEAR", "POLY", "RBF", "SIGMOID"])) if supports else "LINEAR"
    c.attrs.update(kernel_type=kind, kernel_params=[0.3, 0.5, 3.0], rho=[0.25], n_supports=supports,
                   coefficients=[float(v) for v in c.floats(supports or f)], one_class=int(c.flip()),
                   post_transform="NONE")
    if supports:
        c.attrs["support_vectors"] = [float(v) for v in c.floats(supports * f)]


@case
def SVMClassifier(c):
    n, f, classes = (int(v) for v in (*c.rng.integers(1, 7, 2), c.rng.integers(2, 6)))
    c.input(c.floats(n, f))
    per_class = [int(v) for v in c.rng.integers(1, 4, classes)]
    pairs = classes * (classes - 1) // 2
    c.attrs.update(kernel_type=str(c.rng.choice(["LINEAR", "POLY", "RBF", "SIGMOID"])), kernel_params=[0.3, 0.5, 3.0],
                   vectors_per_class=per_class, support_vectors=[float(v) for v in c.floats(sum(per_class) * f)],
                   coefficients=[float(v) for v in c.floats((classes - 1) * sum(per_class))],
                   rho=[float(v) for v in c.floats(pairs)],
                   post_transform=str(c.rng.choice(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])))
    if c.flip():
        c.attrs.update(prob_a=[-abs(float(v)) for v in c.floats(pairs)], prob_b=[float(v) for v in c.floats(pairs)])
    _labels(c, classes, "classlabels_ints")


def _forest(c, features, targets, several, positive, modes, missing):
    """Trees of drawn shapes: tables of nodes, and weights of leaves."""
    nodes = {k: [] for k in ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids",
                             "nodes_falsenodeids", "nodes_modes", "nodes_values", "nodes_missing_value_tracks_true")}
    leaves = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    mode = str(c.rng.choice(modes))

    def grow(tree, depth):
        me = counter[0]
        counter[0] += 1
        row = len(nodes["nodes_nodeids"])
        leaf = depth == 0 or c.rng.random() < 0.2
        for key, value in (("treeids", tree), ("nodeids", me), ("featureids", int(c.rng.integers(features))),
                           ("truenodeids", 0), ("falsenodeids", 0), ("modes", "LEAF" if leaf else mode),
                           ("values", float(np.round(c.rng.standard_normal(), 1))),
                           ("missing_value_tracks_true", int(missing and c.flip()))):
            nodes["nodes_" + key].append(value)
        if leaf:
            for target in (range(targets) if several else [int(c.rng.choice(targets))]):
                weight = float(c.rng.random() if positive else c.rng.standard_normal())
                for key, value in (("treeids", tree), ("nodeids", me), ("ids", target), ("weights", weight)):
                    leaves[key].append(value)
            return me
        nodes["nodes_truenodeids"][row] = grow(tree, depth - 1)
        nodes["nodes_falsenodeids"][row] = grow(tree, depth - 1)
        return me

    for tree in range(int(c.rng.integers(1, 12))):
        counter = [0]
        grow(tree, int(c.rng.integers(0, 5)))
    return nodes, leaves


ALL_MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def _tree_rows(c, missing):
    n, f = int(c.rng.integers(1, 70)), int(c.rng.integers(1, 9))
    x = np.round(c.floats(n, f), 1)
    if missing:
        x[c.rng.random((n, f)) < 0.2] = np.nan
    c.input(x)
    return f


@case
def TreeEnsembleRegressor(c):
    missing = c.flip()
    f = _tree_rows(c, missing)
    targets = int(c.rng.integers(1, 4))
    # ONNX Runtime leaves the base value out of a target that no leaf of a row weighs.
    nodes, leaves = _forest(c, f, targets, True, c.flip(), ALL_MODES, missing)
    c.attrs.update(nodes)
    c.attrs.update({"target_" + k: v for k, v in leaves.items()})
    c.attrs.update(n_targets=targets, aggregate_function=str(c.rng.choice(["SUM", "AVERAGE", "MIN", "MAX"])),
                   post_transform="NONE")
    if c.flip():
        c.attrs["base_values"] = [float(v) for v in c.floats(targets)]


@case
def TreeEnsembleClassifier(c):
    missing = c.flip()
    f = _tree_rows(c, missing)
    # Of two classes that leaves both weigh, ONNX Runtime gives label 1 where the second score is above 0: left out.
    classes = int(c.rng.integers(2, 5))
    one = classes == 2
    nodes, leaves = _forest(c, f, 1 if one else classes, True, c.flip(), ALL_MODES, missing)
    second = one and c.flip()
    if second:
        leaves["ids"] = [1] * len(leaves["ids"])
    c.attrs.update(nodes)
    c.attrs.update({"class_" + k: v for k, v in leaves.items()})
    c.attrs["post_transform"] = str(c.rng.choice(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]))
    if c.flip() and not second:
        c.attrs["base_values"] = [float(v) for v in c.floats(1 if one else classes)]
    _labels(c, classes, "classlabels_int64s")

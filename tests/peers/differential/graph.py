"""The generator's core: a random graph is drawn node by node with its extents beside every value."""
import random
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F16, F32, F64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
I8, U8, I16, U16 = np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int16), np.dtype(np.uint16)
I32, U32, I64, U64 = np.dtype(np.int32), np.dtype(np.uint32), np.dtype(np.int64), np.dtype(np.uint64)
BOOL, TEXT = np.dtype(bool), np.dtype(object)
ONNX_TYPES = {F16: TensorProto.FLOAT16, F32: TensorProto.FLOAT, F64: TensorProto.DOUBLE, I8: TensorProto.INT8,
              U8: TensorProto.UINT8, I16: TensorProto.INT16, U16: TensorProto.UINT16, I32: TensorProto.INT32,
              U32: TensorProto.UINT32, I64: TensorProto.INT64, U64: TensorProto.UINT64, BOOL: TensorProto.BOOL,
              TEXT: TensorProto.STRING}
LATEST = 21


class Invalid(Exception):
    """What was drawn makes no valid model: the case is left out."""


class Dim(int):
    """An extent of this case that other feeds may have otherwise. Without a name: it follows from such extents."""

    def __new__(cls, value, name=None, low=None, high=None):
        dim = super().__new__(cls, value)
        dim.name, dim.low, dim.high = name, low, high
        return dim


def varies(*extents) -> bool:
    """True if one of the extents, or of the shapes, is not the same in all feeds."""
    return any(varies(*e) if isinstance(e, (tuple, list)) else isinstance(e, Dim) for e in extents)


def derived(value, *sources):
    """An extent computed from others: it varies where they do."""
    return Dim(value) if varies(*sources) else int(value)


def count_of(shape):
    """The number of elements."""
    return derived(int(np.prod([int(d) for d in shape], dtype=np.int64)), *shape)


def settled(shape):
    """The shape that an input beside such a value can have: an extent that follows from others becomes 1."""
    return tuple(1 if isinstance(d, Dim) and d.name is None else d for d in shape)


def broadcast(*shapes):
    """The shape that operands of these shapes give together."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + tuple(s) for s in shapes]
    result = []
    for extents in zip(*padded):
        large = [d for d in extents if isinstance(d, Dim) or d != 1]
        if len({int(d) for d in large}) > 1 and not any(int(d) == 1 for d in large):
            raise Invalid(f"{shapes} do not broadcast")
        result.append(max(large, default=1, key=lambda d: (int(d) != 1, isinstance(d, Dim))))
    return tuple(result)


def alike(a, b):
    """True if two shapes are equal in every feed."""
    return len(a) == len(b) and all(x is y or not varies(x, y) and x == y for x, y in zip(a, b))


class Value:
    """A tensor of the graph."""

    def __init__(self, name, dtype, shape):
        self.name, self.dtype, self.shape = name, np.dtype(dtype), tuple(shape)

    @property
    def rank(self):
        return len(self.shape)


class Graph:
    """A case in the making. All that is drawn depends on family and seed alone."""

    def __init__(self, family, seed):
        self.family, self.seed = family, seed
        key = zlib.crc32(family.encode()) * 2**32 + seed
        self.random, self.rng = random.Random(key), np.random.default_rng(key)
        self.opset = self.pick([13, 16, 17, 18, 20, 21])
        self.varying = self.pick([0, 0.5, 0.8, 1])  # the share of extents that vary
        self.zero = 0.0  # the share of extents that are 0
        self.special = 0.0  # the share of float elements that are NaN, infinite, huge, tiny or zero
        self.huge = False  # special elements may be so large that sums overflow in floats, which wider ones do not
        self.grid = self.chance(0.25)  # floats are multiples of 1/4: ties and zeros happen
        self.outer = None  # of a body: the graph it belongs to
        self.nodes, self.constants, self.inputs, self.outputs, self.dims = [], [], [], [], {}
        self.values, self.read, self.domains = [], set(), set()
        self.sizes = None  # extents of each feed by symbol, where they depend on each other
        self.notes = {}  # what families tell known.py and the judge

    # Draws.
    def chance(self, share):
        return self.random.random() < share

    def pick(self, items):
        return self.random.choice(list(items))

    def between(self, low, high):
        return self.random.randint(low, high)

    def some(self, items, least=0):
        """A random part of the items, in their order."""
        items = list(items)
        count = self.between(least, len(items))
        keep = set(self.random.sample(range(len(items)), count))
        return [x for k, x in enumerate(items) if k in keep]

    def extent(self, low, high):
        """An extent in [low, high], which may vary between feeds."""
        if self.chance(self.zero):
            return 0
        value = self.between(low, high)
        if low == high or not self.chance(self.varying):
            return value
        if self.dims and self.chance(0.2):  # the same symbol once more
            fits = [d for d in self.dims.values() if low <= d.low and d.high <= high]
            if fits:
                return self.pick(fits)
        least, most = self.between(low, value), self.between(value, high + 2 if low > 0 else high)
        most = min(most, high)
        if least == most:
            return value
        dim = Dim(value, f"d{len(self.dims)}", least, most)
        self.dims[dim.name] = dim
        return dim

    def fixed(self, low, high):
        """An extent in [low, high] that is the same in all feeds."""
        return 0 if self.chance(self.zero) else self.between(low, high)

    def shape(self, rank, high=7):
        return tuple(self.extent(1, high) for _ in range(rank))

    def array(self, dtype, shape, kind="normal", rng=None):
        """Elements. Kinds: normal, positive, unit (in [-1, 1]), small (integers), bits, or (low, high) for integers."""
        rng = rng or self.rng
        shape, dtype = tuple(int(d) for d in shape), np.dtype(dtype)
        if dtype == TEXT:
            words = np.array(["", "a", "Ab", "abc def", "x1,y2", "ünï", "12.5"], object)
            return words[rng.integers(0, len(words), shape)] if shape else np.array(words[rng.integers(0, len(words))], object)
        if dtype == BOOL:
            return np.asarray(rng.random(shape) < 0.5)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            low, high = kind if isinstance(kind, tuple) else (
                (info.min, info.max) if kind == "bits" or dtype.itemsize == 1 and kind == "normal" else (-9, 9))
            low, high = max(low, info.min), min(high, info.max)
            return np.asarray(rng.integers(low, high, shape, dtype=dtype, endpoint=True) if low <= high else np.zeros(shape, dtype))
        if isinstance(kind, tuple):
            x = rng.uniform(kind[0], kind[1], shape)
        elif kind == "unit":
            x = rng.uniform(-1, 1, shape)
        elif kind == "positive":
            x = rng.uniform(0.1, 2, shape)
        else:
            x = rng.standard_normal(shape)
        x = np.asarray(x)
        if self.grid and kind in ("normal", "small"):
            x = np.round(x * 4) / 4
        x = np.asarray(x).astype(dtype)
        if self.special and kind in ("normal", "unit"):
            odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).tiny, 1e4, -1e4, 89.0, -85.0]
            if self.huge:
                odd += [np.finfo(dtype).max, -np.finfo(dtype).max]
            odd = np.array(odd).astype(dtype)
            where = rng.random(shape) < self.special
            x = np.where(where, odd[rng.integers(0, len(odd), shape)], x).astype(dtype)
        return x

    # Values.
    def _value(self, name, dtype, shape):
        value = Value(name, dtype, shape)
        self.values.append(value)
        return value

    @property
    def wide(self):
        """Names of constants that stay floats of 32 bits: scales of Resize."""
        return {n for node in self.nodes if node.op_type in ("Resize", "Upsample") for n in node.input[1:]}

    def _root(self):
        return self.outer._root() if self.outer else self

    def name(self, prefix):
        root = self._root()
        root.counter = getattr(root, "counter", -1) + 1
        return f"{prefix}{root.counter}"

    def input(self, dtype, shape, kind="normal", decides=False):
        """An input of the model. `decides`: extents depend on its elements, which are the same in all feeds."""
        value = self._value(self.name("x"), dtype, shape)
        self.inputs.append((value, kind, decides))
        return value

    def const(self, array, dtype=None):
        """A constant: an initializer, or a Constant node."""
        array = np.asarray(array) if dtype is None else np.asarray(array, dtype)
        value = Value(self.name("c"), array.dtype, array.shape)
        self.constants.append((value.name, array))
        return value

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def weights(self, *shape, fan=None):
        """Constant floats whose products keep the magnitude of what they are multiplied with."""
        fan = fan or max(1, int(np.prod(shape[1:], dtype=np.int64)))
        return self.const((self.rng.standard_normal([int(d) for d in shape]) / np.sqrt(fan)).astype(np.float32))

    def tensor(self, dtype, shape, kind="normal"):
        """An input, or a constant where its extents allow that. An extent that follows from others becomes 1."""
        shape = settled(shape)
        if varies(shape) or self.chance(0.6):
            return self.input(dtype, shape, kind)
        return self.const(self.array(dtype, shape, kind))

    # Nodes.
    def sequence(self, op, inputs, **attributes):
        """A node whose result is a sequence: never an output of the model."""
        value = self.node(op, inputs, (), **attributes)
        self.values.remove(value)
        return value

    def node(self, op, inputs, shape=None, dtype=None, domain="", outputs=1, **attributes):
        """Adds a node. `shape` and `dtype` default to those of the first input; with several outputs they are lists."""
        first = next((x for x in inputs if x is not None), None)
        if outputs == 1:
            shapes, dtypes = [shape if shape is not None else first.shape], [dtype or (first.dtype if first else F32)]
        else:
            shapes = shape if shape is not None else [first.shape] * outputs
            dtypes = dtype if isinstance(dtype, list) else [dtype or first.dtype] * outputs
        made = [self._value(self.name("v"), t, s) if s is not None else None for s, t in zip(shapes, dtypes)]
        for x in inputs:
            if x is not None:
                self.read.add(x.name)
        if domain:
            self.domains.add(domain)
        # A name of an attribute that is a name here, too, ends in "_".
        attributes = {k.rstrip("_"): v for k, v in attributes.items() if v is not None}
        self.nodes.append(helper.make_node(op, [x.name if x is not None else "" for x in inputs],
                                           [v.name if v is not None else "" for v in made], name=self.name("n"),
                                           domain=domain, **attributes))
        return made[0] if outputs == 1 else made

    def reduce(self, op, x, axes, keep=1, **attributes):
        """A reduction with its axes as this opset has them; None for all."""
        if axes is None:
            shape = tuple(1 for _ in x.shape) if keep else ()
        else:
            positive = {a % x.rank for a in axes}
            shape = tuple(1 if k in positive else d for k, d in enumerate(x.shape) if keep or k not in positive)
        dtype = attributes.pop("dtype", None)
        late = self.opset >= (13 if op == "ReduceSum" else 18)
        if axes is None:
            return self.node(op, [x], shape, dtype, keepdims=keep, **attributes)
        if late:
            return self.node(op, [x, self.ints(*axes)], shape, dtype, keepdims=keep, **attributes)
        return self.node(op, [x], shape, dtype, axes=list(axes), keepdims=keep, **attributes)

    def transpose(self, x, perm):
        return self.node("Transpose", [x], [x.shape[p] for p in perm], perm=list(perm) or None)

    def reshape(self, x, shape, target=None):
        """`target` where the numbers that the node is given are others (0 and -1)."""
        if target is None:
            target = [0 if varies(d) and k < x.rank and d is x.shape[k] else d for k, d in enumerate(shape)]
            loose = [k for k, d in enumerate(target) if varies(d)]
            if len(loose) > 1:
                raise Invalid("two extents of a target vary")
            if loose:
                target[loose[0]] = -1
        return self.node("Reshape", [x, self.ints(*map(int, target))], shape)

    def binary(self, op, a, b, dtype=None, **attributes):
        return self.node(op, [a, b], broadcast(a.shape, b.shape), dtype, **attributes)

    def slice(self, x, starts, ends, axes=None, steps=None):
        """A slice by constants; extents are worked out as NumPy does."""
        axes = list(range(len(starts))) if axes is None else list(axes)
        shape = list(x.shape)
        for k, axis in enumerate(axes):
            step = steps[k] if steps else 1
            extent = len(range(int(x.shape[axis]))[slice(starts[k], None if ends[k] < -2**31 else ends[k], step)])
            shape[axis % x.rank] = derived(extent, x.shape[axis])
        inputs = [x, self.ints(*starts), self.ints(*ends), self.ints(*axes)]
        if steps:
            inputs.append(self.ints(*steps))
        return self.node("Slice", inputs, shape)

    def shape_of(self, x):
        return self.node("Shape", [x], (x.rank,), I64)

    def body(self):
        """A graph for the body of a node; its nodes may read values of this one."""
        inner = Graph.__new__(Graph)
        inner.__dict__.update(self.__dict__)
        inner.outer = self
        inner.nodes, inner.constants, inner.inputs, inner.outputs, inner.values = [], [], [], [], []
        inner.read = self.read
        return inner

    def formal(self, dtype, shape):
        """A body's input."""
        value = self._value(self.name("b"), dtype, shape)
        self.inputs.append((value, None, False))
        return value

    def body_proto(self, outputs):
        """The body as ONNX has it. Shapes but those of scalars are left out: inference finds them."""
        infos = lambda values: [helper.make_tensor_value_info(v.name, ONNX_TYPES[v.dtype], None if v.rank else [])
                                for v in values]
        return helper.make_graph(self.nodes, self.name("body"), infos([v for v, _, _ in self.inputs]), infos(outputs),
                                 [numpy_helper.from_array(a, n) for n, a in self.constants])

    def output(self, *values):
        self.outputs.extend(v for v in values if all(v is not o for o in self.outputs))

    def halve(self):
        """Turns every float of the graph, but for those of bodies, into one of 16 bits."""
        for v in self.values + [v for v, _, _ in self.inputs]:
            if v.dtype == F32:
                v.dtype = F16
        self.constants = [(n, a.astype(F16) if a.dtype == F32 and n not in self.wide else a) for n, a in self.constants]
        for node in self.nodes:
            for a in node.attribute:
                if node.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT:
                    a.i = TensorProto.FLOAT16
        if any(v.dtype == F16 and max(abs(k) for k in kind) > 1000 for v, kind, _ in self.inputs if isinstance(kind, tuple)):
            raise Invalid("too large for 16 bits")

    # The case.
    def case(self):
        made = {name for n in self.nodes for name in n.output}
        for v in self.values:
            if v.name in made and (v.name not in self.read or self.chance(0.04)):
                self.output(v)
        if not self.outputs:
            raise Invalid("nothing is computed")

        def info(v, with_shape):
            dims = [d.name if isinstance(d, Dim) else int(d) for d in v.shape] if with_shape else None
            return helper.make_tensor_value_info(v.name, ONNX_TYPES[v.dtype], dims)

        def constant(name, array):
            if array.dtype == TEXT:
                return helper.make_tensor(name, TensorProto.STRING, array.shape, [str(s).encode() for s in array.ravel()])
            return numpy_helper.from_array(array, name)

        nodes = list(self.nodes)
        if self.chance(0.2):  # as some exporters write constants
            nodes = [helper.make_node("Constant", [], [n], name="k" + n, value=constant(n, a)) for n, a in self.constants] + nodes
            initializers = []
        else:
            initializers = [constant(n, a) for n, a in self.constants]
        graph = helper.make_graph(nodes, "g", [info(v, True) for v, _, _ in self.inputs],
                                  [info(v, False) for v in self.outputs], initializers)
        imports = [helper.make_opsetid("", self.opset)] + [helper.make_opsetid(d, {"ai.onnx.ml": 5}.get(d, 1))
                                                           for d in sorted(self.domains)]
        model = helper.make_model(graph, opset_imports=imports, producer_name="differential", ir_version=10 if self.opset < 22 else 11)
        return Case(self.family, self.seed, model, self._feeds(), self._ranges(), self._shape_values(), dict(self.notes))

    def _shape_values(self):
        fixed = {}
        for v, kind, decides in self.inputs:
            if decides:
                fixed[v.name] = self.array(v.dtype, v.shape, kind, self._feed_rng(v.name))
        return fixed

    def _feed_rng(self, name):
        return np.random.default_rng([zlib.crc32(self.family.encode()), self.seed, zlib.crc32(name.encode())])

    def _feeds(self):
        """The case's own extents; where some vary, two feeds more: both ends of the ranges, mixed, and the upper ones."""
        sizes = self.sizes or [{n: int(d) for n, d in self.dims.items()}]
        if self.dims and not self.sizes:
            sizes.append({n: self.pick([d.low, d.high]) for n, d in self.dims.items()})
            sizes.append({n: d.high for n, d in self.dims.items()})
        fixed, feeds = self._shape_values(), []
        for size in sizes:
            feed = {}
            for v, kind, decides in self.inputs:
                shape = [size[d.name] if isinstance(d, Dim) else d for d in v.shape]
                feed[v.name] = fixed[v.name] if decides else self.array(v.dtype, shape, kind)
            feeds.append(feed)
        return feeds

    def _ranges(self):
        bounds = lambda v, which: [getattr(d, which) if isinstance(d, Dim) else int(d) for d in v.shape]
        return {v.name: (bounds(v, "low"), [int(d) for d in v.shape], bounds(v, "high")) for v, _, _ in self.inputs}


class Case:
    """A model, what it is fed with, and how far its extents may go."""

    def __init__(self, family, seed, model, feeds, ranges, shape_values, notes=None):
        self.family, self.seed, self.model = family, seed, model
        self.feeds, self.ranges, self.shape_values = feeds, ranges, shape_values
        self.notes = notes or {}
        self.expected = None  # a dictionary of outputs for each feed, by reference.py
        self.evaluate = None  # what computed it: a function of a model and feeds; None for ONNX Runtime

    @property
    def id(self):
        return f"{self.family}:{self.seed}"

    @property
    def varies(self):
        return any(low != high for low, _, high in self.ranges.values())

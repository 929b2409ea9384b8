"""Makes a wrong case smaller while it stays wrong in the same way: fewer nodes, smaller extents, simpler values."""
import time

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from graph import ONNX_TYPES, Case, Invalid
from reference import outputs_of, settle


class Shrinker:
    """`is_wrong(case)` decides what is kept; the case handed to it is settled."""

    def __init__(self, case, is_wrong, seconds=60, ranged=True):
        self.case, self.is_wrong, self.ranged = case, is_wrong, ranged
        self.until = time.monotonic() + seconds

    def run(self):
        if not self.ranged:
            self._one_feed()
        steps = [self._fewer_outputs, self._cut_tail, self._cut_head, self._bypass, self._fold_inputs]
        if len(self.case.feeds) == 1:
            steps.append(self._smaller)
        changed = True
        while changed and time.monotonic() < self.until:
            changed = False
            for step in steps:
                changed |= step()
        self._simpler()
        return self.case

    def _try(self, model, feeds):
        """Keeps the candidate if it is valid and still wrong."""
        if time.monotonic() > self.until:
            return False
        try:
            candidate = rebuilt(self.case, model, feeds)
            settle(candidate)
            if not self.is_wrong(candidate):
                return False
        except Exception:
            return False
        self.case = candidate
        return True

    def _one_feed(self):
        self._try(copy_of(self.case.model), self.case.feeds[:1])

    def _fewer_outputs(self):
        changed = False
        for name in [o.name for o in self.case.model.graph.output]:
            model = copy_of(self.case.model)
            if len(model.graph.output) > 1:
                keep = [o for o in model.graph.output if o.name != name]
                set_list(model.graph.output, keep)
                changed |= self._try(model, self.case.feeds)
        return changed

    def _cut_tail(self):
        """An inner value becomes the only output: the earliest that is still wrong."""
        types = types_of(self.case.model)
        nodes = self.case.model.graph.node
        for node in nodes[:-1]:
            for name in node.output:
                if name in types and [o.name for o in self.case.model.graph.output] != [name]:
                    model = copy_of(self.case.model)
                    set_list(model.graph.output, [helper.make_tensor_value_info(name, types[name], None)])
                    if self._try(model, self.case.feeds):
                        return True
        return False

    def _cut_head(self):
        """Inner values become inputs that hold what they held."""
        try:
            held = inner_values(self.case)
        except Invalid:
            return False
        changed = False
        types = types_of(self.case.model)
        for node in list(self.case.model.graph.node)[::-1]:
            if node.op_type == "Constant":
                continue
            for name in node.output:
                if name not in types or name not in held[0] or name in {o.name for o in self.case.model.graph.output}:
                    continue
                if not any(name in n.output for n in self.case.model.graph.node):
                    continue
                model = copy_of(self.case.model)
                for n in model.graph.node:
                    for k, out in enumerate(n.output):
                        if out == name:
                            n.output[k] = name + "_"
                model.graph.input.append(helper.make_tensor_value_info(name, types[name], list(held[0][name].shape)))
                feeds = [{**feed, name: values[name]} for feed, values in zip(self.case.feeds, held)]
                changed |= self._try(model, feeds)
        return changed

    def _bypass(self):
        """A node whose result is like one of its operands is left out."""
        try:
            held = inner_values(self.case)[0]
        except Invalid:
            return False
        held.update(self.case.feeds[0])
        changed = False
        for node in list(self.case.model.graph.node)[::-1]:
            out = node.output[0]
            for name in node.input:
                if name in held and out in held and held[name].shape == held[out].shape and held[name].dtype == held[out].dtype:
                    model = copy_of(self.case.model)
                    for n in model.graph.node:
                        for k, source in enumerate(n.input):
                            if source == out:
                                n.input[k] = name
                    if out not in {o.name for o in model.graph.output} and self._try(model, self.case.feeds):
                        changed = True
                        break
        return changed

    def _fold_inputs(self):
        """Inputs that are the same in all feeds become constants."""
        changed = False
        for info in list(self.case.model.graph.input):
            values = [feed[info.name] for feed in self.case.feeds]
            if len(self.case.model.graph.input) < 2 or values[0].dtype == object:
                continue
            if any(v.shape != values[0].shape for v in values):
                continue
            model = copy_of(self.case.model)
            set_list(model.graph.input, [i for i in model.graph.input if i.name != info.name])
            model.graph.initializer.append(numpy_helper.from_array(values[0], info.name))
            changed |= self._try(model, [{k: v for k, v in f.items() if k != info.name} for f in self.case.feeds])
        return changed

    def _smaller(self):
        """An extent becomes less wherever it occurs, then on single tensors."""
        changed = False
        extents = sorted({d for shape in shapes_of(self.case).values() for d in shape if d > 1}, reverse=True)
        for extent in extents:
            for less in sorted({1, 2, extent // 2, extent - 1}):
                if 0 < less < extent and self._slice({n: [less if d == extent else d for d in s]
                                                      for n, s in shapes_of(self.case).items()}):
                    changed = True
                    break
        for name, shape in shapes_of(self.case).items():
            for axis, extent in enumerate(shape):
                if extent > 1 and self._slice({name: [*shape[:axis], 1, *shape[axis + 1:]]}):
                    changed = True
                    break
        return changed

    def _slice(self, wanted):
        model, feeds = copy_of(self.case.model), [dict(self.case.feeds[0])]
        for name, shape in wanted.items():
            cut = tuple(slice(0, d) for d in shape)
            if name in feeds[0]:
                feeds[0][name] = np.ascontiguousarray(feeds[0][name][cut])
            for tensor in model.graph.initializer:
                if tensor.name == name:
                    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(tensor)[cut]), name))
        return self._try(model, feeds)

    def _simpler(self):
        for change in (np.zeros_like, np.ones_like, np.round):
            for name in [i.name for i in self.case.model.graph.input]:
                feeds = [{k: np.asarray(change(v), v.dtype) if k == name and v.dtype.kind == "f" else v for k, v in f.items()}
                         for f in self.case.feeds]
                if any(not np.array_equal(a[name], b[name]) for a, b in zip(feeds, self.case.feeds) if a[name].dtype.kind == "f"):
                    self._try(copy_of(self.case.model), feeds)


def copy_of(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def set_list(field, items):
    items = [type(i).FromString(i.SerializeToString()) for i in items]
    del field[:]
    field.extend(items)


def types_of(model):
    """Element types of what nodes make, where ONNX's inference finds them."""
    try:
        inferred = shape_inference.infer_shapes(model)
    except Exception:
        inferred = model
    graph = inferred.graph
    made = {o for n in graph.node for o in n.output if o}
    return {v.name: v.type.tensor_type.elem_type for v in list(graph.value_info) + list(graph.output)
            if v.name in made and v.type.tensor_type.elem_type}


def inner_values(case):
    """What every node computes, by ONNX Runtime: a dictionary for each feed."""
    model, types = copy_of(case.model), types_of(case.model)
    have = {o.name for o in model.graph.output}
    model.graph.output.extend(helper.make_tensor_value_info(n, t, None) for n, t in types.items() if n not in have)
    return outputs_of(model.SerializeToString(), case.feeds)


def shapes_of(case):
    """Extents of inputs and initializers."""
    shapes = {k: list(v.shape) for k, v in case.feeds[0].items()}
    shapes.update({t.name: list(t.dims) for t in case.model.graph.initializer})
    return shapes


def inner_names(graph):
    """What nodes read, those of bodies included."""
    names = set()
    for node in graph.node:
        names.update(node.input)
        for a in node.attribute:
            if a.HasField("g"):
                names |= inner_names(a.g) | {o.name for o in a.g.output}
    return names


def rebuilt(case, model, feeds):
    """A case of a changed model: what nothing reads is left out, symbols and ranges are found anew."""
    graph = model.graph
    while True:
        read = inner_names(graph) | {o.name for o in graph.output}
        dead = [n for n in graph.node if not any(o in read for o in n.output)]
        if not dead:
            break
        set_list(graph.node, [n for n in graph.node if any(o in read for o in n.output)])
    if not graph.node:
        raise Invalid("nothing is left")
    set_list(graph.initializer, [t for t in graph.initializer if t.name in read])
    set_list(graph.input, [i for i in graph.input if i.name in read])
    feeds = [{i.name: feed[i.name] for i in graph.input} for feed in feeds]
    symbols, inputs, ranges = {}, [], {}
    for info in graph.input:
        for k, d in enumerate(info.type.tensor_type.shape.dim):
            if d.dim_param:
                symbols.setdefault(tuple(f[info.name].shape[k] for f in feeds), d.dim_param)
    for info in graph.input:
        extents = list(zip(*[f[info.name].shape for f in feeds])) if feeds[0][info.name].ndim else []
        dims = []
        for k, e in enumerate(extents):
            dims.append(e[0] if len(set(e)) == 1 else symbols.setdefault(e, f"s{len(symbols)}"))
        ranges[info.name] = ([min(e) for e in extents], [e[0] for e in extents], [max(e) for e in extents])
        inputs.append(helper.make_tensor_value_info(info.name, ONNX_TYPES[feeds[0][info.name].dtype], dims))
    set_list(graph.input, inputs)
    return Case(case.family, case.seed, model, feeds, ranges, {k: v for k, v in case.shape_values.items() if k in ranges},
                case.notes)

"""Arithmetic, comparisons and logic on operands that broadcast, ranks 0 to 6, every element type."""
import numpy as np

from families import family
from graph import BOOL, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Invalid, broadcast, varies

ARITHMETIC = ["Add", "Sub", "Mul", "Div"]
COMPARE = ["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"]
UNARY_FLOAT = ["Abs", "Neg", "Ceil", "Floor", "Round", "Sqrt", "Reciprocal", "Exp", "Log", "Sin", "Cos", "Tan", "Asin", "Acos",
               "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh", "Erf", "Sigmoid", "Sign", "Relu", "Softsign"]
# What ONNX Runtime has kernels for.
TYPES = {op: [F32, F32, F64, I32, I64] for op in ARITHMETIC}
TYPES |= {"Pow": [F32, F32, F64, I32, I64], "Mod": [F32, I8, U8, I16, U16, I32, U32, I64, U64],
          "Min": [F32, F32, F64, I32, U32, I64, U64, F16], "Max": [F32, F32, F64, I32, U32, I64, U64, F16],
          "Equal": [F32, F64, I32, I64, BOOL], "Less": [F32, F64, I32, I64], "Greater": [F32, F64, I32, I64],
          "LessOrEqual": [F32, F64, I32, I64], "GreaterOrEqual": [F32, F64, I32, I64], "And": [BOOL], "Or": [BOOL], "Xor": [BOOL],
          "BitwiseAnd": [I8, U8, I16, U16, I32, U32, I64, U64], "BitwiseOr": [I8, U8, I16, U16, I32, U32, I64, U64],
          "BitwiseXor": [I8, U8, I16, U16, I32, U32, I64, U64], "BitShift": [U8, U32, U64], "PRelu": [F32],
          "Mean": [F32], "Sum": [F32, F64]}


def part_of(g, shape):
    """A shape that broadcasts into `shape`: leading axes left out, some extents 1."""
    keep = g.between(0, len(shape)) if g.chance(0.4) else len(shape)
    return tuple(1 if g.chance(0.25) else d for d in shape[len(shape) - keep:])


def operand(g, pool, dtype, shape, kind="normal"):
    """A value so far, or a new one, that goes with `shape`."""
    fits = [v for v in pool if v.dtype == dtype and compatible(v.shape, shape)]
    if fits and g.chance(0.5):
        return g.pick(fits)
    own = part_of(g, shape)
    value = g.tensor(dtype, own, kind)
    pool.append(value)
    return value


def compatible(a, b):
    try:
        broadcast(a, b)
    except Invalid:
        return False
    for x, y in zip(reversed(a), reversed(b)):  # extents that vary apart do not always fit
        if varies(x, y) and x is not y and not (type(x) is int and x == 1) and not (type(y) is int and y == 1):
            return False
    return True


def divisor_kind(op, dtype):
    if dtype.kind in "iu":
        return (1, 7) if op in ("Div", "Mod") else (0, 3) if op in ("Pow", "BitShift") else "small"
    return (-2, 3) if op == "Pow" else "normal"


def unary(g, x):
    if x.dtype == F32 or x.dtype == F64:
        if g.chance(0.1):
            return g.node(g.pick(["IsNaN", "IsInf"]), [x], dtype=BOOL)
        op = g.pick(["Abs", "Neg", "Ceil", "Floor", "Sqrt", "Reciprocal", "Exp", "Log", "Sign", "Relu", "Tanh", "Sigmoid"]
                    if x.dtype == F64 else UNARY_FLOAT)
        return g.node(op, [x])
    if x.dtype in (I32, I64, I8):
        return g.node(g.pick(["Abs", "Neg", "Sign"]), [x])
    if x.dtype == BOOL:
        return g.node("Not", [x])
    if x.dtype == F16:
        return g.node("Cast", [x], dtype=F32, to=1)
    if g.opset >= 18:
        return g.node("BitwiseNot", [x])
    return g.node("Abs", [x])


@family("elementwise", 2)
def elementwise(g):
    g.huge = True
    g.special = g.pick([0, 0, 0, 0.08])
    shape = g.shape(g.between(0, 6), 5 if g.chance(0.7) else 17)
    pool = []
    for _ in range(g.between(1, 8)):
        kind = g.between(0, 9)
        if kind <= 1 and pool:
            pool.append(unary(g, g.pick(pool)))
            continue
        if kind == 2:
            dtype = g.pick([F32, F32, I32, I64, U8, F64])
            condition = operand(g, pool, BOOL, shape)
            a, b = operand(g, pool, dtype, shape), operand(g, pool, dtype, shape)
            pool.append(g.node("Where", [condition, a, b], broadcast(condition.shape, a.shape, b.shape), dtype))
            continue
        ops = list(TYPES) if g.opset >= 18 else [o for o in TYPES if not o.startswith("Bitwise")]
        op = g.pick(ARITHMETIC * 3 + ops)
        dtype = g.pick(TYPES[op])
        a = operand(g, pool, dtype, shape, "small" if dtype.kind in "iu" and op not in ("Equal",) else "normal")
        if op in ("Min", "Max", "Mean", "Sum") and g.chance(0.4):
            operands = [a] + [operand(g, pool, dtype, shape) for _ in range(g.between(0, 3))]
            pool.append(g.node(op, operands, broadcast(*(o.shape for o in operands))))
            continue
        if op == "PRelu":
            slope = g.tensor(dtype, part_of(g, a.shape))
            pool.append(g.node(op, [a, slope], a.shape))
            continue
        if dtype.kind in "iu" and op in ("Div", "Mod", "Pow", "BitShift"):
            b = g.tensor(dtype, part_of(g, a.shape if op == "Pow" else shape), divisor_kind(op, dtype))
        elif op == "Pow":
            b = g.const(np.array(g.pick([0, 0.5, 1, 2, 3, -1, -0.5, 2.5]), dtype)) if g.chance(0.6) else operand(g, pool, dtype, shape)
        else:
            b = operand(g, pool, dtype, shape, "small" if dtype.kind in "iu" else "normal")
        attributes = {}
        if op == "Mod":
            attributes["fmod"] = 1 if dtype.kind == "f" else g.pick([None, 0, 1])
        if op == "BitShift":
            attributes["direction"] = g.pick(["LEFT", "RIGHT"])
        if not compatible(a.shape, b.shape):
            continue
        if g.chance(0.4) and op not in ("Div", "Mod", "Pow", "BitShift"):
            a, b = b, a
        out = BOOL if op in COMPARE else dtype
        pool.append(g.binary(op, a, b, out, **attributes))
    if not any(v.name for v in pool) or not g.nodes:
        raise Invalid("nothing is computed")


CAST = [F16, F32, F64, I8, U8, I16, U16, I32, U32, I64, U64, BOOL]


@family("casts", 0.6)
def casts(g):
    """Conversions between all element types, within what the standard defines, and beyond for the same kinds."""
    from graph import ONNX_TYPES
    x = g.input(g.pick(CAST), g.shape(g.between(0, 4)), "small" if g.chance(0.7) else "normal")
    for _ in range(g.between(1, 4)):
        if g.chance(0.2) and x.dtype in (F32, I32, I64):
            x = g.binary("Add", x, g.tensor(x.dtype, part_of(g, x.shape), "small"))
        to = g.pick(CAST)
        if x.dtype.kind == "f" and to.kind in "iu":  # beyond a type's range nothing is defined
            low, high = (0, 100) if to.kind == "u" else (-100, 100)
            x = g.node("Clip", [x, g.const(np.array(low, x.dtype)), g.const(np.array(high, x.dtype))]) if x.dtype != F16 else x
            if x.dtype == F16:
                continue
        if g.opset >= 15 and g.chance(0.2):
            x = g.node("CastLike", [x, g.const(np.zeros((), to))], dtype=to)
        else:
            x = g.node("Cast", [x], dtype=to, to=ONNX_TYPES[to])

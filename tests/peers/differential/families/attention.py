"""Attention spelled out as exporters do, with masks and operands that broadcast, and as an operator."""
import math

import numpy as np

from families import family
from families.activations import number
from families.products import matmul
from graph import BOOL, F32, Invalid, broadcast, varies


def heads_apart(g, x, heads, size, turned):
    """[B, L, H * D] to [B, H, L, D], or [B, H, D, L]."""
    y = g.reshape(x, (x.shape[0], x.shape[1], heads, size), [0, 0, heads, size] if varies(x.shape) or g.chance(0.5) else None)
    if turned and g.chance(0.5):
        return g.transpose(y, [0, 2, 3, 1])
    y = g.transpose(y, [0, 2, 1, 3])
    return g.transpose(y, [0, 1, 3, 2]) if turned else y


def scaled(g, x, factor):
    if factor == 1 and g.chance(0.7):
        return x
    if g.chance(0.5):
        return g.binary("Div", x, number(g, 1 / factor))
    return g.binary("Mul", *g.pick([(x, number(g, factor)), (number(g, factor), x)]))


def masked(g, scores):
    """Scores with a mask: added, or chosen by a boolean one."""
    b, h, q, k = scores.shape
    shape = g.pick([(b, 1, 1, k), (1, 1, q, k), (b, 1, q, k), (q, k), (b, h, q, k), (k,), (1, 1, 1, 1), (q, 1), (1, 1, 1, k)])
    how = g.between(0, 5)
    if how <= 2:
        lowest = g.pick([-1e4, -1e9, -math.inf, float(np.finfo(np.float32).min), -5.0])
        if varies(shape):
            keep = g.input(BOOL, shape)
            mask = g.node("Where", [keep, g.const(np.zeros((), np.float32)), g.const(np.array(lowest, np.float32))], shape, F32)
        else:
            mask = g.const(np.where(g.rng.random([int(d) for d in shape]) < 0.7, 0, lowest).astype(np.float32))
        return g.binary("Add", *g.pick([(scores, mask), (mask, scores)]))
    if how == 3:
        return g.binary("Add", scores, g.tensor(F32, shape))
    if how == 4 and not varies(q, k):  # causal, as GPT writes it
        causal = np.tril(np.ones((1, 1, int(q) + 3, int(k) + 3), bool))
        allowed = g.slice(g.const(causal), [0, 0], [int(q), int(k)], [2, 3])
    else:
        allowed = g.input(BOOL, shape) if varies(shape) or g.chance(0.5) else g.const(g.array(BOOL, shape))
    low = g.const(np.array(g.pick([-1e4, -1e9, float(np.finfo(np.float32).min), -math.inf, -3.0]), np.float32))
    return g.node("Where", [allowed, scores, low] if g.chance(0.8) else [allowed, scores, low], broadcast(allowed.shape, scores.shape), F32)


def core(g, q, kt, v, size):
    factor = g.pick([1 / math.sqrt(size), 1 / math.sqrt(size), 1, 0.3])
    where = g.between(0, 3)
    if where == 1:
        q = scaled(g, q, factor)
    if where == 2:
        q, kt = scaled(g, q, math.sqrt(factor)), scaled(g, kt, math.sqrt(factor))
    scores = matmul(g, q, kt)
    if where in (0, 3):
        scores = scaled(g, scores, factor)
    if g.chance(0.6) and scores.rank == 4:
        scores = masked(g, scores)
    axis = g.pick([-1, -1, scores.rank - 1])
    if g.chance(0.1):  # spelled softmax
        e = g.node("Exp", [g.binary("Sub", scores, g.reduce("ReduceMax", scores, [-1]))])
        p = g.binary("Div", e, g.reduce("ReduceSum", e, [-1]))
    else:
        p = g.node("Softmax", [scores], axis=axis)
    return matmul(g, p, v)


@family("attention", 2)
def attention(g):
    """From [B, L, H * D] through heads and back, as BERT, ViT and GPT have it."""
    b, q_len, heads, size = g.extent(1, 3), g.extent(1, 7), g.between(1, 4), g.pick([1, 3, 4, 8, 12, 16])
    k_len = q_len if g.chance(0.6) else g.extent(1, 9)
    kv_heads = heads
    width = heads * size
    x = g.input(F32, (b, q_len, width))
    y = x if k_len is q_len and g.chance(0.7) else g.input(F32, (b, k_len, width))
    if y is x:
        k_len = q_len
    if y is x and g.chance(0.3):  # one product for all three
        together = g.node("MatMul", [x, g.weights(width, 3 * width, fan=width)], (b, q_len, 3 * width))
        if g.chance(0.5):
            together = g.binary("Add", together, g.const(g.array(F32, (3 * width,))))
        if g.chance(0.5):
            five = g.reshape(together, (b, q_len, 3, heads, size), [0, 0, 3, heads, size] if varies(b, q_len) else None)
            turned = g.transpose(five, [2, 0, 3, 1, 4])
            q, k, v = (g.node("Gather", [turned, g.const(np.array(i, np.int64))], turned.shape[1:], axis=0) for i in range(3))
            kt = g.transpose(k, [0, 1, 3, 2])
        else:
            parts = g.node("Split", [together, g.ints(width, width, width)], [(b, q_len, width)] * 3, outputs=3, axis=2)
            q, kt, v = (heads_apart(g, p, heads, size, k == 1) for k, p in enumerate(parts))
    else:
        def project(source):
            if g.chance(0.3):
                return source
            made = g.node("MatMul", [source, g.weights(width, width)], source.shape)
            return g.binary("Add", made, g.const(g.array(F32, (width,)))) if g.chance(0.6) else made

        q, kt, v = (heads_apart(g, project(s), heads, size, k == 1) for k, s in enumerate((x, y, y)))
    out = core(g, q, kt, v, size)
    if out.rank != 4 or g.chance(0.1):
        return
    turned = g.transpose(out, [0, 2, 1, 3] if g.chance(0.9) else [0, 1, 2, 3])
    if varies(turned.shape[0], turned.shape[1]) or g.chance(0.5):
        joined = g.reshape(turned, (*turned.shape[:2], width), [0, 0, -1])
    else:
        joined = g.reshape(turned, (*turned.shape[:2], width))
    if g.chance(0.4):
        g.node("MatMul", [joined, g.weights(width, 5, fan=width)], (*joined.shape[:2], 5))


@family("attention_apart", 1.5)
def attention_apart(g):
    """Operands that come as they are: ranks 2 to 5, and batches and heads that broadcast."""
    rank = g.pick([2, 3, 4, 4, 4, 4, 5])
    lead = g.shape(rank - 2, 4)
    size, q_len, k_len = g.pick([1, 2, 4, 8, 9, 16]), g.extent(1, 6), g.extent(1, 8)
    wide = g.pick([size, 3, 5, 8])

    def operand(rows, columns):
        keep = g.between(0, len(lead)) if g.chance(0.25) else len(lead)
        own = tuple(1 if g.chance(0.15) else d for d in lead[len(lead) - keep:])
        return g.input(F32, (*own, rows, columns))

    q, v = operand(q_len, size), operand(k_len, wide)
    how = g.between(0, 3)
    if how == 0:
        kt = operand(size, k_len)
    else:
        k = operand(k_len, size)
        perm = list(range(k.rank))
        perm[-1], perm[-2] = perm[-2], perm[-1]
        kt = g.transpose(k, perm)
    core(g, q, kt, v, size)


@family("attention_operator", 0.8)
def attention_operator(g):
    """ai.onnx Attention of opset 23."""
    g.opset = 23
    b, heads, size = g.extent(1, 3), g.between(1, 4), g.pick([2, 4, 8, 16])
    kv_heads = g.pick([h for h in range(1, heads + 1) if heads % h == 0])
    q_len, k_len, v_size = g.extent(1, 6), g.extent(1, 8), g.pick([size, 3, 8])
    attributes = dict(scale=g.pick([None, 0.3]), is_causal=g.pick([None, 0, 1]), softcap=g.pick([None, None, 2.0]))
    if g.chance(0.5):
        q = g.input(F32, (b, q_len, heads * size))
        k, v = g.input(F32, (b, k_len, kv_heads * size)), g.input(F32, (b, k_len, kv_heads * v_size))
        attributes |= dict(q_num_heads=heads, kv_num_heads=kv_heads)
        shape = (b, q_len, heads * v_size)
    else:
        q = g.input(F32, (b, heads, q_len, size))
        k, v = g.input(F32, (b, kv_heads, k_len, size)), g.input(F32, (b, kv_heads, k_len, v_size))
        shape = (b, heads, q_len, v_size)
    inputs = [q, k, v]
    if g.chance(0.5):
        mask = g.pick([(q_len, k_len), (b, 1, q_len, k_len), (b, heads, q_len, k_len), (1, 1, q_len, k_len)])
        inputs.append(g.input(g.pick([F32, BOOL]), mask))
    g.node("Attention", inputs, shape, **attributes)


@family("rotary", 0.3)
def rotary(g):
    g.opset = 23
    b, heads, length, size = g.extent(1, 3), g.between(1, 3), g.extent(1, 5), g.pick([4, 8, 16])
    part = g.pick([None, None, size // 2])
    turned = (part or size) // 2
    interleaved = g.pick([None, 0, 1])
    if g.chance(0.5):
        x = g.input(F32, (b, heads, length, size))
        extra = {}
    else:
        x, extra = g.input(F32, (b, length, heads * size)), dict(num_heads=heads)
    if g.chance(0.5):
        from graph import I64
        caches = [g.const(g.array(F32, (16, turned), "unit")) for _ in range(2)]
        inputs = [x, *caches, g.input(I64, (b, length), (0, 15))]
    else:
        inputs = [x, *[g.input(F32, (b, length, turned), "unit") for _ in range(2)]]
    if part and "num_heads" not in extra:
        extra["num_heads"] = heads
    g.node("RotaryEmbedding", inputs, x.shape, interleaved=interleaved, rotary_embedding_dim=part, **extra)

"""Matrix products with operands of every rank, and what exporters put behind them."""
from families import family
from families.activations import any_activation
from families.conv import per_channel
from graph import F32, Dim, Invalid, alike, broadcast, varies


def matmul(g, a, b):
    if a.rank == 1 and b.rank == 1:
        shape = ()
    elif a.rank == 1:
        shape = (*b.shape[:-2], b.shape[-1])
    elif b.rank == 1:
        shape = a.shape[:-1]
    else:
        shape = (*broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    return g.node("MatMul", [a, b], shape)


def right_side(g, k, batch):
    """A second operand [..., k, n]: constant, an input, transposed or sliced."""
    n = g.pick([1, 2, 3, 5, 8, 15, 16, 17, 24, 33])
    lead = tuple(1 if g.chance(0.3) else d for d in batch[g.between(0, len(batch)):])
    if varies(k):
        return g.input(F32, (*lead, k, n))
    how = g.between(0, 5)
    if how == 0 and not varies(lead):
        w = g.const(g.array(F32, (*lead, n, int(k))) / max(1, int(k)) ** 0.5)
        return g.transpose(w, [*range(len(lead)), len(lead) + 1, len(lead)])
    if how == 1:
        w = g.input(F32, (*lead, n, k))
        return g.transpose(w, [*range(len(lead)), len(lead) + 1, len(lead)])
    if how == 2:
        return g.input(F32, (*lead, k, n))
    if how == 3:
        return g.slice(g.input(F32, (*lead, k, n + 3)), [1], [n + 1], [len(lead) + 1])
    if how == 4:
        return g.const(g.array(F32, (k,)))
    return g.weights(int(k), n, fan=int(k)) if not lead or g.chance(0.7) or varies(lead) else g.const(g.array(F32, (*lead, int(k), n)))


def follow(g, y, made):
    what = g.between(0, 6)
    if what <= 1:
        last = y.shape[-1] if y.rank and not varies(y.shape[-1]) else 1
        shape = g.pick([(), (1,), (last,), (1, last), (1,) * (y.rank + 1)])
        c = g.const(g.array(F32, shape))
        return g.binary(g.pick(["Add", "Add", "Mul", "Sub"]), *g.pick([(y, c), (c, y)]))
    if what == 2:
        same = [m for m in made if alike(m.shape, y.shape) and m is not y]
        other = g.pick(same) if same and g.chance(0.5) else g.tensor(F32, y.shape)
        return g.binary("Add", *g.pick([(y, other), (other, y)]))
    if what == 3 and y.rank >= 2:
        return per(g, y)
    return any_activation(g, y)


def per(g, y):
    """Heads apart, and together again in another order."""
    if varies(y.shape) or y.shape[-1] % 2 or not y.shape[-1]:
        return g.node("Identity", [y])
    shape = [*y.shape[:-1], 2, y.shape[-1] // 2]
    split = g.reshape(y, shape)
    perm = list(range(len(shape)))
    perm[-2], perm[-3] = perm[-3], perm[-2]
    return g.transpose(split, perm)


@family("products", 2)
def products(g):
    rank = g.pick([1, 2, 2, 2, 3, 3, 4, 5])
    x = g.input(F32, (*g.shape(rank - 1, 5), g.fixed(1, 40) if g.chance(0.8) else g.extent(1, 9)))
    if rank >= 2 and g.chance(0.15):
        x = g.transpose(x, [*range(rank - 2), rank - 1, rank - 2])
    made = [x]
    for _ in range(g.between(1, 3)):
        if x.rank == 0 or x.rank > 5:
            break
        x = matmul(g, x, right_side(g, x.shape[-1], x.shape[:-2]))
        made.append(x)
        for _ in range(g.between(0, 3)):
            x = follow(g, x, made)
            made.append(x)


@family("gemm")
def gemm(g):
    m, k, n = g.extent(1, 9), g.fixed(1, 40), g.pick([1, 2, 7, 8, 16, 17, 33])
    made = []
    x = g.input(F32, (m, k))
    for _ in range(g.between(1, 2)):
        m, k = x.shape
        trans_a, trans_b = g.pick([0, 0, 1]), g.pick([0, 1])
        a = g.transpose(x, [1, 0]) if trans_a else x
        w = g.weights(*((n, int(k)) if trans_b else (int(k), n)), fan=int(k)) if g.chance(0.8) else g.input(F32, (n, k) if trans_b else (k, n))
        inputs = [a, w]
        if g.chance(0.7):
            shape = g.pick([(n,), (1, n), (m, n), (), (1,), (m, 1), (1, 1)])
            inputs.append(g.tensor(F32, shape))
        x = g.node("Gemm", inputs, (m, n), alpha=g.pick([None, 1.0, 0.5, 2.0]), beta=g.pick([None, 1.0, 0.5, -1.0]),
                   transA=trans_a or None, transB=trans_b or None)
        made.append(x)
        for _ in range(g.between(0, 2)):
            x = follow(g, x, made)
            made.append(x)
        if x.rank != 2 or varies(x.shape[-1]):
            break


@family("einsum", 0.4)
def einsum(g):
    equation, shapes = g.pick([("ij,jk->ik", "ij jk"), ("bij,bjk->bik", "bij bjk"), ("bij,jk->bik", "bij jk"), ("ij->ji", "ij"),
                               ("ii->i", "ii"), ("ij->", "ij"), ("bhqd,bhkd->bhqk", "bhqd bhkd"), ("i,j->ij", "i j"),
                               ("...ij,...jk->...ik", "abij abjk"), ("bij,bij->b", "bij bij"), ("ij,jk", "ij jk"), ("ijk->kij", "ijk")])
    letters = {}
    operands = []
    for word in shapes.split():
        shape = [letters.setdefault(c, g.extent(1, 5)) for c in word]
        operands.append(g.input(F32, shape))
    target = equation.split("->")[-1].replace("...", "ab") if "->" in equation else "ik"
    y = g.node("Einsum", operands, [letters[c] for c in target], equation=equation)
    if g.chance(0.5):
        any_activation(g, y)

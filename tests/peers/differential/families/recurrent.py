"""RNN, GRU and LSTM: directions, initial states, lengths, clipping, other activations."""
import numpy as np

from families import family
from families.activations import operator
from graph import F32, I32, Invalid, varies

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@family("recurrent")
def recurrent(g):
    op = g.pick(["RNN", "GRU", "LSTM", "LSTM", "LSTM"])
    direction = g.pick(["forward", "forward", "reverse", "bidirectional"])
    d = 2 if direction == "bidirectional" else 1
    length, batch, size, hidden = g.extent(1, 7), g.extent(1, 9), g.between(1, 12), g.pick([1, 3, 4, 8, 9, 16])
    gates = GATES[op]
    x = g.input(F32, (length, batch, size))
    w, r = g.const(g.array(F32, (d, gates * hidden, size)) / 2), g.const(g.array(F32, (d, gates * hidden, hidden)) / np.float32(hidden**0.5))
    inputs = [x, w, r, g.const(g.array(F32, (d, 2 * gates * hidden))) if g.chance(0.6) else None,
              None, g.tensor(F32, (d, batch, hidden)) if g.chance(0.4) else None]
    if not varies(length, batch) and g.chance(0.25):
        inputs[4] = g.const(g.array(I32, (batch,), (1, int(length)))) if g.chance(0.5) else g.input(I32, (batch,), (1, int(length)))
    if op == "LSTM":
        inputs.append(g.tensor(F32, (d, batch, hidden)) if g.chance(0.4) else None)
        inputs.append(g.const(g.array(F32, (d, 3 * hidden))) if g.chance(0.2) else None)
    while inputs[-1] is None:
        inputs.pop()
    attributes = dict(hidden_size=hidden, direction=direction if d == 2 or g.chance(0.7) or direction != "forward" else None,
                      clip=g.pick([None, None, None, 0.8]))
    if g.chance(0.25):
        per = {"RNN": 1, "GRU": 2, "LSTM": 3}[op]
        # One that is not bounded is enough: more of them grow without end.
        attributes["activations"] = [g.pick(["Sigmoid", "Tanh", "Relu"] if k % per == per - 1 else ["Sigmoid", "Tanh"])
                                     for k in range(per * d)]
    if op == "GRU":
        attributes["linear_before_reset"] = g.pick([None, 0, 1])
    count = 3 if op == "LSTM" else 2
    shapes = [(length, d, batch, hidden), (d, batch, hidden), (d, batch, hidden)][:count]
    y = g.node(op, inputs, shapes, outputs=count, **attributes)
    if g.chance(0.5):
        flat = g.transpose(y[0], [0, 2, 1, 3])
        flat = g.reshape(flat, (length, batch, d * hidden), [0, 0, -1])
        if g.chance(0.5):
            g.node("MatMul", [flat, g.weights(d * hidden, 3, fan=d * hidden)], (length, batch, 3))
        else:
            operator(g, flat)

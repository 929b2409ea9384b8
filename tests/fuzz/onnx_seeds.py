"""Small ONNX models of every operator family, written without any library: seeds for the fuzzer of the reader."""
import struct

F32, U8, I8, I32, I64, STR, BOOL, F16 = 1, 2, 3, 6, 7, 8, 9, 10


def varint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def num(field: int, n: int) -> bytes:
    return varint(field << 3) + varint(n)


def data(field: int, content) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def flt(field: int, x: float) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<f", x)


def tensor(dtype: int, dims, values, name: str = "") -> bytes:
    out = b"".join(num(1, d) for d in dims) + num(2, dtype)
    if dtype == STR:
        out += b"".join(data(6, v) for v in values)
    else:
        out += data(9, struct.pack("<" + {F32: "f", U8: "B", I8: "b", I32: "i", I64: "q", BOOL: "B", F16: "H"}[dtype] * len(values), *values))
    return out + (data(8, name) if name else b"")


def tensor_type(dtype: int, dims) -> bytes:
    shape = b"".join(data(1, data(2, d) if isinstance(d, str) else num(1, d)) for d in dims)
    return data(1, num(1, dtype) + data(2, shape))


def info(name: str, dtype: int, dims) -> bytes:
    return data(1, name) + data(2, tensor_type(dtype, dims))


class Graph(bytes):
    pass


def attribute(name: str, value) -> bytes:
    out = data(1, name)
    if isinstance(value, Graph):
        return out + data(6, value) + num(20, 5)
    if isinstance(value, bytes):
        return out + data(5, value) + num(20, 4)
    if isinstance(value, str):
        return out + data(4, value) + num(20, 3)
    if isinstance(value, float):
        return out + flt(2, value) + num(20, 1)
    if isinstance(value, int):
        return out + num(3, value) + num(20, 2)
    if value and isinstance(value[0], str):
        return out + b"".join(data(9, v) for v in value) + num(20, 8)
    if value and isinstance(value[0], float):
        return out + b"".join(flt(7, v) for v in value) + num(20, 6)
    return out + b"".join(num(8, v) for v in value) + num(20, 7)


def node(op: str, inputs: str, outputs: str, domain: str = "", **attributes) -> bytes:
    """Names are separated by spaces; - is an absent input."""
    names = ["" if n == "-" else n for n in inputs.split()]
    return (b"".join(data(1, n) for n in names) + b"".join(data(2, n) for n in outputs.split()) + data(4, op)
            + (data(7, domain) if domain else b"") + b"".join(data(5, attribute(k, v)) for k, v in attributes.items()))


def graph(nodes, inputs, outputs, constants=(), name: str = "g") -> Graph:
    return Graph(b"".join(data(1, n) for n in nodes) + data(2, name) + b"".join(data(5, c) for c in constants)
                 + b"".join(data(11, i) for i in inputs) + b"".join(data(12, data(1, o)) for o in outputs.split()))


def model(nodes, inputs, outputs, constants=(), opset: int = 21, functions=(), more: bytes = b"") -> bytes:
    return (num(1, 10) + b"".join(data(8, data(1, d) + num(2, v)) for d, v in (("", opset), ("com.microsoft", 1), ("ai.onnx.ml", 3), ("local", 1)))
            + data(7, graph(nodes, inputs, outputs, constants)) + b"".join(data(25, f) for f in functions) + more)


def ints(name: str, values, dims=None) -> bytes:
    return tensor(I64, [len(values)] if dims is None else dims, values, name)


def floats(name: str, dims, value: float = 0.5) -> bytes:
    count = 1
    for d in dims:
        count *= d
    return tensor(F32, dims, [value] * count, name)


def chain(ops, dtype=F32, dims=(2, 3), opset=21) -> bytes:
    """One input through operators of one operand, each of them an output."""
    nodes = [node(op, "x", f"y{i}", **attributes) for i, (op, attributes) in enumerate(ops)]
    return model(nodes, [info("x", dtype, dims)], " ".join(f"y{i}" for i in range(len(ops))), opset=opset)


def models() -> dict:
    m = {}
    unary = "Abs Neg Sign Ceil Floor Round Sqrt Reciprocal Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Erf Relu LeakyRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Gelu Mish Softplus Softsign ThresholdedRelu Shrink IsNaN IsInf Identity Softmax LogSoftmax Hardmax"
    m["unary"] = chain([(op, {}) for op in unary.split()], dims=("n", 3))
    binary = "Add Sub Mul Div Pow Min Max Equal Less LessOrEqual Greater GreaterOrEqual PRelu Sum Mean"
    m["binary"] = model([node(op, "x y", f"z{i}") for i, op in enumerate(binary.split())] + [node("Where", "z7 x y", "w"), node("Clip", "x lo", "c")],
                        [info("x", F32, ("n", 3)), info("y", F32, (3,))], " ".join(f"z{i}" for i in range(15)) + " w c", [floats("lo", [])])
    m["bits"] = model([node(op, "x y", f"z{i}") for i, op in enumerate("BitwiseAnd BitwiseOr BitwiseXor Mod Div Sub".split())] + [node("BitwiseNot", "x", "n"), node("BitShift", "u u", "s", direction="LEFT"), node("And", "b b", "a"), node("Not", "b", "o"), node("Cast", "x", "f", to=F32), node("CastLike", "x u", "l")],
                      [info("x", I32, (2, 3)), info("y", I32, (3,)), info("u", U8, (4,)), info("b", BOOL, (2,))], "z0 z1 z2 z3 z4 z5 n s a o f l")
    m["conv"] = model([node("Conv", "x w b", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("BatchNormalization", "a b b b b", "n"), node("Relu", "n", "r"), node("MaxPool", "r", "m", kernel_shape=[2, 2], strides=[2, 2]),
                       node("ConvTranspose", "m t", "u", strides=[2, 2]), node("GlobalAveragePool", "u", "g"), node("Flatten", "g", "f"), node("Gemm", "f k", "y", transB=1)],
                      [info("x", F32, ("n", 3, 6, 6))], "y", [floats("w", [4, 3, 3, 3]), floats("b", [4]), floats("t", [4, 2, 2, 2]), floats("k", [5, 2])])
    m["pool"] = model([node("MaxPool", "x", "a i", kernel_shape=[2, 2], strides=[2, 2]), node("MaxUnpool", "a i", "u", kernel_shape=[2, 2], strides=[2, 2]), node("AveragePool", "x", "v", kernel_shape=[3, 3], auto_pad="SAME_UPPER", count_include_pad=1), node("LpPool", "x", "l", kernel_shape=[2, 2]), node("GlobalMaxPool", "x", "g"), node("GlobalLpPool", "x", "h"), node("MaxRoiPool", "x r", "p", pooled_shape=[2, 2]), node("RoiAlign", "x q b", "o", output_height=2, output_width=2)],
                      [info("x", F32, (1, 2, 4, 4)), info("r", F32, (1, 5)), info("q", F32, (1, 4)), info("b", I64, (1,))], "a u v l g h p o")
    m["product"] = model([node("MatMul", "x w", "a"), node("Add", "a b", "c"), node("Gelu", "c", "d"), node("LayerNormalization", "d b b", "e"), node("Einsum", "e e", "f", equation="ij,kj->ik"), node("Gemm", "a b2 -", "g", transB=1, alpha=0.5), node("Det", "q", "h")],
                         [info("x", F32, ("n", 4)), info("q", F32, (2, 2))], "f g h", [floats("w", [4, 3]), floats("b", [3]), floats("b2", [2, 3])])
    m["norms"] = model([node("GroupNormalization", "x s s", "a", num_groups=2), node("InstanceNormalization", "x s s", "b"), node("LRN", "x", "c", size=3), node("LpNormalization", "x", "d"), node("MeanVarianceNormalization", "x", "e"), node("RMSNormalization", "x k", "f")],
                       [info("x", F32, (1, 4, 3, 3))], "a b c d e f", [floats("s", [4]), floats("k", [3])], opset=23)
    m["moves"] = model([node("Transpose", "x", "a", perm=[1, 0, 2]), node("Reshape", "x s", "b"), node("Concat", "x x", "c", axis=1), node("Slice", "c st en ax sp", "d"), node("Split", "c", "e0 e1", axis=1, num_outputs=2), node("Squeeze", "x2 ax", "f"), node("Unsqueeze", "x ax", "g"), node("Expand", "x2 sh", "h"), node("Tile", "x rp", "i"), node("Pad", "x pd", "j", mode="reflect"), node("Flatten", "x", "k", axis=2), node("DepthToSpace", "im", "l", blocksize=2), node("SpaceToDepth", "im", "m", blocksize=2), node("Trilu", "x", "o"), node("ReverseSequence", "x ln", "p", batch_axis=0, time_axis=1), node("CenterCropPad", "x sh", "q"), node("Identity", "e0", "r")],
                       [info("x", F32, (2, 4, 3)), info("x2", F32, (2, 1, 3)), info("im", F32, (1, 4, 2, 2)), info("ln", I64, (2,))], "a b d e1 f g h i j k l m o p q r",
                       [ints("s", [0, -1]), ints("st", [3]), ints("en", [-9]), ints("ax", [1]), ints("sp", [-2]), ints("sh", [2, 4, 3]), ints("rp", [1, 2, 1]), ints("pd", [0, 1, 0, 0, 1, 1])])
    m["shapes"] = model([node("Shape", "x", "a"), node("Gather", "a i", "b", axis=0), node("Concat", "b m", "c", axis=0), node("Reshape", "x c", "d"), node("Size", "x", "e"), node("ConstantOfShape", "a", "f", value=tensor(F32, [1], [2.0])), node("Range", "z e1 o1", "g"), node("EyeLike", "x", "h"), node("OneHot", "ii dp vv", "k"), node("Constant", "", "l", value=tensor(I64, [2], [1, 2])), node("Squeeze", "b", "e1"), node("Mul", "a a", "p"), node("Div", "p a", "q"), node("Expand", "one q", "r")],
                        [info("x", F32, ("n", "m")), info("ii", I64, (3,))], "d e f g h k l r", [ints("i", [0]), ints("m", [-1]), ints("z", [0], []), ints("o1", [1], []), ints("dp", [4], []), floats("vv", [2]), floats("one", [1])])
    m["index"] = model([node("Gather", "x i", "a", axis=1), node("GatherElements", "x e", "b", axis=1), node("GatherND", "x nd", "c"), node("ScatterElements", "x e u", "d", axis=0, reduction="add"), node("ScatterND", "x nd v", "f"), node("NonZero", "x", "g"), node("Compress", "x k", "h", axis=0), node("Unique", "x", "j0 j1 j2 j3"), node("TopK", "x t", "l0 l1"), node("NonMaxSuppression", "bx sc mo io", "m"), node("Where", "k1 x x", "o"), node("ArgMax", "x", "p"), node("ArgMin", "x", "q"), node("CumSum", "x ax", "r")],
                       [info("x", F32, (2, 3)), info("i", I64, (2,)), info("e", I64, (2, 2)), info("u", F32, (2, 2)), info("nd", I64, (2, 1)), info("v", F32, (2, 3)), info("k", BOOL, (2,)), info("bx", F32, (1, 3, 4)), info("sc", F32, (1, 1, 3)), info("k1", BOOL, (3,))], "a b c d f g h j0 j2 l0 l1 m o p q r", [ints("t", [2]), ints("mo", [2], []), floats("io", []), ints("ax", [1], [])])
    reductions = "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare"
    m["reduce"] = model([node(op, "x ax", f"y{i}", keepdims=i % 2) for i, op in enumerate(reductions.split())], [info("x", F32, ("n", 3, 4))], " ".join(f"y{i}" for i in range(10)), [ints("ax", [-1, 0])])
    m["reduce_13"] = chain([("ReduceMean", {"axes": [1], "keepdims": 0}), ("ReduceMax", {"axes": [0]}), ("ReduceSumSquare", {})], opset=12)
    m["resize"] = model([node("Resize", "x - sc", "a", mode="linear"), node("Resize", "x - - sz", "b", mode="cubic", coordinate_transformation_mode="align_corners"), node("GridSample", "x gr", "c"), node("AffineGrid", "th as", "d"), node("Col2Im", "co ims bls", "e")],
                        [info("x", F32, (1, 2, 3, 4)), info("gr", F32, (1, 2, 2, 2)), info("th", F32, (1, 2, 3)), info("co", F32, (1, 4, 4))], "a b c d e", [tensor(F32, [4], [1, 1, 2, 2], "sc"), ints("sz", [1, 2, 5, 5]), ints("as", [1, 2, 3, 4]), ints("ims", [4, 4]), ints("bls", [2, 2])])
    m["upsample"] = model([node("Upsample", "x sc", "y", mode="nearest")], [info("x", F32, (1, 1, 2, 3))], "y", [tensor(F32, [4], [1, 1, 2, 2], "sc")], opset=9)
    m["rnn"] = model([node("LSTM", "x w r b - h", "y yh yc", hidden_size=4), node("GRU", "x wg rg", "g", hidden_size=4, linear_before_reset=1), node("RNN", "x wr rr", "q", hidden_size=4)],
                     [info("x", F32, ("t", 2, 3)), info("h", F32, (1, 2, 4))], "y yc g q", [floats("w", [1, 16, 3]), floats("r", [1, 16, 4]), floats("b", [1, 32]), floats("wg", [1, 12, 3]), floats("rg", [1, 12, 4]), floats("wr", [1, 4, 3]), floats("rr", [1, 4, 4])])
    m["quantized"] = model([node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"), node("DequantizeLinear", "w s zw", "dw"), node("Conv", "d dw", "c"), node("QuantizeLinear", "c s z", "cq"), node("DequantizeLinear", "cq s z", "y"), node("QLinearConv", "q s z w s zw s z", "k"), node("DynamicQuantizeLinear", "x", "dq ds dz"), node("ConvInteger", "q w z zw", "ci"), node("QLinearMatMul", "m s z m s z s z", "mm"), node("MatMulInteger", "m m", "mi")],
                           [info("x", F32, (1, 2, 4, 4)), info("m", U8, (2, 2))], "y k dq ci mm mi", [floats("s", []), tensor(U8, [], [3], "z"), tensor(I8, [], [0], "zw"), tensor(I8, [3, 2, 3, 3], [1] * 54, "w")])
    m["attention"] = model([node("Attention", "q k v", "a", scale=0.5), node("RotaryEmbedding", "q cs cs ps", "r"), node("Softmax", "a", "s", axis=-1)],
                           [info("q", F32, (1, 2, 3, 4)), info("k", F32, (1, 2, "m", 4)), info("v", F32, (1, 2, "m", 4)), info("ps", I64, (1, 3))], "r s", [floats("cs", [9, 2])], opset=23)
    m["attention_parts"] = model([node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "s"), node("Div", "s c", "d"), node("Softmax", "d", "p", axis=-1), node("MatMul", "p v", "o")],
                                 [info("q", F32, (1, 2, "n", 4)), info("k", F32, (1, 2, "n", 4)), info("v", F32, (1, 2, "n", 4))], "o", [floats("c", [], 2.0)])
    m["random"] = model([node("RandomNormal", "", "a", shape=[2, 2]), node("RandomUniformLike", "x", "b"), node("Bernoulli", "x", "c"), node("Multinomial", "x", "d", sample_size=2), node("Dropout", "x", "e f")], [info("x", F32, (2, 3))], "a b c d e")
    m["signal"] = model([node("DFT", "x - ax", "a"), node("STFT", "sg st - fl", "b"), node("HannWindow", "fl", "c"), node("HammingWindow", "fl", "d"), node("BlackmanWindow", "fl", "e"), node("MelWeightMatrix", "fl fl rt lo hi", "f")],
                        [info("x", F32, (1, 8, 1)), info("sg", F32, (1, 16, 1))], "a b c d e f", [ints("ax", [1], []), ints("st", [4], []), ints("fl", [8], []), ints("rt", [8000], []), floats("lo", [], 0.0), floats("hi", [], 4000.0)], opset=20)
    m["strings"] = model([node("StringConcat", "x x", "a"), node("StringSplit", "x", "b n", delimiter="-", maxsplit=2), node("RegexFullMatch", "x", "c", pattern="a+b?"), node("StringNormalizer", "x", "d", case_change_action="UPPER", stopwords=["b"]), node("Equal", "x x", "e"), node("LabelEncoder", "x", "f", domain="ai.onnx.ml", keys_strings=["a", "b"], values_int64s=[1, 2]), node("TfIdfVectorizer", "t", "g", mode="TF", min_gram_length=1, max_gram_length=2, max_skip_count=1, ngram_counts=[0, 2], ngram_indexes=[0, 1, 2], pool_int64s=[1, 2, 1, 3])],
                         [info("x", STR, (3,)), info("t", I64, (2, 4))], "a b n c d e f g")
    m["trees"] = model([node("TreeEnsemble", "x", "y", domain="ai.onnx.ml", n_targets=1, aggregate_function=1, post_transform=0, tree_roots=[0], nodes_featureids=[0], nodes_modes=tensor(U8, [1], [0]), nodes_splits=tensor(F32, [1], [0.5]), nodes_truenodeids=[0], nodes_falsenodeids=[1], nodes_trueleafs=[1], nodes_falseleafs=[1], leaf_targetids=[0, 0], leaf_weights=tensor(F32, [2], [1.0, 2.0])), node("Binarizer", "x", "b", domain="ai.onnx.ml", threshold=0.5), node("ArrayFeatureExtractor", "x i", "z", domain="ai.onnx.ml")],
                       [info("x", F32, (2, 3))], "y b z", [ints("i", [1])]).replace(data(1, "ai.onnx.ml") + num(2, 3), data(1, "ai.onnx.ml") + num(2, 5))
    then = graph([node("Exp", "x", "t")], [], "t")
    other = graph([node("Neg", "x", "e")], [], "e")
    body = graph([node("Add", "s s", "t"), node("Identity", "c", "d")], [info("i", I64, ()), info("c", BOOL, ()), info("s", F32, (2,))], "d t t")
    scan = graph([node("Add", "s e", "t")], [info("s", F32, (2,)), info("e", F32, (2,))], "t t")
    m["branches"] = model([node("If", "c", "y", then_branch=then, else_branch=other), node("Relu", "y", "z")], [info("c", BOOL, ()), info("x", F32, ("n", 2))], "z")
    m["loops"] = model([node("Loop", "trips go x", "v all", body=body), node("Scan", "x q", "w ys", body=scan, num_scan_inputs=1)], [info("x", F32, (2,)), info("q", F32, ("n", 2))], "v all w ys", [ints("trips", [4], []), tensor(BOOL, [], [1], "go")])
    each = graph([node("Exp", "e", "t")], [info("e", F32, (2, 3))], "t")
    m["sequences"] = model([node("SequenceConstruct", "x x", "s"), node("SequenceInsert", "s x", "t"), node("SequenceLength", "t", "l"), node("SequenceAt", "t z", "a"), node("SequenceErase", "t z", "r"), node("ConcatFromSequence", "r", "c", axis=0), node("SplitToSequence", "x", "p", axis=0), node("SequenceMap", "s", "m", body=each), node("SequenceEmpty", "", "e"), node("Optional", "x", "o"), node("OptionalHasElement", "o", "h"), node("OptionalGetElement", "o", "g")], [info("x", F32, (2, 3))], "l a c p m h g", [ints("z", [0], [])])
    function = data(1, "Twice") + data(4, "a") + data(5, "b") + data(6, "alpha") + data(7, node("Add", "a a", "c")) + data(7, data(1, "c") + data(2, "b") + data(4, "LeakyRelu") + data(5, data(1, "alpha") + data(21, "alpha") + num(20, 1))) + data(9, data(1, "") + num(2, 21)) + data(10, "local")
    m["functions"] = model([node("Twice", "x", "y", domain="local", alpha=0.1), node("Twice", "y", "z", domain="local", alpha=0.2)], [info("x", F32, (2, "n"))], "z", functions=[function])
    m["sparse"] = model([node("Constant", "", "c", value_floats=[1.0, 2.0]), node("Mul", "x c", "y"), node("Adagrad", "r t x x x", "n h", domain="ai.onnx.preview.training")], [info("x", F32, (2,)), info("r", F32, ()), info("t", I64, ())], "y n", more=data(8, data(1, "ai.onnx.preview.training") + num(2, 1)))
    m["microsoft"] = model([node("QLinearAdd", "q s z q s z s z", "a", domain="com.microsoft"), node("QuantizeLinear", "x s z", "b", domain="com.microsoft"), node("MatMulIntegerToFloat", "q q s s", "c", domain="com.microsoft"), node("QGemm", "q s z q s z", "d", domain="com.microsoft")], [info("q", U8, (2, 2)), info("x", F32, (2, 2))], "a b c d", [floats("s", []), tensor(U8, [], [3], "z")])
    m["losses"] = model([node("SoftmaxCrossEntropyLoss", "x t", "a b"), node("NegativeLogLikelihoodLoss", "x t", "c")], [info("x", F32, (2, 3)), info("t", I64, (2,))], "a c")
    m["deform"] = model([node("DeformConv", "x w o", "y", kernel_shape=[2, 2])], [info("x", F32, (1, 1, 3, 3)), info("o", F32, (1, 8, 2, 2))], "y", [floats("w", [1, 1, 2, 2])])
    m["external"] = model([node("Add", "x w", "y")], [info("x", F32, (2,))], "y", [num(1, 2) + num(2, F32) + data(8, "w") + data(13, data(1, "location") + data(2, "w.bin")) + data(13, data(1, "offset") + data(2, "4")) + num(14, 1)])
    return m


def tensors() -> dict:
    list_of = b"".join(data(3, tensor(F32, [2], [1.0, 2.0])) for _ in range(2))
    return {"f32": tensor(F32, [2, 2], [1, 2, 3, 4], "t"), "strings": tensor(STR, [2], ["a", "bc"]), "i64": num(1, 3) + num(2, I64) + data(7, bytes([1, 2, 3])),
            "f16": num(1, 2) + num(2, F16) + data(5, bytes([1, 2])), "i4": num(1, 3) + num(2, 22) + data(9, b"\x21\x03"), "sequence": num(2, 1) + list_of,
            "optional": num(2, 1) + data(3, tensor(I64, [1], [7])), "optional_sequence": num(2, 3) + data(5, num(2, 1) + list_of)}

// com.microsoft's DynamicQuantizeLSTM: an LSTM whose weights come in 8 bits, [D, I, 4 H] and [D, H, 4 H].
//
// The weights are what they are; what ONNX Runtime rounds to 8 bits besides, the input and the hidden state of every
// step, stays in f32 here.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

/// [D, 4 H, K] from what is quantised [D, K, 4 H], with one scale and zero point a direction, or one of each column.
ir::ValueId weights(OnnxNode& n, int quantized, int scale, int zero) {
  const ir::ValueId w = n.input(quantized);
  if (n.type(w).rank() != 3) fail("weights (input {}) have rank {}, not 3", quantized, n.type(w).rank());
  const auto spread = [&](ir::ValueId v) {
    const std::size_t rank = n.type(v).rank();
    if (rank != 1 && rank != 2) fail("a scale or zero point of the weights has rank {}, not 1 or 2", rank);
    return n.add1("Unsqueeze", {v},
                  {{"axes", rank == 1 ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{1}}});
  };
  const auto floats = [&](ir::ValueId v) { return n.add1("Cast", {v}, {{"to", std::string("f32")}}); };
  ir::ValueId value = floats(w);
  if (input_or_none(n, zero) != ir::kNone) value = n.add1("Sub", {value, floats(spread(n.input(zero)))});
  value = n.add1("Mul", {value, spread(n.input(scale))});
  return n.add1("Transpose", {value}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}});
}

void import_dynamic_lstm(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.put(1, weights(n, 1, 8, 9));
  p.put(2, weights(n, 2, 10, 11));
  for (int i = 3; i < 8; ++i) p.input(i, i);
  const auto hidden = n.type(n.input(2)).shape[1].try_constant();
  if (!hidden && !n.has_attr("hidden_size")) fail("hidden_size is not given");
  p.attrs.set("hidden_size", n.i("hidden_size", hidden.value_or(0)));
  p.attrs.set("direction", n.s("direction", "forward"));
  if (n.has_attr("input_forget")) p.attrs.set("input_forget", n.i("input_forget", 0));
  if (n.has_attr("clip")) p.attrs.set("clip", static_cast<double>(n.f("clip", 0)));
  if (n.has_attr("activations")) p.attrs.set("activations", n.strings("activations"));
  for (const char* name : {"activation_alpha", "activation_beta"}) {
    const auto values = n.floats(name);
    if (!values.empty()) p.attrs.set(name, std::vector<double>(values.begin(), values.end()));
  }
  n.bind_all(n.add("LSTM", p.take_inputs(), std::move(p.attrs), n.output_count()));
}

constexpr OnnxImporter kDynamicImporters[] = {
    {.op_type = "DynamicQuantizeLSTM", .domain = "com.microsoft", .import = import_dynamic_lstm},
};

}  // namespace

extern const OnnxImporters dynamic_lstm_onnx{kDynamicImporters};

}  // namespace monza::ops

// com.microsoft's DynamicQuantizeLSTM: an LSTM whose weights come in 8 bits, [D, I, 4 H] and [D, H, 4 H].
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

void import_dynamic_lstm(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < 12; ++i) p.input(i, i);
  if (n.type(n.input(2)).rank() != 3) fail("weights (input 2) have rank {}, not 3", n.type(n.input(2)).rank());
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
  n.bind_all(n.add("QLSTM", p.take_inputs(), std::move(p.attrs), n.output_count()));
}

constexpr OnnxImporter kDynamicImporters[] = {
    {.op_type = "DynamicQuantizeLSTM", .domain = "com.microsoft", .import = import_dynamic_lstm},
};

}  // namespace

extern const OnnxImporters dynamic_lstm_onnx{kDynamicImporters};

}  // namespace monza::ops

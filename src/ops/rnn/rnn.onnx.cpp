// ONNX RNN, GRU and LSTM.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

void import_recurrent(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < n.input_count(); ++i) p.input(i, i);
  p.attrs.set("direction", n.s("direction", "forward"));
  const ir::SymShape& r = n.type(n.input(2)).shape;
  const auto width = r.size() == 3 ? r[2].try_constant() : std::nullopt;
  if (!width && !n.has_attr("hidden_size"))
    fail("hidden_size is not given, and recurrent weights of shape {} do not tell it", ir::to_string(r));
  p.attrs.set("hidden_size", n.i("hidden_size", width.value_or(0)));
  for (const char* name : {"layout", "linear_before_reset", "input_forget"})
    if (n.has_attr(name)) p.attrs.set(name, n.i(name, 0));
  if (n.has_attr("clip")) p.attrs.set("clip", static_cast<double>(n.f("clip", 0)));
  if (n.has_attr("activations")) p.attrs.set("activations", n.strings("activations"));
  for (const char* name : {"activation_alpha", "activation_beta"}) {
    const auto values = n.floats(name);
    if (!values.empty()) p.attrs.set(name, std::vector<double>(values.begin(), values.end()));
  }
  n.ignore("output_sequence");  // opset 1: the first output is asked for by its name
  const auto out = n.add(n.op_type(), p.take_inputs(), std::move(p.attrs), n.output_count());
  n.bind_all(out);
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "RNN", .import = import_recurrent},
    {.op_type = "GRU", .import = import_recurrent},
    {.op_type = "LSTM", .import = import_recurrent},
};

}  // namespace

extern const OnnxImporters rnn_onnx{kImporters};

}  // namespace monza::ops

// ONNX TfIdfVectorizer with a pool of integers.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

void import_tfidf(OnnxNode& n) {
  if (n.has_attr("pool_strings"))
    fail_hint("map the tokens to integers before the model", "a TfIdfVectorizer over strings is not supported");
  NodeParts p(n);
  p.input(0, 0);
  p.put(1, n.constant_value(ir::constant_i64(n.ints("pool_int64s"))));
  p.put(2, n.constant_value(ir::constant_i64(n.ints("ngram_indexes"))));
  if (auto weights = n.floats("weights"); !weights.empty()) {
    const Shape shape{static_cast<std::int64_t>(weights.size())};
    p.put(3, n.constant_value(ir::constant_f32(std::move(weights), shape)));
  }
  p.attrs.set("mode", n.s("mode", "TF"));
  for (const char* name : {"min_gram_length", "max_gram_length", "max_skip_count"}) p.attrs.set(name, n.i(name, 0));
  p.attrs.set("ngram_counts", n.ints("ngram_counts"));
  p.add("TfIdfVectorizer");
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "TfIdfVectorizer", .import = import_tfidf},
};

}  // namespace

extern const OnnxImporters text_onnx{kImporters};

}  // namespace monza::ops

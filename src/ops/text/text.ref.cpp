// TfIdfVectorizer: every n-gram of a row, with every distance between its tokens, looked up in the pool.
#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "ops/text/text.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

Status run_tfidf(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TfIdfParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const auto* pool = c.in[1].as<std::int64_t>();
  const auto* indexes = c.in[2].as<std::int64_t>();
  const int last = x.shape.rank - 1;
  const std::int64_t rows = last > 0 ? x.shape[0] : 1, tokens = x.shape[last], width = out.shape[last];
  // Where counts go is read from a table: it must not lead out of the output.
  std::int64_t grams = 0;
  for (std::int64_t length = 1; length <= p.lengths; ++length)
    grams += (p.begin[length] - p.begin[length - 1]) / length;
  for (std::int64_t i = 0; i < grams; ++i)
    if (indexes[i] < 0 || indexes[i] >= width)
      return {StatusCode::out_of_range, "TfIdfVectorizer: an index lies outside of the output"};
  const std::uint64_t zero[2] = {};
  if (Status s = fill_view(out, zero, *c.parallel); !s) return s;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto token = [&](std::int64_t i) {
      return access.load_int(x.data, (last > 0 ? row * x.stride[0] : 0) + i * x.stride[last]);
    };
    float* counts = out.as<float>() + (last > 0 ? row * out.stride[0] : 0);
    const auto count = [&](std::int64_t i) -> float& { return counts[indexes[i] * out.stride[last]]; };
    std::int64_t gram = 0;  // number of the pool's n-gram
    for (std::int64_t length = 1; length <= p.lengths; ++length)
      for (std::int64_t at = p.begin[length - 1]; at < p.begin[length]; at += length, ++gram) {
        if (length < p.shortest || length > p.longest) continue;
        // A single token has no distances.
        const std::int64_t skips = length == 1 ? 0 : p.most_skipped;
        for (std::int64_t skip = 0; skip <= skips && (length - 1) * (skip + 1) < tokens; ++skip)
          for (std::int64_t start = 0; start + (length - 1) * (skip + 1) < tokens; ++start) {
            bool same = true;
            for (std::int64_t k = 0; k < length && same; ++k) same = token(start + k * (skip + 1)) == pool[at + k];
            if (same) count(gram) += 1;
          }
      }
    for (std::int64_t i = 0; i < gram && p.mode != TfIdfParams::Mode::tf; ++i) {
      const float weight = c.has_input(3) ? c.in[3].as<float>()[i] : 1;
      float& value = count(i);
      if (p.mode == TfIdfParams::Mode::idf && value > 1) value = 1;
      value *= weight;
    }
  }
  return {};
}

}  // namespace

extern const Kernel tfidf_vectorizer_ref{.name = "tfidf_vectorizer_ref",
                                         .op = "TfIdfVectorizer",
                                         .reference = true,
                                         .in{Port::strided, Port::dense},
                                         .out{Port::strided},
                                         .run = run_tfidf};

}  // namespace monza::ops

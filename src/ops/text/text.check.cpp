// What the kernels of this family rely on: an n-gram table that lies within the pool, and an index for each n-gram.
#include "kernel/check_rules.h"
#include "ops/text/text.params.h"

namespace monza::ops {
namespace {

Refusal check_tfidf(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 4})) return r;
  const auto& p = c.params_as<TfIdfParams>();
  const TensorView &x = c.in[0], &pool = c.in[1], &indexes = c.in[2], &out = c.out[0];
  MONZA_REQUIRE(integral(x) && pool.dtype == DType::i64 && indexes.dtype == DType::i64 && out.dtype == DType::f32,
                "the element types do not fit the operator");
  MONZA_REQUIRE(x.shape.rank >= 1 && x.shape.rank <= 2 && out.shape.rank == x.shape.rank,
                "input and output do not fit each other");
  MONZA_REQUIRE(x.shape.rank == 1 || x.shape[0] == out.shape[0], "input and output differ in rows");
  MONZA_REQUIRE(p.lengths >= 0 && p.lengths <= TfIdfParams::kMaxLengths && p.most_skipped >= 0,
                "the lengths of n-grams are out of range");
  std::int64_t grams = 0;
  for (std::int64_t i = 0; i < p.lengths; ++i) {
    const std::int64_t count = p.begin[i + 1] - p.begin[i];
    MONZA_REQUIRE(p.begin[i] >= 0 && p.begin[i + 1] >= p.begin[i] && p.begin[i + 1] <= pool.shape.numel(),
                  "n-grams lie outside of the pool");
    MONZA_REQUIRE(count % (i + 1) == 0, "an n-gram reaches over its part of the pool");
    grams += count / (i + 1);
  }
  MONZA_REQUIRE(indexes.shape.numel() >= grams, "there is not one index for each n-gram");
  if (c.has_input(3))
    MONZA_REQUIRE(c.in[3].dtype == DType::f32 && c.in[3].shape.numel() >= grams,
                  "there is not one weight for each n-gram");
  return nullptr;
}

constexpr OperatorCheck kTextChecks[] = {
    {"TfIdfVectorizer", check_tfidf},
};

}  // namespace

extern const CheckList text_checks{kTextChecks};

}  // namespace monza::ops

// TfIdfVectorizer over integer tokens.
#include "ops/text/text.params.h"

#include <algorithm>

#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

TfIdfParams params_of(const ir::AttrReader& attrs, std::int64_t pool) {
  TfIdfParams p;
  const std::string mode = attrs.s("mode");
  if (mode == "TF") p.mode = TfIdfParams::Mode::tf;
  else if (mode == "IDF") p.mode = TfIdfParams::Mode::idf;
  else if (mode == "TFIDF") p.mode = TfIdfParams::Mode::tfidf;
  else fail("mode \"{}\" is not known", mode);
  p.shortest = attrs.i("min_gram_length");
  p.longest = attrs.i("max_gram_length");
  p.most_skipped = attrs.i("max_skip_count");
  if (p.shortest < 1 || p.longest < p.shortest || p.most_skipped < 0)
    fail("n-grams of {} to {} tokens with up to {} skipped", p.shortest, p.longest, p.most_skipped);
  const auto counts = attrs.ints("ngram_counts");
  if (counts.empty() || counts.size() > static_cast<std::size_t>(TfIdfParams::kMaxLengths) ||
      p.longest > static_cast<std::int64_t>(counts.size()))
    fail("ngram_counts has {} entries for n-grams of up to {} tokens", counts.size(), p.longest);
  p.lengths = static_cast<std::int64_t>(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::int64_t end = i + 1 < counts.size() ? counts[i + 1] : pool;
    if (counts[i] < 0 || end < counts[i] || end > pool || (end - counts[i]) % static_cast<std::int64_t>(i + 1) != 0)
      fail("ngram_counts do not cut the pool of {} tokens into n-grams", pool);
    p.begin[i] = counts[i];
  }
  p.begin[counts.size()] = pool;
  return p;
}

/// N-grams in the whole pool.
std::int64_t grams_of(const TfIdfParams& p) {
  std::int64_t grams = 0;
  for (std::int64_t i = 0; i < p.lengths; ++i) grams += (p.begin[i + 1] - p.begin[i]) / (i + 1);
  return grams;
}

/// TfIdfVectorizer(x, pool, indexes, weights?) {mode, min_gram_length, max_gram_length, max_skip_count, ngram_counts}.
void infer_tfidf(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  if (x.size() != 1 && x.size() != 2) c.fail("input has rank {}, not 1 or 2", x.size());
  if (!is_integer(c.dtype(0))) c.fail("tokens have element type {}; integers are supported", dtype_name(c.dtype(0)));
  const ir::Constant *pool = c.constant(1), *indexes = c.constant(2);
  if (pool == nullptr || indexes == nullptr || pool->dtype != DType::i64 || indexes->dtype != DType::i64)
    c.fail("the pool and its indexes must be constants of i64");
  const TfIdfParams p = params_of(c.attrs(), pool->numel());
  if (grams_of(p) != indexes->numel()) c.fail("{} indexes for {} n-grams", indexes->numel(), grams_of(p));
  if (c.has_input(3)) require_equal(ir::product(c.shape(3)), indexes->numel(), "weights and n-grams differ in number");
  std::int64_t width = 0;
  for (std::int64_t i : ir::to_ints(*indexes)) {
    if (i < 0 || i > (std::int64_t{1} << 40)) c.fail("index {} is out of range", i);
    width = std::max(width, i + 1);
  }
  ir::SymShape out = x;
  out.back() = width;
  c.set_output(0, DType::f32, std::move(out));
}

void params_tfidf(const ir::NodeView& n, ir::ParamsBlob& blob) {
  blob.set(params_of(n.attrs(), n.constant(1)->numel()));
}

/// Every n-gram of the pool at every place of the input, at every distance.
double work_tfidf(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return static_cast<double>(in[0].numel()) * static_cast<double>(in[1].numel()) *
         (1 + static_cast<double>(n.attrs().i("max_skip_count")));
}

constexpr ir::AttrDef kAttrs[] = {{"mode", "TF"},
                                  {"min_gram_length", 1},
                                  {"max_gram_length", 1},
                                  {"max_skip_count", 0},
                                  ir::required("ngram_counts", ir::AttrKind::ints)};

constexpr ir::OpDef kOps[] = {
    {.name = "TfIdfVectorizer",
     .attrs = kAttrs,
     .min_inputs = 3,
     .max_inputs = 4,
     .infer = infer_tfidf,
     .params = params_tfidf,
     .work = work_tfidf},
};

}  // namespace

extern const ir::OpList text_ops{kOps};

}  // namespace monza::ops

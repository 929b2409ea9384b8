// Two questions, cheapest first. Do the outputs differ with n rewrites? That is monotonic for one wrong rewrite, so n
// is halved. Which tensor differs first? Every named tensor of the variant that still differs is read in one run.
#include "engine/bisect.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace monza {
namespace {

/// The output that is furthest off, or null when all agree.
const TensorError* worst(const std::vector<TensorError>& errors) {
  const TensorError* found = nullptr;
  for (const TensorError& e : errors)
    if (!e.error.ok && (found == nullptr || !(e.error.max_abs_error <= found->error.max_abs_error))) found = &e;
  return found;
}

class Search {
 public:
  Search(VariantRunner& runner, const Variant& suspect, const Variant& trusted, const Criterion& criterion)
      : runner_(runner), suspect_(suspect), trusted_(trusted), criterion_(criterion) {}

  Culprit run() {
    const int before = runner_.builds();
    Culprit culprit = search();
    culprit.builds = runner_.builds() - before;
    return culprit;
  }

 private:
  Culprit search() {
    runner_.say("running the reference", 0);
    auto trusted = runner_.run(trusted_);
    want_ = std::move(trusted.outputs);
    names_ = value_names(*trusted.report.imported);
    runner_.say("running the model", 0.1);
    const auto all = attempt(-1, false);
    if (!all.differs) return {};
    const std::int64_t rewrites = static_cast<std::int64_t>(all.report.passes.rewrites.size());
    std::int64_t good = 0, bad = rewrites;
    if (rewrites > 0 && !attempt(0, false).differs) {
      while (bad - good > 1) {
        const std::int64_t middle = good + (bad - good) / 2;
        runner_.say("bisecting rewrites",
                    0.2 + 0.6 * (1 - static_cast<double>(bad - good) / static_cast<double>(rewrites)));
        (attempt(middle, false).differs ? bad : good) = middle;
      }
    } else {
      bad = 0;
    }
    // With `bad` rewrites the numbers differ. Are they wrong, or a kernel that only they bring in?
    const bool passes_matter = bad > 0;
    runner_.say("telling passes from kernels", 0.85);
    Culprit culprit;
    if (passes_matter) {
      const Rewrite& r = all.report.passes.rewrites.at(static_cast<std::size_t>(bad - 1));
      culprit.pass = r.pass;
      culprit.rewrite = r.what;
      culprit.node = r.node;
      culprit.rewrite_number = bad;
    }
    const bool with_reference_kernels = attempt(bad, true).differs;
    runner_.say("reading tensors", 0.9);
    const TensorError first = first_tensor(bad);
    culprit.tensor = first.name;
    culprit.kernel = first.kernel;
    culprit.error = first.error;
    if (passes_matter && with_reference_kernels) culprit.kind = Culprit::Kind::rewrite;
    else if (first.name.empty()) culprit.kind = Culprit::Kind::plan;
    else culprit.kind = with_reference_kernels || first.kernel.empty() ? Culprit::Kind::node : Culprit::Kind::kernel;
    if (culprit.kind != Culprit::Kind::rewrite) culprit.node = first.node;
    if (first.name.empty()) culprit.error = all.error;
    return culprit;
  }

  struct Attempt {
    bool differs = false;
    Comparison error;
    BuildReport report;
  };
  Variant variant(std::int64_t rewrites, bool reference_kernels) const {
    Variant v = suspect_;
    v.options.max_rewrites = rewrites;
    if (reference_kernels) {
      v.options.device = Device::reference;
      v.options.precision = Precision::fp32;
      v.options.constraints.clear();
      v.options.isa.clear();
    }
    return v;
  }
  Attempt attempt(std::int64_t rewrites, bool reference_kernels) {
    auto result = runner_.run(variant(rewrites, reference_kernels));
    const auto errors = compare_values(result.outputs, want_, criterion_);
    const TensorError* off = worst(errors);
    return {off != nullptr, off != nullptr ? off->error : Comparison{}, std::move(result.report)};
  }

  /// The first tensor, in the trusted variant's order, that differs; its name is empty when none does.
  TensorError first_tensor(std::int64_t rewrites) {
    const auto want = runner_.run(trusted_, names_), got = runner_.run(variant(rewrites, false), names_);
    for (const auto* list : {&got.values, &got.outputs})
      for (const TensorError& e :
           compare_values(*list, list == &got.values ? want.values : want.outputs, criterion_, false))
        if (!e.error.ok) return e;
    return {};
  }

  VariantRunner& runner_;
  const Variant &suspect_, &trusted_;
  const Criterion& criterion_;
  std::vector<NamedValue> want_;
  std::vector<std::string> names_;
};

/// The share of the elements that lie beyond the ends of the range, and half a step.
double clipped_share(const Tensor& floats, ValueRange range) {
  const float half = (range.high - range.low) / 255 / 2;
  std::int64_t beyond = 0;
  for (std::int64_t i = 0; i < floats.numel(); ++i) {
    const float x = floats.as<float>()[i];
    beyond += x < range.low - half || x > range.high + half ? 1 : 0;
  }
  return floats.numel() == 0 ? 0 : static_cast<double>(beyond) / static_cast<double>(floats.numel());
}

}  // namespace

std::vector<TensorError> compare_values(const std::vector<NamedValue>& got, const std::vector<NamedValue>& want,
                                        const Criterion& criterion, bool strict) {
  std::map<std::string_view, const NamedValue*> by_name;
  for (const NamedValue& w : want) by_name.emplace(w.name, &w);
  std::vector<TensorError> errors;
  for (const NamedValue& g : got) {
    const auto it = by_name.find(g.name);
    if (it == by_name.end()) continue;
    const Tensor& other = it->second->value;
    if (!strict && (g.value.dtype() != other.dtype() || g.value.shape() != other.shape())) continue;
    errors.push_back({g.name, g.node, g.kernel, judge(g.value, other, criterion, g.name)});
    if (g.integers && other.dtype() == DType::f32) errors.back().clipped = clipped_share(other, *g.integers);
  }
  return errors;
}

Culprit find_culprit(VariantRunner& runner, const Variant& suspect, const Variant& trusted,
                     const Criterion& criterion) {
  return Search(runner, suspect, trusted, criterion).run();
}

std::string to_string(const Culprit& c) {
  const std::string first =
      c.tensor.empty() ? "" : fmt::format("\n  the first tensor that differs is '{}' ({})", c.tensor, c.error.reason);
  const std::string number = c.rewrite_number > 0 ? fmt::format(" (rewrite {}: --max-rewrites {} agrees)",
                                                                c.rewrite_number, c.rewrite_number - 1)
                                                  : "";
  switch (c.kind) {
    case Culprit::Kind::none: return "the outputs agree";
    case Culprit::Kind::rewrite:
      return fmt::format("pass '{}' makes the numbers differ: {} at {}{}{}\n  try: --disable-pass {}", c.pass,
                         c.rewrite, c.node, number, first, c.pass);
    case Culprit::Kind::kernel:
      return fmt::format("kernel '{}' makes the numbers differ, at {}{}{}", c.kernel, c.node, number, first);
    case Culprit::Kind::node: return fmt::format("the first node that differs is {}{}{}", c.node, number, first);
    case Culprit::Kind::plan:
      return fmt::format(
          "the outputs differ ({}), but every tensor agrees when it is read{}: the plan shares memory wrongly",
          c.error.reason, number);
  }
  return "";
}

}  // namespace monza

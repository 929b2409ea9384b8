#include "decoder/rope.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::decoder {
namespace {

constexpr const char *kShort = "rope_factors_short.weight", *kLong = "rope_factors_long.weight";

/// The factors that a tensor has for each pair; empty where there is none.
std::vector<double> factors(const char* name, std::int64_t pairs, const gguf::Contents& file) {
  const gguf::TensorInfo* t = file.find_tensor(name);
  if (t == nullptr) return {};
  if (t->shape != Shape{pairs} || t->dtype != DType::f32)
    fail("tensor '{}' is {} of {}, not f32 of {}", name, dtype_name(t->dtype), to_string(t->shape), pairs);
  std::vector<double> all;
  for (std::int64_t i = 0; i < pairs; ++i) all.push_back(element_access(DType::f32).load(t->bytes.data(), i));
  return all;
}

/// The pair that turns so many times within the original context (arXiv 2309.00071, section 3.2).
double pair_of_turns(double turns, const RopeForm& form, std::int64_t rotated) {
  return static_cast<double>(rotated) * std::log(form.original_context / (turns * 2 * M_PI)) /
         (2 * std::log(form.base));
}

}  // namespace

TurningSpeeds turning_speeds(const RopeForm& form, std::int64_t rotated, const gguf::Contents& file) {
  const std::int64_t pairs = rotated / 2;
  const bool yarn = form.scaling == RopeForm::Scaling::yarn;
  TurningSpeeds made;
  made.magnitude = form.magnitude * (yarn && form.factor > 1 ? 1 + 0.1 * std::log(form.factor) : 1);
  std::vector<double> slower = factors("rope_freqs.weight", pairs, file);
  if (slower.empty()) slower = factors(kShort, pairs, file);
  double first = 0, last = 0;  // pairs between which yarn changes from not scaled to scaled
  if (yarn) {
    first = std::max(std::floor(pair_of_turns(form.beta_fast, form, rotated)), 0.0);
    last = std::min(std::ceil(pair_of_turns(form.beta_slow, form, rotated)), static_cast<double>(rotated - 1));
    if (first == last) last += 0.001;
  }
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double own = std::pow(form.base, -2.0 * static_cast<double>(i) / static_cast<double>(rotated));
    double speed = own / form.factor;
    if (yarn) {
      const double share = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
      speed = speed * share + own * (1 - share);
    }
    if (!slower.empty()) speed /= slower[static_cast<std::size_t>(i)];
    made.speeds.push_back(static_cast<float>(speed));
  }
  return made;
}

std::int64_t positions_of(const DecoderConfig& config, const gguf::Contents& file) {
  const std::vector<double> first = factors(kShort, config.rotated / 2, file),
                            later = factors(kLong, config.rotated / 2, file);
  if (first == later) return config.context;
  return std::min(config.context, static_cast<std::int64_t>(std::min(config.rope.original_context, 1e15)));
}

}  // namespace monza::decoder

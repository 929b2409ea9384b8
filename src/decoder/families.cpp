#include "decoder/families.h"

#include "base/error.h"

namespace monza::decoder {
namespace {

constexpr Family kFamilies[] = {
    {"gemma2", build_gemma2},
    {"gemma3", build_gemma3},
    {"gpt2", build_gpt2},
    {"granite", build_pre_norm, Pairs::neighbours},
    {"llama", build_pre_norm, Pairs::neighbours},
    {"olmo2", build_olmo2},
    {"phi3", build_pre_norm},
    {"qwen2", build_pre_norm},
    {"qwen2moe", build_pre_norm},
    {"qwen3", build_pre_norm},
    {"qwen3moe", build_pre_norm},
    {"smollm3", build_smollm3, Pairs::neighbours},
};

}  // namespace

const Family& family(std::string_view name) {
  std::string known;
  for (const Family& f : kFamilies) {
    if (f.name == name) return f;
    known += (known.empty() ? "" : ", ") + std::string(f.name);
  }
  fail_hint("a model of one of these: " + known, "language models of the family '{}' are not supported", name);
}

}  // namespace monza::decoder

#include "decoder/families.h"

#include "base/error.h"

namespace monza::decoder {
namespace {

struct Family {
  std::string_view name;
  FamilyFn build;
};
constexpr Family kFamilies[] = {
    {"gemma3", build_gemma3}, {"llama", build_llama}, {"qwen2", build_qwen2}, {"qwen3", build_qwen3}};

}  // namespace

FamilyFn family(std::string_view name) {
  std::string known;
  for (const Family& f : kFamilies) {
    if (f.name == name) return f.build;
    known += (known.empty() ? "" : ", ") + std::string(f.name);
  }
  fail_hint("a model of one of these: " + known, "language models of the family '{}' are not supported", name);
}

}  // namespace monza::decoder

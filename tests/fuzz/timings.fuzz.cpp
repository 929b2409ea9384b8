// The timing cache: whatever it says, a model is planned, and the engine runs. `K0`, `K1`, ... in the input stand for
// the keys that the planning asks for, which name this machine.
#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"

#include <fstream>
#include <iterator>
#include <sstream>

#include "ir/text.h"
#include "passes/pass.h"
#include "plan/tactics.h"
#include "support/engine_from_text.h"
#include "support/temporary.h"

namespace monza::fuzz {
namespace {

constexpr const char* kModel = R"(graph "g" (%x: f32[1,16,6,5], %v: f32[16,16,3,3]) {
  %w = constant f32[16,16,3,3] splat 0.1
  %a = Conv(%x, %w) {pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=1}
  %b = Relu(%a)
  %c = Conv(%b, %v) {pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=1}
  %d = Concat(%c, %b) {axis=1}
  %y = Softmax(%d) {axis=1}
  return (y: %y)
})";

Engine build(const std::string& cache, double seconds) {
  plan::Tactics timings({.threads = 1, .max_build_seconds = seconds, .timing_cache = cache});
  plan::PlanScope scope;
  scope.tactics = &timings;
  return test::engine_from_text(kModel, scope, true).engine;
}

std::string header;

/// The keys, from one build that measures.
const std::vector<std::string>& keys() {
  static const std::vector<std::string> all = [] {
    const test::TemporaryFolder folder;
    build(folder / "timings", 0);
    std::ifstream file(folder / "timings");
    std::vector<std::string> found;
    std::getline(file, header);
    for (std::string line; std::getline(file, line);) found.push_back(line.substr(line.find(' ') + 1));
    return found;
  }();
  return all;
}

void run(Bytes input) {
  keys();
  std::string text = input.empty() || input[0] == std::byte('H') ? header + "\n" : "";
  const std::string_view rest = text_of(input.subspan(input.empty() ? 0 : 1));
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == 'K' && i + 1 < rest.size()) text += keys()[static_cast<unsigned char>(rest[++i]) % keys().size()];
    else text += rest[i];
  }
  const InputFile file(std::as_bytes(std::span(text)));
  constexpr double kNoTime = 1e-9;
  run_bounded(build(file.path(), kNoTime), 1);
}

}  // namespace

const Target timings_target{"timings", run, nullptr, 4 << 20, 1024};

}  // namespace monza::fuzz

// Graphs as text: what parses is verified, printed and parsed again, optimized, planned and run.
#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"

#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "ir/constant.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tensor/storage.h"

namespace monza::fuzz {
namespace {

/// What an engine would keep beside the text: zeros, as long as they are few.
std::shared_ptr<const ir::Constant> zeros(DType dtype, const Shape& shape, const ir::Attrs&) {
  const std::int64_t bytes = storage_bytes(dtype, shape);
  constexpr std::int64_t kMost = 1 << 16;
  if (bytes > kMost || dtype == DType::string) fail("{} bytes are more than are kept here", bytes);
  return ir::make_constant(dtype, shape, std::vector<std::byte>(static_cast<std::size_t>(bytes)));
}

std::string print_whole(const ir::Graph& graph) {
  return ir::print(graph, {.max_elements = 1 << 16, .complete = true, .stored = {}});
}

void run(Bytes input) {
  const std::string_view text = text_of(input);
  const auto graph = ir::parse(text, {.stored = zeros, .limits = small_limits()});
  ir::verify(*graph);
  const std::string printed = print_whole(*graph);
  std::string again;
  try {
    const auto parsed = ir::parse(printed);
    ir::verify(*parsed);
    again = print_whole(*parsed);
  } catch (const Error& e) {
    if (e.fact().find("printed as a hash") != std::string::npos) return;  // too large to be printed
    finding(std::string("a printed graph is refused: ") + e.what() + "\n" + printed);
  }
  if (again != printed)
    finding("a graph changes when it is printed and parsed:\n" + printed + "\n--- becomes\n" + again);
  const auto seed = static_cast<unsigned>(hash64(text));
  if (seed % 4 != 1) optimize(*graph, {.strict_rewrites = true});
  plan_and_run(*graph, seed);
}

}  // namespace

const Target text_target{"text", run};

}  // namespace monza::fuzz

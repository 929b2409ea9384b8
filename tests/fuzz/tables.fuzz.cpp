// The tables of an engine file whose entries share their texts: an engine's header and the record of its build, made
// from counts. An input is u16 metadata, u16 extents, u16 choices, u16 kernels, u16 bytes (support/edited_engine.h),
// then edits of the header as the engine target takes them.
#include <vector>

#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"
#include "support/edited_engine.h"

namespace monza::fuzz {
namespace {

constexpr const char* kModel = R"(graph "g" (%x: f32[n,2]) {
  %y = Relu(%x)
  return (y: %y)
})";

const test::EngineParts& original() {
  static const test::EngineParts parts = [] {
    test::HostileGraph model{"tables", kModel};
    model.profile = {{"n", {1, 2, 4}}};
    model.further = {{{"n", {1, 6, 8}}}};
    return test::compile_parts(model);
  }();
  return parts;
}

void run(Bytes input) {
  Taker in(input);
  test::EngineParts parts = original();
  constexpr std::uint32_t kMost = 1 << 13;
  for (std::uint32_t* count : {&parts.shared.metadata, &parts.shared.extents, &parts.shared.choices,
                               &parts.shared.kernels, &parts.shared.families, &parts.shared.bytes})
    *count = in.take<std::uint16_t>() % kMost;
  std::vector<test::EngineEdit> edits;
  constexpr std::size_t kMostEdits = 12;
  while (!in.empty() && edits.size() < kMostEdits) {
    test::EngineEdit& edit = edits.emplace_back();
    edit.array = test::kHeader;
    edit.kind = in.take<std::uint8_t>();
    edit.where = in.take<std::uint32_t>();
    edit.value = in.take<std::int32_t>();
  }
  (void)test::open_parts(std::move(parts), edits, test::EngineWay::file, small_limits());
}

}  // namespace

const Target tables_target{"tables", run, nullptr, 16 << 20, 0};

}  // namespace monza::fuzz

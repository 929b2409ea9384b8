// Engine files with sound checksums. An input names a model and what to change in its engine:
//
//   u8 model, u8 way, then edits of 12 bytes: u8 array, u8 kind, u16 plan, u32 where, i32 value
//
// so that a changed engine is a few bytes long, and stays one when the structs of a plan change
// (support/edited_engine.h).
#include <vector>

#include "base/hash.h"
#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"
#include "support/edited_engine.h"

namespace monza::fuzz {
namespace {

/// The models' engines as they should be, made once: with the kernels that come first, and with others drawn by chance,
/// so that vectorised kernels meet every layout.
const std::vector<test::EngineParts>& originals() {
  static const std::vector<test::EngineParts> all = [] {
    std::vector<test::EngineParts> made;
    for (const test::HostileGraph& model : test::hostile_graphs()) made.push_back(test::compile_parts(model));
    for (const test::HostileGraph& model : test::hostile_graphs())
      made.push_back(test::compile_parts(model, made.size()));
    return made;
  }();
  return all;
}

void run(Bytes input) {
  Taker in(input);
  const test::EngineParts& parts = originals()[in.take<std::uint8_t>() % originals().size()];
  const auto way = static_cast<test::EngineWay>(in.take<std::uint8_t>() % static_cast<int>(test::EngineWay::kCount));
  std::vector<test::EngineEdit> edits;
  constexpr std::size_t kMostEdits = 12;
  while (!in.empty() && edits.size() < kMostEdits) {
    test::EngineEdit& edit = edits.emplace_back();
    edit.array = in.take<std::uint8_t>() % test::kPlaces;
    edit.kind = in.take<std::uint8_t>();
    edit.plan = in.take<std::uint16_t>();
    edit.where = in.take<std::uint32_t>();
    edit.value = in.take<std::int32_t>();
  }
  run_bounded(test::open_parts(parts, edits, way, small_limits()), static_cast<unsigned>(hash64(input)));
}

}  // namespace

const Target engine_target{"engine", run};

}  // namespace monza::fuzz

// Engines taken apart, to be changed by hand and put together again with sound checksums: what somebody who writes
// engine files does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/file/image.h"
#include "monza/engine.h"
#include "monza/limits.h"
#include "support/hostile.h"

namespace monza::test {

/// Everything in an engine that can be changed.
struct EngineParts {
  std::vector<plan::PlanStorage> plans;
  std::string graph;
  std::vector<std::byte> graph_data, record, weights;
  engine_file::Info info;
  /// Tables of the header and of the record that name one text over and over: how often, and its bytes. 0: as it is.
  struct Shared {
    std::uint32_t metadata = 0, extents = 0, families = 0, files = 0, choices = 0, kernels = 0, bytes = 0;
  } shared;
};

EngineParts parts_of(const engine_file::Image& image);
/// A hostile model compiled, with all of its profiles; kernels and layouts are drawn from `tactic_seed` where it is
/// given.
EngineParts compile_parts(const HostileGraph& model, std::optional<std::uint64_t> tactic_seed = {});
/// The file of the parts, with sound checksums.
std::vector<std::byte> file_of(const EngineParts& parts);
/// The header of such a file changed by `change`, and its checksum made to fit.
void edit_header(std::vector<std::byte>& file, const std::function<void(std::vector<std::byte>&)>& change);

/// One change: half of the kinds change a number, the others the number of elements. `array` is one of the plan's, the
/// graph's text or data, the record, the weights, a number of the plan, the header, or the sharing of tables.
struct EngineEdit {
  std::uint8_t array = 0, kind = 0;
  std::uint16_t plan = 0;
  std::uint32_t where = 0;
  std::int32_t value = 0;
};
inline constexpr int kPlanArrays = 21;
enum EngineArray : std::uint8_t {
  kGraph = kPlanArrays,
  kGraphData,
  kRecord,
  kWeights,
  kNumbers,
  kHeader,
  kSharing,
  kPlaces
};
/// Anything at all, but what kernels see and what tends to hurt more often.
EngineEdit random_edit(std::mt19937_64& random);
void apply(EngineParts& parts, const EngineEdit& edit);

enum class EngineWay : std::uint8_t { in_memory, file, verified_file, copied_file, stale_file, kCount };
/// Loads the parts after all edits; those of the header are applied to the file. Throws Error.
Engine open_parts(EngineParts parts, std::span<const EngineEdit> edits, EngineWay way, const Limits& limits);

}  // namespace monza::test

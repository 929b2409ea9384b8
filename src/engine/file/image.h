// What an engine file holds, in memory: mapped from a file, or just built.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpu.h"
#include "base/file.h"
#include "base/large_bytes.h"
#include "memory/region.h"
#include "monza/engine.h"
#include "plan/data/plan.h"
#include "plan/data/profile.h"

namespace monza::engine_file {

/// What a family's kernels were made of when a plan that uses them was (family_hash).
struct FamilyHash {
  std::string name;
  std::uint64_t hash = 0;
};

/// Facts about an engine that are not in its plans.
struct Info {
  Isa isa = Isa::none;               ///< what the CPU must have: the union of what the plans' kernels need
  std::vector<FamilyHash> families;  ///< of the plans' kernels, in the order of the registry
  Precision precision = Precision::fp32;
  Device device = Device::cpu;
  std::string chip;                             ///< of that device, where plans depend on it: backend::Device::chip()
  bool optimize = true;                         ///< false: reference kernels only
  bool batch_invariant = false;                 ///< only kernels whose row results do not depend on the batch
  std::vector<plan::Profile> profiles;          ///< one for each plan
  std::map<std::string, std::string> metadata;  ///< the model's and the builder's
};

/// A data file beside the engine, in which some of its weights lie.
struct ExternalFile {
  std::string path;                        ///< as the engine file says it: relative to its folder
  std::shared_ptr<const MappedFile> file;  ///< open
};

/// A plan with its weights and everything that belongs to them. Immutable; the spans live as long as `owner`. Of an
/// image that was read, plans and graph are copies; weights, graph_data and record lie in the mapped file unless they
/// were copied too (LoadOptions::copy_weights).
struct Image {
  plan::Plan plan;                     ///< of the first profile
  std::vector<plan::Plan> further;     ///< of the others, with the same weights
  std::span<const std::byte> weights;  ///< page-aligned; WeightBlock offsets count from its begin
  /// Bytes of `weights` that are the engine's own; `external` follow, each from a page on.
  std::size_t own_weights = 0;
  std::vector<ExternalFile> external;
  std::string_view graph;                  ///< the graph's text; empty when stripped
  std::span<const std::byte> device_code;  ///< of the plans' devices, each its part (DeviceRef); today nobody's
  std::span<const std::byte> graph_data;   ///< constants that only the graph's text refers to
  std::span<const std::byte> record;       ///< what the build chose (engine/build_record.h); empty when stripped
  /// Files that whoever runs the model needs beside the plan, by name: a language model's tokenizer.
  std::map<std::string, std::span<const std::byte>> carried;
  Info info;
  std::shared_ptr<const SpoolFile> weights_spool, graph_data_spool;  ///< whose first bytes these are; null: none
  std::shared_ptr<const void> owner;
  std::shared_ptr<const MappedFile> file;  ///< where weights are mapped from; null: nowhere
  /// Why the plans cannot run here ("built for avx512; this CPU has avx2"): they are then left out. Empty: they can.
  std::string stale;
  int threads = 0;  ///< that the plans were timed for

  std::size_t plan_count() const { return 1 + further.size(); }
  const plan::Plan& plan_of(std::size_t profile) const { return profile == 0 ? plan : further[profile - 1]; }
};

/// What a build hands over. `weights` has at least the weights_bytes of each plan.
struct Parts {
  plan::PlanStorage plan;                  ///< of the first profile
  std::vector<plan::PlanStorage> further;  ///< of the others
  Region weights;
  /// In place of `weights`: in a spool file, or shared with other engines, which may add to its end.
  LargeBytes stored;
  std::vector<std::shared_ptr<const MappedFile>> external;  ///< files that hold weights behind those
  std::shared_ptr<const Region> composed;                   ///< make_image's: all of them, one after the other
  std::vector<std::byte> device_code;
  std::string graph;
  LargeBytes graph_data;
  std::vector<std::byte> record;
  std::map<std::string, std::vector<std::byte>> carried;
  Info info;
};
/// Takes the parts and sets the checksums of weight blocks that have none (0), Info::isa and Info::families. Throws
/// Error when the plan is not sound (verify_plan): a planner's mistake never reaches the runtime.
Image make_image(Parts parts);

/// Writes the file beside `path` and renames it. Throws Error.
void write_engine(const std::string& path, const Image& image);
/// What write_engine writes.
std::vector<std::byte> engine_bytes(const Image& image);

/// Maps and checks an engine file: header, sections, plans; weight blocks, graph_data and record too with `verify`.
/// Plans of another build or instruction set are not read, and the image says so (stale). Throws Error that says what
/// is wrong and how to rebuild.
Image read_engine(const std::string& path, const LoadOptions& options);

/// True if the file begins as an engine file does.
bool is_engine_file(const std::string& path);

}  // namespace monza::engine_file

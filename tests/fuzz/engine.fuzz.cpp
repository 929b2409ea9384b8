// Engine files with sound checksums. An input names a model and what to change in its engine:
//
//   u8 model, u8 way, then edits of 12 bytes: u8 array, u8 kind, u16 reserved, u32 where, i32 value
//
// so that a changed engine is a few bytes long, and stays one when the structs of a plan change. `array` is one of the
// plan's arrays, the graph's text and data, the record of the build, the weights, a number of the plan itself, or the
// file's header.
#include <algorithm>
#include <vector>

#include "base/cpu.h"
#include "base/hash.h"
#include "engine/build_record.h"
#include "engine/compile.h"
#include "engine/file/format.h"
#include "engine/file/image.h"
#include "engine/run/engine_impl.h"
#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"
#include "ir/text.h"
#include "monza/error.h"
#include "passes/pass.h"
#include "support/hostile.h"

namespace monza::fuzz {
namespace {

constexpr int kArrays = 19;
enum Other : std::uint8_t { kGraph = kArrays, kGraphData, kRecord, kWeights, kNumbers, kHeader, kPlaces };
enum Way : std::uint8_t { kInMemory, kFile, kVerifiedFile, kStaleFile, kWays };

struct Edit {
  std::uint8_t place, kind;
  std::uint32_t where;
  std::int32_t value;
};

/// Everything in an engine that can be changed.
struct Parts {
  plan::PlanStorage plan;
  std::string graph;
  std::vector<std::byte> graph_data, record, weights;
  engine_file::Info info;
};

/// Applies an edit to an array: half of the kinds change a number, the others the number of elements.
template <typename T>
void edit_array(std::vector<T>& array, const Edit& edit) {
  if (array.empty()) {
    if (edit.kind % 16 == 15) array.resize(1);
    return;
  }
  const std::size_t element = edit.where % array.size(), other = static_cast<std::uint32_t>(edit.value) % array.size();
  if (edit.kind % 16 == 15) {
    constexpr std::size_t kMost = 1 << 14;
    if (array.size() < kMost) array.insert(array.begin() + static_cast<std::ptrdiff_t>(element), T(array[other]));
    return;
  }
  if (edit.kind % 16 == 14) {
    array.erase(array.begin() + static_cast<std::ptrdiff_t>(element));
    return;
  }
  if (edit.kind % 16 == 13) {
    array[element] = T(array[other]);
    return;
  }
  auto* bytes = reinterpret_cast<std::byte*>(array.data());
  const std::size_t total = array.size() * sizeof(T);
  const std::size_t width = std::min<std::size_t>(std::size_t{1} << edit.kind / 16 % 4, sizeof(T));
  const std::size_t at = edit.where % (total / width) * width;
  std::int64_t value = 0;
  std::memcpy(&value, bytes + at, width);
  switch (edit.kind % 4) {
    case 0: value = edit.value; break;
    case 1:
      value = static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + static_cast<std::uint64_t>(edit.value));
      break;
    case 2: value = static_cast<std::int64_t>(std::uint64_t{1} << static_cast<std::uint32_t>(edit.value) % 64); break;
    default: std::memcpy(&value, bytes + static_cast<std::uint32_t>(edit.value) % (total / width) * width, width);
  }
  std::memcpy(bytes + at, &value, width);
}

void apply(Parts& parts, const Edit& edit) {
  int number = 0;
  plan::for_each_array(parts.plan, [&](const char*, auto& array) {
    if (number++ == edit.place) edit_array(array, edit);
  });
  if (edit.place == kGraph) {
    std::vector<char> text(parts.graph.begin(), parts.graph.end());
    edit_array(text, edit);
    parts.graph.assign(text.begin(), text.end());
  }
  if (edit.place == kGraphData) edit_array(parts.graph_data, edit);
  if (edit.place == kRecord) edit_array(parts.record, edit);
  if (edit.place == kWeights) edit_array(parts.weights, edit);
  if (edit.place == kNumbers) {
    if (edit.where % 3 == 0) parts.plan.weights_bytes = edit.value;
    if (edit.where % 3 == 1) parts.plan.threads = edit.value;
    if (edit.where % 3 == 2) parts.plan.event_count = std::min(edit.value, 1 << 20);
  }
}

/// The models' engines as they should be, made once.
const std::vector<Parts>& originals() {
  static const std::vector<Parts> all = [] {
    std::vector<Parts> made;
    for (const test::HostileGraph& model : test::hostile_graphs()) {
      const auto graph = ir::parse(model.text);
      if (model.optimized) optimize(*graph, {.strict = true});
      CompileOptions options;
      options.isa = cpu_info().isa;
      engine_file::Profile& profile = options.info.profiles.emplace_back();
      for (const auto& [name, range] : model.options.symbols) profile[name] = {range.min, range.opt, range.max};
      BuildReport report;
      const engine_file::Image image = compile(*graph, options, report);
      Parts& parts = made.emplace_back();
      std::vector<std::span<const std::byte>> from;
      plan::for_each_array(image.plan, [&](const char*, const auto& array) { from.push_back(std::as_bytes(array)); });
      std::size_t next = 0;
      plan::for_each_array(parts.plan, [&](const char*, auto& array) {
        array.resize(from[next].size() / sizeof(array[0]));
        if (!from[next].empty()) std::memcpy(array.data(), from[next].data(), from[next].size());
        ++next;
      });
      parts.plan.weights_bytes = static_cast<std::int64_t>(image.weights.size());
      parts.plan.threads = image.plan.threads;
      parts.plan.event_count = image.plan.event_count;
      parts.graph = image.graph;
      parts.graph_data.assign(image.graph_data.begin(), image.graph_data.end());
      parts.record.assign(image.record.begin(), image.record.end());
      parts.weights.assign(image.weights.begin(), image.weights.end());
      parts.info = image.info;
    }
    return made;
  }();
  return all;
}

Engine in_memory(Parts parts) {
  engine_file::Parts sound;
  const std::size_t room = std::min<std::size_t>(parts.plan.params.size(), plan::kParamsRoom);
  parts.plan.params.resize(parts.plan.params.size() - room);  // make_image adds it again
  sound.plan = std::move(parts.plan);
  sound.weights = Region(static_cast<std::int64_t>(parts.weights.size()));
  if (!parts.weights.empty()) std::memcpy(sound.weights.data(), parts.weights.data(), parts.weights.size());
  sound.info = std::move(parts.info);
  return make_engine(engine_file::make_image(std::move(sound)), {});
}

Engine from_file(const Parts& parts, const std::vector<Edit>& edits, Way way) {
  engine_file::Image image;
  image.plan = parts.plan.view();
  image.weights = parts.weights;
  image.graph = parts.graph;
  image.graph_data = parts.graph_data;
  image.record = parts.record;
  image.info = parts.info;
  std::vector<std::byte> file = engine_file::engine_bytes(image);
  engine_file::Prefix prefix;
  std::memcpy(&prefix, file.data(), sizeof prefix);
  std::vector<std::byte> header(file.begin() + sizeof prefix,
                                file.begin() + sizeof prefix + static_cast<std::ptrdiff_t>(prefix.header_bytes));
  for (const Edit& edit : edits)
    if (edit.place == kHeader) edit_array(header, edit);
  // The header may have grown into the sections, and the file may end early: both are a stranger's to choose.
  const std::size_t end = std::min(sizeof prefix + header.size(), file.size());
  std::copy(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(end - sizeof prefix),
            file.begin() + sizeof prefix);
  prefix.header_bytes = end - sizeof prefix;
  prefix.header_checksum = hash64(Bytes(file).subspan(sizeof prefix, prefix.header_bytes), prefix.file_bytes);
  std::memcpy(file.data(), &prefix, sizeof prefix);
  const InputFile input{Bytes(file)};
  LoadOptions options{.verify = way == kVerifiedFile, .limits = small_limits()};
  if (way == kStaleFile) options.threads = 2;  // more than it was planned for: planned anew from its graph
  Engine engine = Engine::load(input.path(), options);
  try {
    (void)read_record(engine.impl().image, options.limits);
  } catch (const Error&) {
  }
  return engine;
}

void run(Bytes input) {
  Taker in(input);
  Parts parts = originals()[in.take<std::uint8_t>() % originals().size()];
  const auto way = static_cast<Way>(in.take<std::uint8_t>() % kWays);
  std::vector<Edit> edits;
  constexpr std::size_t kMostEdits = 12;
  while (!in.empty() && edits.size() < kMostEdits) {
    Edit& edit = edits.emplace_back();
    edit.place = in.take<std::uint8_t>() % kPlaces;
    edit.kind = in.take<std::uint8_t>();
    in.take<std::uint16_t>();
    edit.where = in.take<std::uint32_t>();
    edit.value = in.take<std::int32_t>();
    apply(parts, edit);
  }
  // No machine lends so much, and a loop may count as far as it likes: neither is what is looked for here.
  for (plan::DeviceRef& d : parts.plan.devices) d.arena_bytes = std::min<std::int64_t>(d.arena_bytes, 1 << 22);
  for (plan::LoopInfo& l : parts.plan.loops) l.max_trips = std::min<std::int64_t>(l.max_trips, 16);
  const Engine engine = way == kInMemory ? in_memory(std::move(parts)) : from_file(parts, edits, way);
  run_bounded(engine, static_cast<unsigned>(hash64(input)));
}

}  // namespace

const Target engine_target{"engine", run};

}  // namespace monza::fuzz

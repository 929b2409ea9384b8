#include "support/edited_engine.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include <build_record_generated.h>
#include <engine_header_generated.h>
#include "base/cpu.h"
#include "base/hash.h"
#include "engine/build_record.h"
#include "engine/compile.h"
#include "engine/file/format.h"
#include "engine/run/engine_impl.h"
#include "ir/text.h"
#include "monza/error.h"
#include "passes/pass.h"
#include "support/memory_file.h"

namespace monza::test {
namespace {

plan::PlanStorage copy_of(const plan::Plan& from) {
  plan::PlanStorage to;
  std::vector<std::span<const std::byte>> arrays;
  plan::for_each_array(from, [&](const char*, const auto& array) { arrays.push_back(std::as_bytes(array)); });
  std::size_t next = 0;
  plan::for_each_array(to, [&](const char*, auto& array) {
    array.resize(arrays[next].size() / sizeof(array[0]));
    if (!arrays[next].empty()) std::memcpy(array.data(), arrays[next].data(), arrays[next].size());
    ++next;
  });
  to.weights_bytes = from.weights_bytes;
  to.threads = from.threads;
  to.event_count = from.event_count;
  return to;
}

template <typename T>
void edit_array(std::vector<T>& array, const EngineEdit& edit) {
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

void edit_numbers(EngineParts& parts, plan::PlanStorage& plan, const EngineEdit& edit) {
  switch (edit.where % 6) {
    case 0: plan.weights_bytes = edit.value; break;
    case 1: plan.threads = edit.value; break;
    case 2: plan.event_count = std::min(edit.value, 1 << 20); break;
    case 3: parts.plans.push_back(parts.plans[static_cast<std::uint32_t>(edit.value) % parts.plans.size()]); break;
    case 4: std::swap(plan, parts.plans[static_cast<std::uint32_t>(edit.value) % parts.plans.size()]); break;
    default:
      if (parts.plans.size() > 1) parts.plans.pop_back();
  }
}

void edit_sharing(EngineParts::Shared& shared, const EngineEdit& edit) {
  constexpr std::uint32_t kMost = 1 << 12;
  const auto count = static_cast<std::uint32_t>(edit.value) % kMost;
  switch (edit.where % 7) {
    case 0: shared.metadata = count; break;
    case 1: shared.extents = count; break;
    case 2: shared.choices = count; break;
    case 3: shared.kernels = count; break;
    case 4: shared.families = count; break;
    case 5: shared.files = count; break;
    default: shared.bytes = count;
  }
}

/// A record whose choices are one table, with one list of tables that name one text.
std::vector<std::byte> shared_record(const EngineParts::Shared& shared) {
  flatbuffers::FlatBufferBuilder b;
  const auto text = b.CreateString(std::string(shared.bytes, 'k'));
  std::vector<flatbuffers::Offset<fb::Accepted>> kernels;
  for (std::uint32_t k = 0; k < shared.kernels; ++k) kernels.push_back(fb::CreateAccepted(b, text));
  const auto accepted = b.CreateVector(kernels);
  const auto timed = b.CreateVector(std::vector<flatbuffers::Offset<fb::Timed>>{});
  const auto refused = b.CreateVector(std::vector<flatbuffers::Offset<fb::Refused>>{});
  const auto choice = fb::CreateChoice(b, 0, text, text, text, timed, refused, accepted);
  const auto choices = b.CreateVector(std::vector<flatbuffers::Offset<fb::Choice>>(shared.choices, choice));
  const auto tensors = b.CreateVector(std::vector<flatbuffers::Offset<fb::Named>>{});
  const auto passes = b.CreateVector(std::vector<flatbuffers::Offset<fb::PassRun>>{});
  const auto rewrites = b.CreateVector(std::vector<flatbuffers::Offset<fb::Rewrite>>{});
  const auto misses = b.CreateVector(std::vector<flatbuffers::Offset<fb::NearMiss>>{});
  b.Finish(fb::CreateBuildRecord(b, tensors, passes, rewrites, misses, choices));
  const auto* begin = reinterpret_cast<const std::byte*>(b.GetBufferPointer());
  return {begin, begin + b.GetSize()};
}

/// The header again, with entries that share one text; sections lie `shift` bytes further on.
std::vector<std::byte> shared_header(const engine_file::fb::Header& h, const EngineParts::Shared& shared,
                                     std::uint64_t shift) {
  namespace f = engine_file::fb;
  flatbuffers::FlatBufferBuilder b;
  const auto text = b.CreateString(std::string(shared.bytes, 'v'));
  std::vector<flatbuffers::Offset<f::KeyValue>> metadata;
  for (const f::KeyValue* kv : *h.metadata())
    metadata.push_back(f::CreateKeyValue(b, b.CreateString(kv->key()), b.CreateString(kv->value())));
  for (std::uint32_t k = 0; k < shared.metadata; ++k)
    metadata.push_back(f::CreateKeyValue(b, b.CreateString(std::to_string(k)), text));
  std::vector<flatbuffers::Offset<f::Section>> sections;
  for (const f::Section* s : *h.sections())
    sections.push_back(f::CreateSection(b, b.CreateString(s->name()), s->offset() + shift, s->bytes(),
                                        s->element_bytes(), s->checksum()));
  std::vector<flatbuffers::Offset<f::Profile>> profiles;
  for (const f::Profile* p : *h.profiles()) {
    std::vector<flatbuffers::Offset<f::Extent>> extents;
    for (const f::Extent* e : *p->extents())
      extents.push_back(f::CreateExtent(b, b.CreateString(e->symbol()), e->min(), e->opt(), e->max()));
    if (shared.extents > 0) extents.resize(extents.size() + shared.extents, f::CreateExtent(b, text, 1, 1, 1));
    profiles.push_back(f::CreateProfile(b, b.CreateVector(extents), p->event_count()));
  }
  const auto section_list = b.CreateVector(sections);
  const auto metadata_list = b.CreateVector(metadata);
  const auto profile_list = b.CreateVector(profiles);
  std::vector<flatbuffers::Offset<f::Family>> families;
  for (const f::Family* family : *h.families())
    families.push_back(f::CreateFamily(b, b.CreateString(family->name()), family->hash()));
  if (shared.families > 0) families.resize(families.size() + shared.families, f::CreateFamily(b, text, 1));
  const auto family_list = b.CreateVector(families);
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<f::File>>> file_list;
  if (shared.files > 0)
    file_list = b.CreateVector(std::vector<flatbuffers::Offset<f::File>>(shared.files, f::CreateFile(b, text, 1, 1)));
  b.Finish(f::CreateHeader(b, h.plan_hash(), h.isa(), h.precision(), h.device(), h.optimize(), h.batch_invariant(),
                           h.threads(), section_list, metadata_list, profile_list, family_list, file_list));
  const auto* begin = reinterpret_cast<const std::byte*>(b.GetBufferPointer());
  return {begin, begin + b.GetSize()};
}

/// Puts `header` in front of the sections, which begin `first` bytes into the file.
std::vector<std::byte> with_header(std::span<const std::byte> file, std::span<const std::byte> header,
                                   std::uint64_t first, std::uint64_t shift) {
  engine_file::Prefix prefix;
  std::memcpy(&prefix, file.data(), sizeof prefix);
  std::vector<std::byte> out(first + shift);
  std::copy(header.begin(), header.end(), out.begin() + sizeof prefix);
  out.insert(out.end(), file.begin() + static_cast<std::ptrdiff_t>(first), file.end());
  prefix.header_bytes = header.size();
  prefix.file_bytes = out.size();
  prefix.header_checksum = hash64(header, prefix.file_bytes);
  std::memcpy(out.data(), &prefix, sizeof prefix);
  return out;
}

std::vector<std::byte> share(const std::vector<std::byte>& file, const EngineParts::Shared& shared) {
  const auto& header = *engine_file::fb::GetHeader(file.data() + sizeof(engine_file::Prefix));
  std::uint64_t first = file.size();
  for (const auto* s : *header.sections()) first = std::min(first, s->offset());
  const std::uint64_t room = first - sizeof(engine_file::Prefix);
  std::uint64_t shift = 0;
  std::vector<std::byte> made = shared_header(header, shared, shift);
  if (made.size() > room) {
    constexpr std::uint64_t kUnit = engine_file::kSectionAlignment;
    shift = (made.size() - room + kUnit) / kUnit * kUnit;
    made = shared_header(header, shared, shift);
  }
  return with_header(file, made, first, shift);
}

Engine in_memory(EngineParts parts) {
  engine_file::Parts sound;
  for (plan::PlanStorage& plan : parts.plans) {
    const std::size_t room = std::min<std::size_t>(plan.params.size(), plan::kParamsRoom);
    plan.params.resize(plan.params.size() - room);  // make_image adds it again
  }
  sound.plan = std::move(parts.plans[0]);
  sound.further.assign(std::make_move_iterator(parts.plans.begin() + 1), std::make_move_iterator(parts.plans.end()));
  sound.weights = Region(static_cast<std::int64_t>(parts.weights.size()));
  if (!parts.weights.empty()) std::memcpy(sound.weights.data(), parts.weights.data(), parts.weights.size());
  sound.info = std::move(parts.info);
  return make_engine(engine_file::make_image(std::move(sound)), {});
}

}  // namespace

EngineParts parts_of(const engine_file::Image& image) {
  EngineParts parts;
  for (std::size_t k = 0; k < image.plan_count(); ++k) parts.plans.push_back(copy_of(image.plan_of(k)));
  parts.graph = image.graph;
  parts.graph_data.assign(image.graph_data.begin(), image.graph_data.end());
  parts.record.assign(image.record.begin(), image.record.end());
  parts.weights.assign(image.weights.begin(), image.weights.end());
  parts.info = image.info;
  return parts;
}

EngineParts compile_parts(const HostileGraph& model, std::optional<std::uint64_t> tactic_seed) {
  const auto graph = ir::parse(model.text);
  if (model.optimized) optimize(*graph, {.strict_rewrites = true});
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  options.tactic_seed = tactic_seed;
  std::vector<plan::Profile> profiles = {model.profile};
  profiles.insert(profiles.end(), model.further.begin(), model.further.end());
  BuildReport report;
  return parts_of(compile(*graph, options, profiles, report));
}

std::vector<std::byte> file_of(const EngineParts& parts) {
  engine_file::Image image;
  image.plan = parts.plans[0].view();
  for (std::size_t k = 1; k < parts.plans.size(); ++k) image.further.push_back(parts.plans[k].view());
  image.weights = parts.weights;
  image.graph = parts.graph;
  image.graph_data = parts.graph_data;
  std::vector<std::byte> record = parts.record;
  if (parts.shared.choices > 0) record = shared_record(parts.shared);
  image.record = record;
  image.info = parts.info;
  image.info.profiles.resize(parts.plans.size());
  const std::vector<std::byte> file = engine_file::engine_bytes(image);
  const EngineParts::Shared& shared = parts.shared;
  return shared.metadata + shared.extents + shared.families + shared.files > 0 ? share(file, shared) : file;
}

void edit_header(std::vector<std::byte>& file, const std::function<void(std::vector<std::byte>&)>& change) {
  engine_file::Prefix prefix;
  std::memcpy(&prefix, file.data(), sizeof prefix);
  const auto begin = file.begin() + sizeof prefix;
  std::vector<std::byte> header(begin, begin + static_cast<std::ptrdiff_t>(prefix.header_bytes));
  change(header);
  // The header may have grown into the sections, and the file may end early: both are a stranger's to choose.
  const std::size_t bytes = std::min(header.size(), file.size() - sizeof prefix);
  std::copy(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(bytes), begin);
  prefix.header_bytes = bytes;
  prefix.header_checksum = hash64(std::span<const std::byte>(file).subspan(sizeof prefix, bytes), prefix.file_bytes);
  std::memcpy(file.data(), &prefix, sizeof prefix);
}

EngineEdit random_edit(std::mt19937_64& random) {
  // Steps, operands, instructions, registers, loops, ports and parameters are what kernels and contexts see.
  static constexpr std::uint8_t kLikely[] = {1, 2, 3, 4, 6, 13, 15, 17, kNumbers};
  EngineEdit edit;
  edit.array =
      static_cast<std::uint8_t>(random() % 4 != 0 ? kLikely[random() % std::size(kLikely)] : random() % kPlaces);
  edit.kind = static_cast<std::uint8_t>(random());
  edit.plan = static_cast<std::uint16_t>(random());
  edit.where = static_cast<std::uint32_t>(random());
  switch (random() % 6) {
    case 0: edit.value = 0; break;
    case 1: edit.value = -1; break;
    case 2: edit.value = 1; break;
    case 3: edit.value = static_cast<std::int32_t>(random() % 16); break;
    case 4: edit.value = static_cast<std::int32_t>(random() % 4096); break;
    default: edit.value = static_cast<std::int32_t>(random());
  }
  return edit;
}

void apply(EngineParts& parts, const EngineEdit& edit) {
  plan::PlanStorage& plan = parts.plans[edit.plan % parts.plans.size()];
  int number = 0;
  plan::for_each_array(plan, [&](const char*, auto& array) {
    if (number++ == edit.array) edit_array(array, edit);
  });
  if (edit.array == kGraph) {
    std::vector<char> text(parts.graph.begin(), parts.graph.end());
    edit_array(text, edit);
    parts.graph.assign(text.begin(), text.end());
  }
  if (edit.array == kGraphData) edit_array(parts.graph_data, edit);
  if (edit.array == kRecord) edit_array(parts.record, edit);
  if (edit.array == kWeights) edit_array(parts.weights, edit);
  if (edit.array == kNumbers) edit_numbers(parts, plan, edit);
  if (edit.array == kSharing) edit_sharing(parts.shared, edit);
}

Engine open_parts(EngineParts parts, std::span<const EngineEdit> edits, EngineWay way, const Limits& limits) {
  for (const EngineEdit& edit : edits) apply(parts, edit);
  // No machine lends so much, and a loop may count as far as it likes: neither is what is looked for here.
  for (plan::PlanStorage& plan : parts.plans) {
    for (plan::DeviceRef& d : plan.devices) d.arena_bytes = std::min<std::int64_t>(d.arena_bytes, 1 << 22);
    for (plan::LoopInfo& l : plan.loops) l.max_trips = std::min<std::int64_t>(l.max_trips, 16);
  }
  if (way == EngineWay::in_memory) return in_memory(std::move(parts));
  std::vector<std::byte> file = file_of(parts);
  for (const EngineEdit& edit : edits)
    if (edit.array == kHeader) edit_header(file, [&](std::vector<std::byte>& header) { edit_array(header, edit); });
  const MemoryFile input(file);
  LoadOptions options{
      .verify = way == EngineWay::verified_file, .copy_weights = way == EngineWay::copied_file, .limits = limits};
  if (way == EngineWay::stale_file) options.threads = 2;  // more than it was planned for: planned anew from its graph
  Engine engine = Engine::load(input.path(), options);
  try {
    (void)read_record(engine.impl().image, options.limits);
  } catch (const Error&) {
  }
  return engine;
}

}  // namespace monza::test

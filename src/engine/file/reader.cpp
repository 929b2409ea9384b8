#include <sys/mman.h>

#include <cstring>
#include <map>
#include <span>
#include <vector>

#include <engine_header_generated.h>
#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/hash.h"
#include "engine/file/composed.h"
#include "engine/file/format.h"
#include "engine/file/image.h"
#include "engine/file/verify.h"
#include "memory/region.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22  // Linux 5.14; older kernels refuse it and the pages come when they are used
#endif

namespace monza::engine_file {
namespace {

constexpr const char* kRebuild = "rebuild with: monza build MODEL --output FILE";
constexpr const char* kCopyAgain = "copy the file again, or rebuild with: monza build MODEL --output FILE";

/// What of an image is copied from its file, beside the mapping for the rest.
struct Loaded {
  std::shared_ptr<const MappedFile> file;
  std::vector<plan::PlanStorage> plans;
  std::vector<char> graph;
  std::vector<std::byte> header, device_code;
  std::map<std::string, std::vector<std::byte>> carried;
  Region weights, graph_data, record;
  std::shared_ptr<const Region> composed;
};

/// Takes off what reading costs from what a part of the file may cost: more only where entries share their bytes.
class Budget {
 public:
  explicit Budget(std::uint64_t bytes) : left_(bytes) {}
  void take(std::uint64_t bytes, const char* what) {
    if (bytes > left_) fail_hint(kCopyAgain, "the engine file is damaged: {} lie over each other", what);
    left_ -= bytes;
  }

 private:
  std::uint64_t left_;
};

class Reader {
 public:
  Reader(const std::string& path, const LoadOptions& options)
      : options_(options), loaded_(std::make_shared<Loaded>()), file_(MappedFile::open_to_read(path)) {
    loaded_->file = file_;
  }

  Image read() {
    read_prefix();
    read_header();
    Image image;
    read_info(image.info);
    image.stale = stale(image.info);
    image.threads = header_->threads();
    copy_array("graph", loaded_->graph);
    image.graph = {loaded_->graph.data(), loaded_->graph.size()};
    image.graph_data = large_section("graph_data", loaded_->graph_data);
    image.record = large_section("record", loaded_->record);
    read_weights(image);
    copy_array("device_code", loaded_->device_code);
    image.device_code = loaded_->device_code;
    read_carried(image);
    if (image.stale.empty()) read_plans(image);
    if (options_.prefault && !image.weights.empty())
      madvise(const_cast<std::byte*>(image.weights.data()), image.weights.size(), MADV_POPULATE_READ);
    if (options_.verify)
      for (std::size_t k = 0; k < image.plan_count(); ++k) verify_weights(image.plan_of(k), image.weights);
    if (!options_.copy_weights) image.file = file_;
    image.owner = loaded_;
    return image;
  }

 private:
  void read_prefix() {
    const std::size_t size = file_->bytes().size();
    if (size >= sizeof(Prefix)) file_->read(0, std::as_writable_bytes(std::span(&prefix_, 1)), "the beginning");
    if (size < sizeof(Prefix) || std::memcmp(prefix_.magic, kMagic.data(), kMagic.size()) != 0)
      fail_hint(kRebuild, "this is not an engine file of monza");
    if (prefix_.format_version != kFormatVersion || prefix_.plan_version != plan::kPlanVersion)
      fail_hint(kRebuild, "the engine was written by another version of monza (format {}.{}; this one reads {}.{})",
                prefix_.format_version, prefix_.plan_version, kFormatVersion, plan::kPlanVersion);
    if (prefix_.file_bytes > size)
      fail_hint(kCopyAgain, "the engine file is truncated: it has {} of {} bytes", size, prefix_.file_bytes);
    if (prefix_.file_bytes < size)
      fail_hint(kCopyAgain, "the engine file is damaged: it has {} bytes and should have {}", size, prefix_.file_bytes);
    if (prefix_.reserved[0] != 0 || prefix_.reserved[1] != 0 || prefix_.reserved[2] != 0)
      fail_hint(kCopyAgain, "the engine file is damaged: its first 64 bytes have changed");
  }

  void read_header() {
    (void)file_->slice(sizeof(Prefix), prefix_.header_bytes, "the engine file's header");
    std::vector<std::byte>& bytes = loaded_->header;
    bytes.resize(prefix_.header_bytes);
    file_->read(sizeof(Prefix), bytes, "the engine file's header");
    if (hash64(bytes, prefix_.file_bytes) != prefix_.header_checksum)
      fail_hint(kCopyAgain, "the engine file is damaged: its header has changed");
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (!verifier.VerifyBuffer<fb::Header>())
      fail_hint(kCopyAgain, "the engine file is damaged: its header cannot be read");
    header_ = flatbuffers::GetRoot<fb::Header>(bytes.data());
    if (header_->profiles()->size() < 1 || header_->profiles()->size() > kMaxProfiles)
      fail_hint(kCopyAgain, "the engine file is damaged: it has {} profiles", header_->profiles()->size());
    Budget header(bytes.size()), file(file_->bytes().size());
    for (const fb::Section* s : *header_->sections()) {
      header.take(sizeof(std::uint32_t) + s->name()->size(), "names of sections");
      if (s->offset() <= file_->bytes().size() && s->bytes() <= file_->bytes().size() - s->offset())
        file.take(s->bytes(), "sections");  // others are named when they are read
      sections_.emplace(s->name()->string_view(), s);
    }
  }

  std::string stale(const Info& info) const {
    if (header_->plan_hash() != plan_hash())
      return fmt::format("the engine was written by another build of monza (plans {:016x}; this build has {:016x})",
                         header_->plan_hash(), plan_hash());
    if (const FamilyHash* changed = changed_family(info.families, kernel_families()))
      return fmt::format("the engine was written by another build of monza (the kernels of '{}' are others)",
                         changed->name);
    if (!covers(cpu_info().isa, info.isa))
      return fmt::format("the engine was built for {}; this CPU ({}) has {}", isa_name(info.isa), cpu_info().model,
                         isa_name(cpu_info().isa));
    if (options_.threads > header_->threads() && options_.replan)
      return fmt::format("the engine was planned for {} threads, and {} are asked for", header_->threads(),
                         options_.threads);
    return {};
  }

  void read_plans(Image& image) {
    loaded_->plans.resize(header_->profiles()->size());
    image.further.resize(loaded_->plans.size() - 1);
    for (std::size_t k = 0; k < loaded_->plans.size(); ++k) {
      plan::PlanStorage& plan = loaded_->plans[k];
      plan::for_each_array(plan, [&](const char* name, auto& array) { copy_array(plan_section(k, name), array); });
      plan.threads = header_->threads();
      plan.event_count = header_->profiles()->Get(static_cast<flatbuffers::uoffset_t>(k))->event_count();
      plan.weights_bytes = static_cast<std::int64_t>(image.weights.size());
      verify_plan(plan.view(), plan.weights_bytes, static_cast<std::int64_t>(image.device_code.size()));
      (k == 0 ? image.plan : image.further[k - 1]) = plan.view();
    }
    verify_profiles(image.plan, image.further);
  }

  const fb::Section& section(std::string_view name, std::uint32_t element_bytes) const {
    const auto it = sections_.find(name);
    if (it == sections_.end()) fail_hint(kCopyAgain, "the engine file is damaged: section '{}' is missing", name);
    const fb::Section& s = *it->second;
    (void)file_->slice(s.offset(), s.bytes(), name);
    if (s.offset() % kSectionAlignment != 0 || s.element_bytes() != element_bytes || s.bytes() % element_bytes != 0)
      fail_hint(kCopyAgain, "the engine file is damaged: section '{}' has {} bytes of elements of {} at {}", name,
                s.bytes(), s.element_bytes(), s.offset());
    return s;
  }
  // Whether a checksum counts must not depend on its value.
  static void check(std::string_view name, const fb::Section& s, std::span<const std::byte> bytes) {
    if (hash64(bytes) != s.checksum())
      fail_hint(kCopyAgain, "the engine file is damaged: section '{}' has changed", name);
  }

  /// What is checked is the copy, which nobody else can change.
  template <typename T>
  void copy_array(const std::string& name, std::vector<T>& array) {
    const fb::Section& s = section(name, sizeof(T));
    array.resize(s.bytes() / sizeof(T));
    file_->read(s.offset(), std::as_writable_bytes(std::span(array)), name);
    check(name, s, std::as_bytes(std::span(array)));
  }

  /// Weights are large, and what only planning anew and questions read is not touched by a load: they stay in the file,
  /// unless they are to be copied, and are checked on request (weights by their blocks).
  std::span<const std::byte> large_section(const char* name, Region& copy) {
    const fb::Section& s = section(name, 1);
    std::span<const std::byte> bytes = file_->slice(s.offset(), s.bytes(), name);
    if (options_.copy_weights) {
      copy = Region(static_cast<std::int64_t>(s.bytes()));
      const std::span<std::byte> to(copy.data(), bytes.size());
      file_->read(s.offset(), to, name);
      bytes = to;
    }
    if (options_.verify && std::string_view(name) != "weights") check(name, s, bytes);
    return bytes;
  }

  /// The engine's own, and behind them the data files that it names.
  void read_weights(Image& image) {
    if (header_->files() == nullptr || header_->files()->size() == 0) {
      image.weights = large_section("weights", loaded_->weights);
      return;
    }
    Budget budget(loaded_->header.size());
    for (const fb::File* f : *header_->files()) budget.take(sizeof(fb::File*) + f->path()->size(), "names of files");
    for (const fb::File* f : *header_->files())
      image.external.push_back(
          open_external(file_->path().parent_path(), f->path()->string_view(), f->bytes(), f->sample()));
    const fb::Section& s = section("weights", 1);
    image.own_weights = s.bytes();
    loaded_->composed = compose_weights(
        s.bytes(),
        [&](std::byte* to) {
          if (options_.copy_weights) file_->read(s.offset(), {to, s.bytes()}, "weights");
          else file_->map_over(to, s.offset(), s.bytes());
        },
        image.external, options_.copy_weights);
    image.weights = {loaded_->composed->data(), static_cast<std::size_t>(loaded_->composed->bytes())};
    if (options_.copy_weights) image.external.clear();  // all are the engine's own now
  }

  void read_carried(Image& image) {
    for (const auto& [section, where] : sections_) {
      if (!section.starts_with(kCarriedSection)) continue;
      const std::string name(section.substr(kCarriedSection.size()));
      std::vector<std::byte>& bytes = loaded_->carried[name];
      copy_array(std::string(section), bytes);
      image.carried[name] = bytes;
    }
  }

  void read_info(Info& info) const {
    info.isa = static_cast<Isa>(header_->isa());
    info.precision = static_cast<Precision>(header_->precision());
    info.device = static_cast<Device>(header_->device());
    if (info.precision > Precision::int8 || info.device > Device::cuda)
      fail_hint(kCopyAgain, "the engine file is damaged: precision {}, device {}", header_->precision(),
                header_->device());
    if (header_->chip() != nullptr) info.chip = header_->chip()->str();
    info.optimize = header_->optimize();
    info.batch_invariant = header_->batch_invariant();
    Budget budget(loaded_->header.size());
    for (const fb::Profile* p : *header_->profiles()) {
      plan::Profile& profile = info.profiles.emplace_back();
      for (const fb::Extent* e : *p->extents()) {
        budget.take(sizeof(fb::Extent*) + e->symbol()->size(), "dimensions of profiles");
        profile[e->symbol()->str()] = {e->min(), e->opt(), e->max()};
      }
    }
    for (const fb::KeyValue* kv : *header_->metadata()) {
      budget.take(sizeof(fb::KeyValue*) + kv->key()->size() + kv->value()->size(), "entries of the metadata");
      info.metadata.emplace(kv->key()->str(), kv->value()->str());
    }
    for (const fb::Family* f : *header_->families()) {
      budget.take(sizeof(fb::Family*) + f->name()->size(), "names of families");
      info.families.push_back({f->name()->str(), f->hash()});
    }
  }

  static void verify_weights(const plan::Plan& plan, std::span<const std::byte> weights) {
    for (const plan::WeightBlock& b : plan.weight_blocks) {
      const auto bytes = weights.subspan(static_cast<std::size_t>(b.offset), static_cast<std::size_t>(b.bytes));
      if (hash64(bytes) != b.checksum)
        fail_hint(kCopyAgain, "the engine file is damaged: weight '{}' ({} bytes) has changed", plan.text(b.name),
                  b.bytes);
    }
  }

  const LoadOptions& options_;
  std::shared_ptr<Loaded> loaded_;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string_view, const fb::Section*> sections_;
  Prefix prefix_{};
  const fb::Header* header_ = nullptr;
};

}  // namespace

Image read_engine(const std::string& path, const LoadOptions& options) {
  Image image;
  try {
    Reader reader(path, options);
    try {
      image = reader.read();
    } catch (const Error& e) {
      // Ranges that leave the file and plans that are not sound come without a hint: the file is what to replace.
      throw e.hint().empty() ? Error("the engine file is damaged: " + e.fact(), kCopyAgain) : e;
    }
  } catch (const Error& e) {
    throw e.at(fmt::format("engine file '{}'", path));
  }
  return image;
}

bool is_engine_file(const std::string& path) { return file_kind(path) == FileKind::engine; }

}  // namespace monza::engine_file

#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <type_traits>
#include <vector>

#include <engine_header_generated.h>
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "engine/file/format.h"
#include "engine/file/image.h"
#include "engine/file/verify.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22  // Linux 5.14; older kernels refuse it and the pages come when they are used
#endif

namespace monza::engine_file {
namespace {

constexpr const char* kRebuild = "rebuild with: monza build MODEL --output FILE";
constexpr const char* kCopyAgain = "copy the file again, or rebuild with: monza build MODEL --output FILE";

class Reader {
 public:
  Reader(const std::string& path, const LoadOptions& options) : options_(options), file_(MappedFile::open(path)) {}

  Image read() {
    read_prefix();
    read_header();
    Image image;
    image.stale = stale();
    image.threads = header_->threads();
    read_info(image.info);
    const std::span<const std::byte> graph = section("graph", 1).bytes;
    image.graph = {reinterpret_cast<const char*>(graph.data()), graph.size()};
    image.graph_data = section("graph_data", 1).bytes;
    image.record = section("record", 1).bytes;
    image.weights = section("weights", 1).bytes;
    if (image.stale.empty()) read_plans(image);
    if (options_.prefault && !image.weights.empty())
      madvise(const_cast<std::byte*>(image.weights.data()), image.weights.size(), MADV_POPULATE_READ);
    if (options_.verify)
      for (std::size_t k = 0; k < image.plan_count(); ++k) verify_weights(image.plan_of(k), image.weights);
    image.owner = file_;
    return image;
  }

 private:
  struct Found {
    std::span<const std::byte> bytes;
    std::uint64_t checksum;
  };

  void read_prefix() {
    const std::span<const std::byte> bytes = file_->bytes();
    if (bytes.size() < sizeof(Prefix) || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
      fail_hint(kRebuild, "this is not an engine file of monza");
    std::memcpy(&prefix_, bytes.data(), sizeof prefix_);
    if (prefix_.format_version != kFormatVersion || prefix_.plan_version != plan::kPlanVersion)
      fail_hint(kRebuild, "the engine was written by another version of monza (format {}.{}; this one reads {}.{})",
                prefix_.format_version, prefix_.plan_version, kFormatVersion, plan::kPlanVersion);
    if (prefix_.file_bytes > bytes.size())
      fail_hint(kCopyAgain, "the engine file is truncated: it has {} of {} bytes", bytes.size(), prefix_.file_bytes);
    if (prefix_.file_bytes < bytes.size())
      fail_hint(kCopyAgain, "the engine file is damaged: it has {} bytes and should have {}", bytes.size(),
                prefix_.file_bytes);
    if (prefix_.reserved[0] != 0 || prefix_.reserved[1] != 0 || prefix_.reserved[2] != 0)
      fail_hint(kCopyAgain, "the engine file is damaged: its first 64 bytes have changed");
  }

  void read_header() {
    const std::span<const std::byte> bytes =
        file_->slice(sizeof(Prefix), prefix_.header_bytes, "the engine file's header");
    if (hash64(bytes, prefix_.file_bytes) != prefix_.header_checksum)
      fail_hint(kCopyAgain, "the engine file is damaged: its header has changed");
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (!verifier.VerifyBuffer<fb::Header>())
      fail_hint(kCopyAgain, "the engine file is damaged: its header cannot be read");
    header_ = flatbuffers::GetRoot<fb::Header>(bytes.data());
    if (header_->profiles()->size() < 1 || header_->profiles()->size() > kMaxProfiles)
      fail_hint(kCopyAgain, "the engine file is damaged: it has {} profiles", header_->profiles()->size());
  }

  std::string stale() const {
    if (header_->kernels_hash() != kernels_hash())
      return fmt::format("the engine was written by another build of monza (kernels {:016x}; this build has {:016x})",
                         header_->kernels_hash(), kernels_hash());
    const Isa isa = static_cast<Isa>(header_->isa());
    if (!covers(cpu_info().isa, isa))
      return fmt::format("the engine was built for {}; this CPU ({}) has {}", isa_name(isa), cpu_info().model,
                         isa_name(cpu_info().isa));
    if (options_.threads > header_->threads() && options_.replan)
      return fmt::format("the engine was planned for {} threads, and {} are asked for", header_->threads(),
                         options_.threads);
    return {};
  }

  void read_plans(Image& image) {
    image.further.resize(header_->profiles()->size() - 1);
    for (std::size_t k = 0; k < image.plan_count(); ++k) {
      plan::Plan& plan = k == 0 ? image.plan : image.further[k - 1];
      plan::for_each_array(plan, [&](const char* name, auto& array) { read_array(plan_section(k, name), array); });
      plan.threads = header_->threads();
      plan.event_count = header_->profiles()->Get(static_cast<flatbuffers::uoffset_t>(k))->event_count();
      plan.weights_bytes = static_cast<std::int64_t>(image.weights.size());
      verify_plan(plan, plan.weights_bytes);
    }
  }

  Found section(std::string_view name, std::uint32_t element_bytes) {
    for (const fb::Section* s : *header_->sections()) {
      if (s->name()->string_view() != name) continue;
      const std::span<const std::byte> bytes = file_->slice(s->offset(), s->bytes(), name);
      if (s->offset() % kSectionAlignment != 0 || s->element_bytes() != element_bytes ||
          s->bytes() % element_bytes != 0)
        fail_hint(kCopyAgain, "the engine file is damaged: section '{}' has {} bytes of elements of {} at {}", name,
                  s->bytes(), s->element_bytes(), s->offset());
      // Weights are large, and what only planning anew and questions read is not touched by a load: they are checked on
      // request. Whether a checksum counts must not depend on its value.
      const bool aside = name == "graph_data" || name == "record";
      if (name != "weights" && (!aside || options_.verify) && hash64(bytes) != s->checksum())
        fail_hint(kCopyAgain, "the engine file is damaged: section '{}' has changed", name);
      return {bytes, s->checksum()};
    }
    fail_hint(kCopyAgain, "the engine file is damaged: section '{}' is missing", name);
  }

  template <typename T>
  void read_array(const std::string& name, std::span<T>& array) {
    const std::span<const std::byte> bytes = section(name, sizeof(T)).bytes;
    array = {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  void read_info(Info& info) const {
    info.isa = static_cast<Isa>(header_->isa());
    info.precision = static_cast<Precision>(header_->precision());
    info.device = static_cast<Device>(header_->device());
    if (info.precision > Precision::int8 || info.device > Device::cuda)
      fail_hint(kCopyAgain, "the engine file is damaged: precision {}, device {}", header_->precision(),
                header_->device());
    info.optimize = header_->optimize();
    info.batch_invariant = header_->batch_invariant();
    for (const fb::Profile* p : *header_->profiles()) {
      Profile& profile = info.profiles.emplace_back();
      for (const fb::Extent* e : *p->extents()) profile[e->symbol()->str()] = {e->min(), e->opt(), e->max()};
    }
    for (const fb::KeyValue* kv : *header_->metadata()) info.metadata.emplace(kv->key()->str(), kv->value()->str());
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
  std::shared_ptr<const MappedFile> file_;
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

bool is_engine_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[sizeof kMagic] = {};
  return file.read(magic, sizeof magic) && std::memcmp(magic, kMagic, sizeof kMagic) == 0;
}

}  // namespace monza::engine_file

#include <cstring>
#include <vector>

#include <engine_header_generated.h>
#include "base/hash.h"
#include "base/output_file.h"
#include "engine/file/composed.h"
#include "engine/file/format.h"
#include "engine/file/image.h"

namespace monza::engine_file {
namespace {

struct Piece {
  std::string name;
  LargeBytes content;
  std::uint32_t element_bytes = 1;
  std::uint64_t offset = 0, checksum = 0;
};

std::uint64_t align(std::uint64_t at) { return (at + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment; }

std::vector<Piece> pieces_of(const Image& image) {
  std::vector<Piece> pieces;
  for (std::size_t k = 0; k < image.plan_count(); ++k)
    plan::for_each_array(image.plan_of(k), [&](const char* name, const auto& array) {
      pieces.push_back({plan_section(k, name), {std::as_bytes(array)}, static_cast<std::uint32_t>(sizeof(array[0]))});
    });
  pieces.push_back({"graph", {std::as_bytes(std::span(image.graph.data(), image.graph.size()))}});
  pieces.push_back({"device_code", {image.device_code}});
  pieces.push_back({"graph_data", {image.graph_data, nullptr, image.graph_data_spool}});
  pieces.push_back({"record", {image.record}});
  for (const auto& [name, bytes] : image.carried) pieces.push_back({carried_section(name), {bytes}});
  pieces.push_back({"weights", {own_weights(image), nullptr, image.weights_spool}});
  return pieces;
}

/// The header for pieces whose offsets are set. Its size does not depend on them: numbers have fixed widths, and
/// defaults are written too.
flatbuffers::DetachedBuffer header_of(const Image& image, const std::vector<Piece>& pieces,
                                      const std::filesystem::path& folder) {
  flatbuffers::FlatBufferBuilder fb(4096);
  fb.ForceDefaults(true);
  std::vector<flatbuffers::Offset<fb::Section>> sections;
  for (const Piece& p : pieces)
    sections.push_back(
        fb::CreateSection(fb, fb.CreateString(p.name), p.offset, p.content.bytes.size(), p.element_bytes, p.checksum));
  std::vector<flatbuffers::Offset<fb::KeyValue>> metadata;
  for (const auto& [key, value] : image.info.metadata)
    metadata.push_back(fb::CreateKeyValue(fb, fb.CreateString(key), fb.CreateString(value)));
  std::vector<flatbuffers::Offset<fb::Profile>> profiles;
  for (std::size_t k = 0; k < image.plan_count(); ++k) {
    std::vector<flatbuffers::Offset<fb::Extent>> extents;
    for (const auto& [symbol, e] : image.info.profiles[k])
      extents.push_back(fb::CreateExtent(fb, fb.CreateString(symbol), e.min, e.opt, e.max));
    profiles.push_back(fb::CreateProfile(fb, fb.CreateVector(extents), image.plan_of(k).event_count));
  }
  std::vector<flatbuffers::Offset<fb::Family>> families;
  for (const FamilyHash& f : image.info.families)
    families.push_back(fb::CreateFamily(fb, fb.CreateString(f.name), f.hash));
  std::vector<flatbuffers::Offset<fb::File>> files;
  for (const ExternalFile& f : image.external)
    files.push_back(
        fb::CreateFile(fb, fb.CreateString(path_beside(f, folder)), f.file->bytes().size(), f.file->sample()));
  fb.Finish(fb::CreateHeader(
      fb, plan_hash(), static_cast<std::uint32_t>(image.info.isa), static_cast<std::uint8_t>(image.info.precision),
      static_cast<std::uint8_t>(image.info.device), image.info.optimize, image.info.batch_invariant, image.plan.threads,
      fb.CreateVector(sections), fb.CreateVector(metadata), fb.CreateVector(profiles), fb.CreateVector(families),
      files.empty() ? 0 : fb.CreateVector(files), image.info.chip.empty() ? 0 : fb.CreateString(image.info.chip)));
  return fb.Release();
}

/// Calls use(bytes) for an engine file's bytes, piece by piece in order.
template <typename F>
void with_pieces(const Image& image, const std::filesystem::path& folder, F&& use) {
  std::vector<Piece> pieces = pieces_of(image);
  for (Piece& p : pieces) {
    Hash64 hash;
    if (p.name == "weights") continue;
    p.content.each_piece([&](std::span<const std::byte> bytes) { hash.add(bytes); });
    p.checksum = hash.value();
  }
  const std::uint64_t header_bytes = header_of(image, pieces, folder).size();
  std::uint64_t at = sizeof(Prefix) + header_bytes;
  for (Piece& p : pieces) {
    p.offset = align(at);
    at = p.offset + p.content.bytes.size();
  }
  const flatbuffers::DetachedBuffer header = header_of(image, pieces, folder);

  Prefix prefix{};
  std::memcpy(prefix.magic, kMagic.data(), kMagic.size());
  prefix.format_version = kFormatVersion;
  prefix.plan_version = plan::kPlanVersion;
  prefix.file_bytes = at;
  prefix.header_bytes = header.size();
  prefix.header_checksum = hash64(std::as_bytes(std::span(header.data(), header.size())), prefix.file_bytes);

  static constexpr std::byte kZeros[kSectionAlignment] = {};
  use(std::as_bytes(std::span(&prefix, 1)));
  use(std::as_bytes(std::span(header.data(), header.size())));
  std::uint64_t written = sizeof prefix + header.size();
  for (const Piece& p : pieces) {
    use(std::span(kZeros, static_cast<std::size_t>(p.offset - written)));
    p.content.each_piece(use);
    written = p.offset + p.content.bytes.size();
  }
}

}  // namespace

void write_engine(const std::string& path, const Image& image) {
  OutputFile file(path);
  with_pieces(image, std::filesystem::path(path).parent_path(),
              [&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
}

std::vector<std::byte> engine_bytes(const Image& image) {
  std::vector<std::byte> all;
  with_pieces(image, {}, [&](std::span<const std::byte> bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); });
  return all;
}

}  // namespace monza::engine_file

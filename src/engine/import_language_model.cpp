#include "engine/import_language_model.h"

#include "base/error.h"
#include "base/file.h"
#include "decoder/import_decoder.h"
#include "decoder/open_model.h"
#include "engine/io_types.h"
#include "gguf/file.h"
#include "gguf/writer.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

constexpr std::int64_t kChunk = 512;  ///< new positions of a run that reads a prompt
constexpr std::int64_t kFew = 16;     ///< of one that generates: a position for each of so many sequences

/// Ranges of the extents `n` and `m` as the shapes of `tokens` and `rows` say.
plan::Profile ranges_of(const std::map<std::string, ShapeProfile>& shapes) {
  plan::Profile ranges;
  for (const auto& [name, shape] : shapes) {
    const bool rows = name == "rows";
    if (!rows && name != "tokens" && name != "positions")
      fail("a language model has no input '{}' whose shape can be given: tokens, positions and rows are there", name);
    const std::vector<std::int64_t>& max = shape.max.empty() ? shape.opt : shape.max;
    if (max.size() != 1 || max[0] < 1) fail("the shape of input '{}' is one extent of at least 1", name);
    const auto one = [&](const std::vector<std::int64_t>& extents) { return extents.empty() ? max[0] : extents.at(0); };
    const plan::Extent extent{one(shape.min), one(shape.opt), max[0]};
    if (extent.min < 0 || extent.min > extent.opt || extent.opt > extent.max)
      fail("the profile of input '{}' is not in order: {} to {}, best {}", name, extent.min, extent.max, extent.opt);
    const auto [it, added] = ranges.emplace(rows ? "m" : "n", extent);
    if (!added && !(it->second == extent)) fail("tokens and positions have the same number");
  }
  if (!ranges.contains("n")) fail("the shapes say nothing of tokens");
  ranges.emplace("m", plan::Extent{1, 1, ranges.at("n").max});
  return ranges;
}

/// What those need who generate: metadata, and the tokenizer of a folder.
std::map<std::string, std::vector<std::byte>> carried_files(const std::filesystem::path& path,
                                                            const gguf::Contents& contents) {
  const auto* file = dynamic_cast<const gguf::File*>(&contents);
  std::map<std::string, std::vector<std::byte>> files;
  files["gguf"] = file != nullptr ? file->head() : gguf::metadata_file(contents);
  if (const auto tokenizer = path / "tokenizer.json"; file == nullptr && std::filesystem::exists(tokenizer)) {
    constexpr std::size_t kMostBytes = 256 << 20;
    const auto bytes = MappedFile::open(tokenizer, kMostBytes);
    files["tokenizer.json"].assign(bytes->bytes().begin(), bytes->bytes().end());
  }
  return files;
}

}  // namespace

ImportedModel import_language_model(const std::string& path, const BuildOptions& options) {
  std::map<std::string, DType> io_types = options.io_types;
  DType state = DType::f16;
  if (const auto it = io_types.find("state"); it != io_types.end()) {
    state = it->second;
    io_types.erase(it);
  }
  ImportedModel model;
  const auto contents = open_language_model(path, options.limits);
  model.graph = import_decoder(contents, path, state, options.limits);
  model.carried = carried_files(path, *contents);
  if (!io_types.empty()) set_io_types(*model.graph, io_types);
  for (const auto& own : options.profiles) {
    auto shapes = own;
    shapes.insert(options.shapes.begin(), options.shapes.end());
    model.profiles.push_back(ranges_of(shapes));
  }
  if (model.profiles.empty() && !options.shapes.empty()) model.profiles.push_back(ranges_of(options.shapes));
  if (model.profiles.empty())
    model.profiles = {{{"n", {1, 1, kFew}}, {"m", {1, 1, kFew}}}, {{"n", {1, kChunk, kChunk}}, {"m", {1, 1, kChunk}}}};
  return model;
}

}  // namespace monza

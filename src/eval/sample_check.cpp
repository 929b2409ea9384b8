#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "eval/sample_source.h"

namespace monza::eval {
namespace {

namespace fs = std::filesystem;

std::uint64_t content_of(const Sample& sample) {
  Hash64 hash;
  for (const auto& [name, tensor] : sample.inputs)
    hash.add({static_cast<const std::byte*>(tensor.ref().data), tensor.bytes()});
  return hash.value();
}

std::map<std::uint64_t, std::string> contents_of(const std::string& source) {
  std::map<std::uint64_t, std::string> contents;
  const auto add = [&](const fs::path& path) {
    contents.emplace(hash64(MappedFile::open(path)->bytes()), path.filename().string());
  };
  std::error_code none;
  if (!fs::is_directory(source, none)) {
    if (fs::is_regular_file(source, none)) add(source);
    return contents;
  }
  for (const auto& entry : fs::directory_iterator(source))
    if (entry.is_regular_file(none) && entry.file_size(none) > 0) add(entry.path());
  return contents;
}

}  // namespace

void SampleCheck::see(const Sample& sample) {
  for (const auto& [name, tensor] : sample.inputs)
    if (const std::string strange = not_finite(tensor); !strange.empty())
      throw Error(message("input '{}': {}", name, strange), "leave the sample out, or make it anew")
          .at(message("sample '{}'", sample.file));
  ++samples_;
  if (sample.is_flat && flat_++ == 0) first_flat_ = sample.file;
  const auto [it, is_new] = seen_.emplace(content_of(sample), sample.file);
  if (!is_new) repeated_.push_back(message("'{}' is '{}'", sample.file, it->second));
}

std::vector<std::string> SampleCheck::findings() const {
  std::vector<std::string> found;
  if (flat_ > 0)
    found.push_back(
        message("{} of {} samples are of one colour or value throughout, first '{}'", flat_, samples_, first_flat_));
  if (!repeated_.empty())
    found.push_back(message("{} of {} samples are the same as another: {}", repeated_.size(), samples_, repeated_[0]));
  constexpr std::int64_t kFew = 16;
  if (samples_ < kFew)
    found.push_back(fmt::format("{} sample{} may not show the values that others have: some hundred are usual",
                                samples_, samples_ == 1 ? "" : "s"));
  return found;
}

void SampleCheck::refuse_useless(const std::string& source) const {
  const char* what = "pictures or tensors such as the model will be run on, some hundred of them";
  if (samples_ == 0) throw Error("there are no samples to calibrate on", what).at("'" + source + "'");
  if (flat_ == samples_)
    throw Error(message("all {} samples are of one colour or value throughout (first '{}'), which tells no ranges",
                        samples_, first_flat_),
                what)
        .at("'" + source + "'");
  if (samples_ > 1 && seen_.size() == 1)
    throw Error(message("all {} samples are the same: {}", samples_, repeated_[0]), what).at("'" + source + "'");
}

std::vector<std::string> shared_files(const std::string& first, const std::string& second) {
  const auto other = contents_of(second);
  std::vector<std::string> names;
  for (const auto& [content, name] : contents_of(first))
    if (other.contains(content)) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace monza::eval

#include "tools/text/gguf_text.h"

#include <map>

#include "gguf/file.h"
#include "tensor/dtype.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

constexpr const char* kTemplate = "tokenizer.chat_template";

Json json_of(const gguf::Array& array) {
  Json list = Json::array();
  for (const std::string_view text : array.texts) list.push_back(text);
  for (const std::int64_t number : array.integers) list.push_back(number);
  for (const double number : array.numbers) list.push_back(number);
  return list;
}

Json json_of(const gguf::Value& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::shared_ptr<const gguf::Array>>) return json_of(*v);
        else return v;
      },
      value);
}

/// One line: lists by their length, long texts cut.
std::string line_of(const gguf::Value& value) {
  if (const auto* list = std::get_if<std::shared_ptr<const gguf::Array>>(&value))
    return "a list of " + std::to_string((*list)->size());
  std::string text = json_text(json_of(value), -1);
  constexpr std::size_t kMost = 80;
  if (text.size() > kMost) text = text.substr(0, kMost - 3) + "...";
  return text;
}

/// Tensors and bytes of an encoding.
struct Sum {
  std::int64_t tensors = 0, elements = 0, bytes = 0;
};
std::map<std::string, Sum> by_encoding(const gguf::File& file) {
  std::map<std::string, Sum> sums;
  for (const gguf::TensorInfo& t : file.tensors()) {
    Sum& sum = sums[std::string(dtype_name(t.dtype))];
    ++sum.tensors;
    sum.elements += t.shape.numel();
    sum.bytes += static_cast<std::int64_t>(t.bytes.size());
  }
  return sums;
}

void print_json_of(const gguf::File& file) {
  Json report = {{"format", "gguf"}, {"version", file.version()}};
  Json& metadata = report["metadata"] = Json::object();
  for (const auto& [key, value] : file.metadata()) metadata[std::string(key)] = json_of(value);
  Json& tensors = report["tensors"] = Json::array();
  for (const gguf::TensorInfo& t : file.tensors())
    tensors.push_back({{"name", t.name},
                       {"encoding", dtype_name(t.dtype)},
                       {"shape", std::vector<std::int64_t>(t.shape.dim, t.shape.dim + t.shape.rank)},
                       {"bytes", t.bytes.size()}});
  Json& sums = report["encodings"] = Json::object();
  for (const auto& [name, sum] : by_encoding(file))
    sums[name] = {{"tensors", sum.tensors}, {"elements", sum.elements}, {"bytes", sum.bytes}};
  print_json(report);
}

void print_text_of(const gguf::File& file) {
  print("GGUF version {}, {} entries of metadata, {} tensors\n", file.version(), file.metadata().size(),
        file.tensors().size());
  for (const auto& [key, value] : file.metadata())
    if (key != kTemplate) print("  {} = {}\n", key, line_of(value));
  print("tensors:\n");
  for (const gguf::TensorInfo& t : file.tensors())
    print("  {:8} {:>12} {:>10}  {}\n", dtype_name(t.dtype), to_string(t.shape),
          bytes_text(static_cast<double>(t.bytes.size())), t.name);
  for (const auto& [name, sum] : by_encoding(file))
    print("{} in {} tensors: {} elements, {:.2f} bits each\n", name, sum.tensors, sum.elements,
          sum.elements > 0 ? 8.0 * static_cast<double>(sum.bytes) / static_cast<double>(sum.elements) : 0.0);
  if (const auto chat = file.text(kTemplate)) print("chat template:\n{}\n", Lines{std::string(*chat)});
  else print("no chat template\n");
}

}  // namespace

void inspect_gguf(const std::string& path, const Limits& limits, bool json) {
  const auto file = gguf::File::open(path, limits);
  if (json) print_json_of(*file);
  else print_text_of(*file);
}

}  // namespace monza::tool

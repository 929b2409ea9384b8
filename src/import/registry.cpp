#include <map>

#include "import/api.h"

namespace monza {
namespace ops {
extern const OnnxImporter* const onnx_table[];  // generated from the lists in src/ops
extern const int onnx_table_count;
}  // namespace ops

std::vector<const OnnxImporter*> all_onnx_importers() { return {ops::onnx_table, ops::onnx_table + ops::onnx_table_count}; }

const OnnxImporter* find_onnx_importer(std::string_view domain, std::string_view op_type, int opset) {
  using Key = std::pair<std::string_view, std::string_view>;
  static const std::multimap<Key, const OnnxImporter*> index = [] {
    std::multimap<Key, const OnnxImporter*> map;
    for (const OnnxImporter* i : all_onnx_importers()) map.emplace(Key(i->domain, i->op_type), i);
    return map;
  }();
  if (domain == "ai.onnx") domain = "";
  const auto [begin, end] = index.equal_range(Key(domain, op_type));
  for (auto it = begin; it != end; ++it)
    if (it->second->since <= opset && opset <= it->second->until) return it->second;
  return nullptr;
}

}  // namespace monza

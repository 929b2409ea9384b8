#include <iterator>
#include <map>

#include "import/api.h"

namespace monza {
namespace ops {
extern const OnnxImporters* const onnx_table[];  // generated: one for each src/ops/<family>/<name>.onnx.cpp
extern const int onnx_table_count;
}  // namespace ops

std::vector<const OnnxImporter*> all_onnx_importers() {
  std::vector<const OnnxImporter*> all;
  for (int i = 0; i < ops::onnx_table_count; ++i)
    for (const OnnxImporter& importer : ops::onnx_table[i]->importers) all.push_back(&importer);
  return all;
}

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

DType dtype_from_onnx(std::int64_t number) {
  // TensorProto.DataType, in the order of its numbers.
  static constexpr DType kTypes[] = {DType::invalid,    DType::f32,  DType::u8,       DType::i8,         DType::u16,
                                     DType::i16,        DType::i32,  DType::i64,      DType::string,     DType::boolean,
                                     DType::f16,        DType::f64,  DType::u32,      DType::u64,        DType::c64,
                                     DType::c128,       DType::bf16, DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2,
                                     DType::f8e5m2fnuz, DType::u4,   DType::i4,       DType::f4e2m1,     DType::f8e8m0,
                                     DType::u2,         DType::i2};
  if (number < 1 || number >= static_cast<std::int64_t>(std::size(kTypes)))
    fail("element type number {} is not one ONNX defines", number);
  return kTypes[number];
}

}  // namespace monza

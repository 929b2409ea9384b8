#include <iterator>
#include <map>
#include <mutex>

#include "import/api.h"
#include "import/register.h"

namespace monza {
namespace ops {
extern const OnnxImporters* const onnx_table[];  // generated: one for each src/ops/<family>/<name>.onnx.cpp
extern const int onnx_table_count;
}  // namespace ops

namespace {

using Key = std::pair<std::string_view, std::string_view>;  // domain, operator

std::vector<const OnnxImporter*> own_importers() {
  std::vector<const OnnxImporter*> all;
  for (int i = 0; i < ops::onnx_table_count; ++i)
    for (const OnnxImporter& importer : ops::onnx_table[i]->importers) all.push_back(&importer);
  return all;
}

bool takes(const OnnxImporter& importer, int opset) { return importer.since <= opset && opset <= importer.until; }

/// Those of loaded plugins.
struct Added {
  std::mutex mutex;
  std::map<Key, const OnnxImporter*> by_operator;
};

Added& added() {
  static Added* const importers = new Added;  // threads may ask until the process ends
  return *importers;
}

}  // namespace

void add_onnx_importer(const OnnxImporter& importer) {
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  a.by_operator.emplace(Key(importer.domain, importer.op_type), &importer);
}

std::vector<const OnnxImporter*> all_onnx_importers() {
  std::vector<const OnnxImporter*> all = own_importers();
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  for (const auto& [key, importer] : a.by_operator) all.push_back(importer);
  return all;
}

const OnnxImporter* find_onnx_importer(std::string_view domain, std::string_view op_type, int opset) {
  static const std::multimap<Key, const OnnxImporter*> index = [] {
    std::multimap<Key, const OnnxImporter*> map;
    for (const OnnxImporter* i : own_importers()) map.emplace(Key(i->domain, i->op_type), i);
    return map;
  }();
  if (domain == "ai.onnx") domain = "";
  const auto [begin, end] = index.equal_range(Key(domain, op_type));
  for (auto it = begin; it != end; ++it)
    if (takes(*it->second, opset)) return it->second;
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  const auto it = a.by_operator.find(Key(domain, op_type));
  return it != a.by_operator.end() && takes(*it->second, opset) ? it->second : nullptr;
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

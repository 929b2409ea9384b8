#include "serve/datatype.h"

namespace monza::serve {
namespace {

struct Row {
  std::string_view config_name;  ///< TYPE_ and, but for strings, the name
  DType type;
  std::string_view name = config_name.substr(5);
};
constexpr Row kDatatypes[] = {{"TYPE_FP32", DType::f32},     {"TYPE_INT64", DType::i64},
                              {"TYPE_INT32", DType::i32},    {"TYPE_UINT8", DType::u8},
                              {"TYPE_FP16", DType::f16},     {"TYPE_BF16", DType::bf16},
                              {"TYPE_BOOL", DType::boolean}, {"TYPE_INT8", DType::i8},
                              {"TYPE_FP64", DType::f64},     {"TYPE_INT16", DType::i16},
                              {"TYPE_UINT16", DType::u16},   {"TYPE_UINT32", DType::u32},
                              {"TYPE_UINT64", DType::u64},   {"TYPE_STRING", DType::string, "BYTES"}};

}  // namespace

std::string_view datatype_name(DType type) {
  for (const Row& row : kDatatypes)
    if (row.type == type) return row.name;
  return "";
}

std::string_view config_type_name(DType type) {
  for (const Row& row : kDatatypes)
    if (row.type == type) return row.config_name;
  return "";
}

DType parse_datatype(std::string_view name) {
  for (const Row& row : kDatatypes)
    if (row.name == name) return row.type;
  return DType::invalid;
}

}  // namespace monza::serve

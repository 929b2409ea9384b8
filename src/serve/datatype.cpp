#include "serve/datatype.h"

#include <utility>

namespace monza::serve {
namespace {

constexpr std::pair<std::string_view, DType> kDatatypes[] = {
    {"FP32", DType::f32},   {"INT64", DType::i64},   {"INT32", DType::i32},    {"UINT8", DType::u8},
    {"FP16", DType::f16},   {"BF16", DType::bf16},   {"BOOL", DType::boolean}, {"INT8", DType::i8},
    {"FP64", DType::f64},   {"INT16", DType::i16},   {"UINT16", DType::u16},   {"UINT32", DType::u32},
    {"UINT64", DType::u64}, {"BYTES", DType::string}};

}  // namespace

std::string_view datatype_name(DType type) {
  for (const auto& [name, value] : kDatatypes)
    if (value == type) return name;
  return "";
}

DType parse_datatype(std::string_view name) {
  for (const auto& [known, value] : kDatatypes)
    if (known == name) return value;
  return DType::invalid;
}

}  // namespace monza::serve

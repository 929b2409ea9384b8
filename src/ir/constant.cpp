#include "ir/constant.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/float_convert.h"
#include "tensor/storage.h"

namespace monza::ir {

namespace {
constexpr std::size_t kAlignment = 64;

std::size_t bytes_of(DType dtype, const Shape& shape) {
  return dtype == DType::string ? 0 : static_cast<std::size_t>(storage_bytes(dtype, shape));
}

/// Calls f with element i of plain types as a double or a 64-bit integer; sub-byte types unpack.
template <typename T, typename F>
void each(const Constant& c, F&& f) {
  const T* p = c.as<T>();
  for (std::int64_t i = 0, n = c.numel(); i < n; ++i) f(p[i]);
}

template <typename F>
void each_sub_byte(const Constant& c, int bits, bool is_signed, F&& f) {
  const auto* p = c.as<std::uint8_t>();
  const int per_byte = 8 / bits;
  for (std::int64_t i = 0, n = c.numel(); i < n; ++i) {
    int v = (p[i / per_byte] >> (bits * (i % per_byte))) & ((1 << bits) - 1);
    if (is_signed && v >= (1 << (bits - 1))) v -= 1 << bits;
    f(static_cast<std::int64_t>(v));
  }
}

/// Visits integers and booleans; false for other types.
template <typename F>
bool each_integer(const Constant& c, F&& f) {
  switch (c.dtype) {
    case DType::i8: each<std::int8_t>(c, f); return true;
    case DType::u8: each<std::uint8_t>(c, f); return true;
    case DType::i16: each<std::int16_t>(c, f); return true;
    case DType::u16: each<std::uint16_t>(c, f); return true;
    case DType::i32: each<std::int32_t>(c, f); return true;
    case DType::u32: each<std::uint32_t>(c, f); return true;
    case DType::i64: each<std::int64_t>(c, f); return true;
    case DType::u64: each<std::uint64_t>(c, f); return true;
    case DType::boolean:
      each<std::uint8_t>(c, [&](std::uint8_t v) { f(static_cast<std::int64_t>(v != 0)); });
      return true;
    case DType::i4: each_sub_byte(c, 4, true, f); return true;
    case DType::u4: each_sub_byte(c, 4, false, f); return true;
    case DType::i2: each_sub_byte(c, 2, true, f); return true;
    case DType::u2: each_sub_byte(c, 2, false, f); return true;
    default: return false;
  }
}
}  // namespace

std::pair<std::shared_ptr<Constant>, std::span<std::byte>> allocate_constant(DType dtype, const Shape& shape) {
  const std::size_t size = bytes_of(dtype, shape);
  auto constant = std::make_shared<Constant>();
  constant->dtype = dtype;
  constant->shape = shape;
  const std::size_t rounded = (size / kAlignment + 1) * kAlignment;
  void* data = std::aligned_alloc(kAlignment, rounded);
  if (data == nullptr) fail("out of memory: a constant of {} bytes", size);
  constant->owner = std::shared_ptr<const void>(data, [](const void* p) { std::free(const_cast<void*>(p)); });
  std::span<std::byte> bytes(static_cast<std::byte*>(data), size);
  constant->bytes = bytes;
  if (dtype == DType::string) constant->strings.resize(static_cast<std::size_t>(shape.numel()));
  return {std::move(constant), bytes};
}

std::shared_ptr<const Constant> make_constant(DType dtype, const Shape& shape, std::span<const std::byte> bytes) {
  auto [constant, to] = allocate_constant(dtype, shape);
  if (bytes.size() != to.size())
    fail("a constant {} {} takes {} bytes, but {} are given", dtype_name(dtype), to_string(shape), to.size(),
         bytes.size());
  if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
  return constant;
}

namespace {
std::shared_ptr<const Constant> borrow(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                                       std::shared_ptr<const void> owner, std::shared_ptr<const MappedFile> file) {
  const std::size_t size = bytes_of(dtype, shape);
  if (bytes.size() != size)
    fail("a constant {} {} takes {} bytes, but {} are given", dtype_name(dtype), to_string(shape), size, bytes.size());
  const std::size_t alignment = dtype_bits(dtype) >= 128 ? 8 : dtype_bits(dtype) >= 8 ? dtype_bits(dtype) / 8 : 2;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment != 0) return make_constant(dtype, shape, bytes);
  auto constant = std::make_shared<Constant>();
  constant->dtype = dtype;
  constant->shape = shape;
  constant->bytes = bytes;
  constant->owner = std::move(owner);
  constant->file = std::move(file);
  return constant;
}
}  // namespace

std::shared_ptr<const Constant> borrow_constant(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                                                std::shared_ptr<const void> owner) {
  return borrow(dtype, shape, bytes, std::move(owner), nullptr);
}
std::shared_ptr<const Constant> borrow_from_file(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                                                 const std::shared_ptr<const MappedFile>& file) {
  return borrow(dtype, shape, bytes, file, file);
}

std::shared_ptr<const Constant> constant_i64(std::vector<std::int64_t> values) {
  return make_constant(DType::i64, Shape{static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values)));
}
std::shared_ptr<const Constant> constant_i64_scalar(std::int64_t value) {
  return make_constant(DType::i64, Shape{}, std::as_bytes(std::span(&value, 1)));
}
std::shared_ptr<const Constant> constant_f32(std::vector<float> values, const Shape& shape) {
  return make_constant(DType::f32, shape, std::as_bytes(std::span(values)));
}
std::shared_ptr<const Constant> constant_f32_scalar(float value) {
  return make_constant(DType::f32, Shape{}, std::as_bytes(std::span(&value, 1)));
}

std::shared_ptr<const Constant> constant_scalar(DType dtype, double value) {
  const ElementAccess& access = element_access(dtype);
  if (access.store == nullptr) fail("a scalar of element type {} cannot be made from a number", dtype_name(dtype));
  auto [constant, bytes] = allocate_constant(dtype, Shape{});
  std::memset(bytes.data(), 0, bytes.size());
  access.store(bytes.data(), 0, value);
  return constant;
}

std::vector<std::int64_t> to_ints(const Constant& constant) {
  std::vector<std::int64_t> values;
  values.reserve(static_cast<std::size_t>(constant.numel()));
  if (!each_integer(constant, [&](auto v) { values.push_back(static_cast<std::int64_t>(v)); }))
    fail("integers are expected, but the constant is {}", dtype_name(constant.dtype));
  return values;
}

std::vector<double> to_doubles(const Constant& constant) {
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(constant.numel()));
  auto push = [&](auto v) { values.push_back(static_cast<double>(v)); };
  switch (constant.dtype) {
    case DType::f32: each<float>(constant, push); return values;
    case DType::f64: each<double>(constant, push); return values;
    case DType::f16: each<std::uint16_t>(constant, [&](std::uint16_t v) { push(f16_to_f32(v)); }); return values;
    case DType::bf16: each<std::uint16_t>(constant, [&](std::uint16_t v) { push(bf16_to_f32(v)); }); return values;
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::f8e8m0:
      each<std::uint8_t>(constant, [&](std::uint8_t v) { push(small_float_to_f32(constant.dtype, v)); });
      return values;
    case DType::f4e2m1:
      each_sub_byte(constant, 4, false,
                    [&](std::int64_t v) { push(small_float_to_f32(DType::f4e2m1, static_cast<std::uint8_t>(v))); });
      return values;
    default: break;
  }
  if (!each_integer(constant, push)) fail("numbers are expected, but the constant is {}", dtype_name(constant.dtype));
  return values;
}

bool same_content(const Constant& a, const Constant& b) {
  if (&a == &b) return true;
  if (a.dtype != b.dtype || !(a.shape == b.shape) || a.bytes.size() != b.bytes.size() || a.strings != b.strings)
    return false;
  return a.bytes.data() == b.bytes.data() || a.bytes.empty() ||
         std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

}  // namespace monza::ir

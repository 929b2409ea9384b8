#include "io/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/output_file.h"
#include "io/npy_header.h"
#include "io/npy_strings.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/storage.h"

namespace monza::io {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64 << 10;
constexpr std::size_t kMaxWidth = std::size_t{1} << 28;  ///< characters of a string
constexpr char kMagic[] = "\x93NUMPY";

struct Form {
  DType dtype;
  const char* descr;  ///< without the byte order
};
constexpr Form kForms[] = {
    {DType::f32, "f4"}, {DType::f64, "f8"}, {DType::f16, "f2"},     {DType::bf16, "V2"}, {DType::i8, "i1"},
    {DType::u8, "u1"},  {DType::i16, "i2"}, {DType::u16, "u2"},     {DType::i32, "i4"},  {DType::u32, "u4"},
    {DType::i64, "i8"}, {DType::u64, "u8"}, {DType::boolean, "b1"}, {DType::c64, "c8"},  {DType::c128, "c16"},
};

Shape shape_of(std::span<const std::int64_t> extents) {
  if (extents.size() > kMaxRank)
    fail("the array has {} dimensions; at most {} are supported", extents.size(), kMaxRank);
  Shape shape;
  shape.rank = static_cast<std::int32_t>(extents.size());
  std::copy(extents.begin(), extents.end(), shape.dim);
  return shape;
}

DType dtype_of(const std::string& descr) {
  const std::string kind = descr.empty() ? "" : descr.substr(1);
  if (kind == "V1") return DType::u8;
  for (const Form& form : kForms)
    if (kind == form.descr) return form.dtype;
  if (kind.starts_with("O"))
    fail_hint("save numbers, not Python objects",
              "the array holds Python objects, which would have to be executed to be read");
  if (kind.starts_with("U")) return DType::string;
  if (kind.starts_with("S"))
    fail_hint("save them as text: array.astype('U')", "the array holds bytes ('{}'), which are not supported", descr);
  fail_hint("save it as numbers: array.astype('float32')",
            "the array has elements of type '{}', which are not supported", descr);
}

void swap_bytes(std::byte* data, std::size_t bytes, std::size_t unit) {
  for (std::size_t i = 0; i + unit <= bytes; i += unit) std::reverse(data + i, data + i + unit);
}

/// Characters of each element of '<U5'. At least one, as NumPy has it: a file of no bytes could hold any number else.
std::size_t width_of(const std::string& descr) {
  std::size_t width = 0;
  const auto [end, error] = std::from_chars(descr.data() + 2, descr.data() + descr.size(), width);
  if (error != std::errc() || end != descr.data() + descr.size() || width == 0 || width > kMaxWidth)
    fail("the array has strings of '{}', which are not supported", descr);
  return width;
}

/// Row-major from column-major: walks the destination in order.
void from_fortran(std::byte* to, const std::byte* from, const Shape& shape, std::size_t size) {
  std::array<std::int64_t, kMaxRank> index{};
  std::array<std::int64_t, kMaxRank> stride{};
  std::int64_t n = 1;
  for (int a = 0; a < shape.rank; ++a) {
    stride[static_cast<std::size_t>(a)] = n;
    n *= shape.dim[a];
  }
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t at = 0;
    for (int a = 0; a < shape.rank; ++a) at += index[static_cast<std::size_t>(a)] * stride[static_cast<std::size_t>(a)];
    std::memcpy(to + static_cast<std::size_t>(i) * size, from + static_cast<std::size_t>(at) * size, size);
    for (int a = shape.rank - 1; a >= 0; --a) {
      if (++index[static_cast<std::size_t>(a)] < shape.dim[a]) break;
      index[static_cast<std::size_t>(a)] = 0;
    }
  }
}

/// What stands before the elements, and where they begin.
struct Head {
  NpyHeader header;
  DType dtype = DType::invalid;
  Shape shape;
  std::size_t begin = 0, size = 0;
  std::size_t unit = 0;  ///< bytes of an element
};

Head parse_head(std::span<const std::byte> bytes) {
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  if (bytes.size() < 10 || std::memcmp(bytes.data(), kMagic, 6) != 0)
    fail_hint("write it with numpy.save", "this is no .npy file: it does not begin as one does");
  const std::uint32_t version = byte(6);
  if (version < 1 || version > 3) fail("the array file has version {}, only 1 to 3 exist", version);
  const std::size_t begin = version == 1 ? 10 : 12;
  if (bytes.size() < begin) fail("the array file ends inside its header");
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= static_cast<std::size_t>(byte(10)) << 16 | static_cast<std::size_t>(byte(11)) << 24;
  if (length > kMaxHeaderBytes)
    fail("the array's header has {} bytes, more than the limit of {}", length, kMaxHeaderBytes);
  if (length > bytes.size() - begin)
    fail("the array file ends inside its header ({} of {} bytes)", bytes.size() - begin, length);

  Head head;
  head.header = parse_npy_header({reinterpret_cast<const char*>(bytes.data()) + begin, length});
  head.dtype = dtype_of(head.header.descr);
  head.shape = shape_of(head.header.shape);
  head.begin = begin + length;
  if (head.dtype == DType::string) {
    head.unit = 4 * width_of(head.header.descr);
    head.size =
        static_cast<std::size_t>(checked_mul(storage_bytes(DType::u8, head.shape), static_cast<std::int64_t>(head.unit),
                                             "the bytes of an array of strings"));
  } else {
    head.unit = static_cast<std::size_t>(dtype_bits(head.dtype)) / 8;
    head.size = static_cast<std::size_t>(storage_bytes(head.dtype, head.shape));
  }
  return head;
}

Tensor parse_strings(const Head& head, std::span<const std::byte> data) {
  std::vector<std::byte> rows(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(head.size));
  if (head.header.fortran_order && head.shape.rank > 1) from_fortran(rows.data(), data.data(), head.shape, head.unit);
  const auto strings =
      from_utf32(rows, static_cast<std::size_t>(head.shape.numel()), head.unit / 4, head.header.descr[0] == '>');
  const std::vector<std::string_view> views(strings.begin(), strings.end());
  return Tensor::of_strings(views, head.header.shape);
}

Tensor parse(std::span<const std::byte> bytes) {
  const Head head = parse_head(bytes);
  const auto& [header, dtype, shape, begin, size, unit] = head;
  const std::span<const std::byte> data = bytes.subspan(begin);
  if (data.size() < size)
    fail("the array file is truncated: {} of {} bytes of a {} array", data.size(), size, to_string(shape));

  if (dtype == DType::string) return parse_strings(head, data);
  Tensor tensor(dtype, header.shape);
  auto* to = tensor.as<std::byte>();
  if (size == 0) return tensor;
  if (header.fortran_order && shape.rank > 1) {
    from_fortran(to, data.data(), shape, unit);
  } else {
    std::memcpy(to, data.data(), size);
  }
  if (header.descr[0] == '>') {
    const bool complex = dtype == DType::c64 || dtype == DType::c128;
    swap_bytes(to, size, complex ? unit / 2 : unit);
  }
  if (dtype == DType::boolean)
    for (std::size_t i = 0; i < size; ++i) to[i] = std::byte(to[i] != std::byte(0));  // kernels rely on 0 and 1
  return tensor;
}

}  // namespace

namespace {
template <typename F>
auto located(std::string_view where, F&& parse) {
  try {
    return parse();
  } catch (const Error& e) {
    throw(e.hint().empty() ? Error(e.fact(), "write the array again, with numpy.save") : e).at(std::string(where));
  }
}
}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, std::string_view where) {
  return located(where, [&] { return parse(bytes); });
}

NpyInfo npy_info(std::span<const std::byte> begin, std::string_view where) {
  return located(where, [&] {
    Head head = parse_head(begin);
    return NpyInfo{head.dtype, std::move(head.header.shape), head.begin + std::uint64_t{head.size}};
  });
}

Tensor read_npy(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return parse_npy(file->bytes(), "'" + path.string() + "'");
}

namespace {
/// What stands before the elements of a file of version 1.
std::string header_of(char order, const std::string& descr, const std::vector<std::int64_t>& extents) {
  std::string shape;
  for (std::int64_t d : extents) shape += std::to_string(d) + ", ";
  if (extents.size() > 1) shape.resize(shape.size() - 2);
  if (extents.size() == 1) shape.resize(shape.size() - 1);  // (3,)
  const std::string text =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}", order, descr, shape);
  // Data begins at a multiple of 64 bytes, as NumPy does it.
  const std::size_t padded = (10 + text.size() + 1 + 63) / 64 * 64 - 10;
  std::string header(kMagic, 6);
  header += '\1';
  header += '\0';
  header += static_cast<char>(padded & 0xff);
  header += static_cast<char>(padded >> 8);
  header += text;
  header.resize(10 + padded - 1, ' ');
  header += '\n';
  return header;
}
}  // namespace

NpyImage npy_image(const TensorRef& tensor) {
  NpyImage image;
  if (tensor.dtype == DType::string) {
    std::size_t width = 0;
    image.widened = utf32_of(tensor, width);
    image.data = image.widened;
    image.header = header_of('<', fmt::format("U{}", width), tensor.shape);
    return image;
  }
  const auto size = static_cast<std::size_t>(storage_bytes(tensor.dtype, shape_of(tensor.shape)));
  if (size > tensor.bytes) fail("a tensor of {} bytes lies in a buffer of {}", size, tensor.bytes);
  image.data = {static_cast<const std::byte*>(tensor.data), size};
  std::string descr;
  for (const Form& form : kForms)
    if (form.dtype == tensor.dtype) descr = form.descr;
  const bool narrow = dtype_bits(tensor.dtype) < 8;
  switch (tensor.dtype) {
    case DType::i4:
    case DType::i2: descr = "i1"; break;
    case DType::u4:
    case DType::u2: descr = "u1"; break;
    case DType::f4e2m1:
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::f8e8m0: descr = "V1"; break;
    default: break;
  }
  if (descr.empty()) fail("NumPy's files have no form of {}", dtype_name(tensor.dtype));
  if (narrow) {
    const auto count = static_cast<std::size_t>(tensor.numel());
    image.widened.resize(count);
    const int bits = dtype_bits(tensor.dtype), per_byte = 8 / bits;
    const bool sign = tensor.dtype == DType::i4 || tensor.dtype == DType::i2;
    for (std::size_t i = 0; i < count; ++i) {
      const unsigned packed = std::to_integer<unsigned>(image.data[i / static_cast<std::size_t>(per_byte)]);
      unsigned value =
          packed >> (i % static_cast<std::size_t>(per_byte) * static_cast<unsigned>(bits)) & ((1u << bits) - 1);
      if (sign && value >> (bits - 1)) value |= ~0u << bits;
      image.widened[i] = std::byte(value);
    }
    image.data = image.widened;
  }
  const bool ordered = descr[1] != '1' || descr.size() > 2;
  image.header = header_of(ordered ? '<' : '|', descr, tensor.shape);
  return image;
}

void write_npy(const std::filesystem::path& path, const TensorRef& tensor) {
  const NpyImage image = npy_image(tensor);
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(image.header)), image.data};
  write_file(path, pieces);
}

Tensor as_model_type(const Tensor& tensor, DType wanted) {
  const bool bytes = tensor.dtype() == DType::u8 || tensor.dtype() == DType::i8;
  if (wanted == tensor.dtype() || !bytes) return tensor;
  const int bits = dtype_bits(wanted);
  const bool small_float = is_float(wanted) && bits <= 8;
  if (!(bits > 0 && bits < 8) && !small_float) return tensor;
  if (is_integer(wanted) && is_signed(wanted) != is_signed(tensor.dtype())) return tensor;
  Tensor out(wanted, tensor.shape());
  const auto* from = tensor.as<std::uint8_t>();
  auto* to = out.as<std::uint8_t>();
  const int per_byte = 8 / bits;
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    const int value = is_integer(wanted) && is_signed(wanted) ? static_cast<std::int8_t>(from[i]) : from[i];
    const int low = is_integer(wanted) && is_signed(wanted) ? -(1 << (bits - 1)) : 0;
    if (value < low || value >= low + (1 << bits))
      fail("element {} is {}, which {} cannot hold", i, value, dtype_name(wanted));
    to[i / per_byte] = static_cast<std::uint8_t>(to[i / per_byte] | (static_cast<unsigned>(value) & ((1u << bits) - 1))
                                                                        << (i % per_byte * bits));
  }
  return out;
}

}  // namespace monza::io

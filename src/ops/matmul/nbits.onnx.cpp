// com.microsoft's MatMulNBits: a product with weights of 2, 4 or 8 bits, a scale for each block of a column. The
// weights are written out when the model is read, so that the product is one of floats.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// The attributes: weights are [columns, blocks, block * bits / 8] bytes, the first element in the lowest bits.
struct Packed {
  std::int64_t rows, columns, bits, block, blocks;
};

Packed packed_of(OnnxNode& n) {
  Packed p{n.i("K", 0), n.i("N", 0), n.i("bits", 4), n.i("block_size", 0), 0};
  if (p.bits != 2 && p.bits != 4 && p.bits != 8) fail("weights of {} bits are not supported", p.bits);
  if (p.rows < 1 || p.columns < 1 || p.block < 16 || (p.block & (p.block - 1)) != 0)
    fail("weights of {} rows and {} columns in blocks of {}", p.rows, p.columns, p.block);
  p.blocks = (p.rows + p.block - 1) / p.block;
  return p;
}

const ir::Constant& constant_input(OnnxNode& n, int i, const char* what) {
  const ir::Constant* c = n.constant(n.input(i));
  if (c == nullptr) fail("{} must be a constant", what);
  return *c;
}

/// Element i of a row of packed bytes.
std::int64_t unpacked(const std::byte* row, std::int64_t i, std::int64_t bits) {
  const std::int64_t at = i * bits;
  return std::to_integer<int>(row[at / 8]) >> (at % 8) & ((1 << bits) - 1);
}

/// The zero point of each block, [columns, blocks]: packed as the weights, each column padded to whole bytes, or as the
/// scales are.
std::vector<double> zeros_of(OnnxNode& n, const Packed& p) {
  const auto count = static_cast<std::size_t>(p.columns * p.blocks);
  std::vector<double> zeros(count, static_cast<double>(std::int64_t{1} << (p.bits - 1)));
  if (input_or_none(n, 3) == ir::kNone) return zeros;
  const ir::Constant& z = constant_input(n, 3, "the zero point");
  const std::int64_t bytes = (p.blocks * p.bits + 7) / 8;
  if (z.dtype != DType::u8) {
    if (z.numel() != p.columns * p.blocks) fail("{} zero points for {} blocks", z.numel(), p.columns * p.blocks);
    const ElementAccess& access = element_access(z.dtype);
    for (std::size_t i = 0; i < count; ++i) zeros[i] = access.load(z.bytes.data(), static_cast<std::int64_t>(i));
    return zeros;
  }
  if (z.numel() != p.columns * bytes) fail("zero points of {} bytes for {} columns", z.numel(), p.columns);
  for (std::int64_t c = 0; c < p.columns; ++c)
    for (std::int64_t b = 0; b < p.blocks; ++b)
      zeros[static_cast<std::size_t>(c * p.blocks + b)] =
          static_cast<double>(unpacked(z.bytes.data() + c * bytes, b, p.bits));
  return zeros;
}

/// f32 [columns, rows].
std::shared_ptr<const ir::Constant> weights_of(OnnxNode& n, const Packed& p) {
  const ir::Constant &w = constant_input(n, 1, "the weight"), &scales = constant_input(n, 2, "the scale");
  const std::int64_t block_bytes = p.block * p.bits / 8;
  if (w.dtype != DType::u8 || w.numel() != p.columns * p.blocks * block_bytes)
    fail("weights of {} bytes for {} columns of {} blocks", w.numel(), p.columns, p.blocks);
  if (scales.numel() != p.columns * p.blocks) fail("{} scales for {} blocks", scales.numel(), p.columns * p.blocks);
  const std::vector<double> zeros = zeros_of(n, p);
  const ElementAccess& access = element_access(scales.dtype);
  auto [made, bytes] = ir::allocate_constant(DType::f32, Shape{p.columns, p.rows});
  auto* to = reinterpret_cast<float*>(bytes.data());
  for (std::int64_t c = 0; c < p.columns; ++c)
    for (std::int64_t b = 0; b < p.blocks; ++b) {
      const std::int64_t at = c * p.blocks + b;
      const double scale = access.load(scales.bytes.data(), at), zero = zeros[static_cast<std::size_t>(at)];
      for (std::int64_t i = 0; i < p.block && b * p.block + i < p.rows; ++i)
        *to++ = static_cast<float>(
            (static_cast<double>(unpacked(w.bytes.data() + at * block_bytes, i, p.bits)) - zero) * scale);
    }
  return made;
}

void import_matmul_nbits(OnnxNode& n) {
  const Packed p = packed_of(n);
  n.ignore("accuracy_level");  // how much may be rounded, and none is
  n.ignore("weight_prepacked");
  if (input_or_none(n, 4) != ir::kNone) fail("an order of the rows (input 4, g_idx) is not supported");
  const ir::ValueId x = n.input(0);
  const auto given = n.type(x).rank() > 0 ? n.type(x).shape.back().try_constant() : std::nullopt;
  if (!given || *given != p.rows)
    fail("rows of {} are multiplied with weights of {} rows", ir::to_string(n.type(x)), p.rows);
  ir::ValueId w = n.constant_value(weights_of(n, p));
  if (n.type(x).dtype != DType::f32) w = n.add1("Cast", {w}, {{"to", std::string(dtype_name(n.type(x).dtype))}});
  std::vector<ir::ValueId> inputs{x, w};
  if (input_or_none(n, 5) != ir::kNone) inputs.push_back(n.input(5));
  n.bind(0, n.add1("MatMul", std::move(inputs), {{"trans_b", std::int64_t{1}}}));
}

constexpr OnnxImporter kNBitsImporters[] = {
    {.op_type = "MatMulNBits", .domain = "com.microsoft", .import = import_matmul_nbits},
};

}  // namespace

extern const OnnxImporters nbits_onnx{kNBitsImporters};

}  // namespace monza::ops

// Weights of several experts as panels: those of one after those of another, as if all were rows of one matrix.
#include "kernel/packed_format.h"
#include "ops/matmul/block_panels.simd.h"

namespace monza::ops {
namespace {

/// The query with the weight as one matrix; the weight's own shape where it cannot be one.
class AsOneMatrix {
 public:
  explicit AsOneMatrix(const KernelQuery& q) : query_(q) {
    in_[0] = q.input(0);
    in_[1] = q.input(1);
    const Shape& w = in_[1].shape;
    fits_ = w.rank == 3 && w[1] % kPanelRows == 0 && w[0] <= INT32_MAX && w[1] <= INT32_MAX;
    if (fits_) in_[1].shape = Shape{w[0] * w[1], w[2]};
    query_.in = in_;
    query_.in_count = 2;
  }
  AsOneMatrix(const AsOneMatrix&) = delete;
  AsOneMatrix& operator=(const AsOneMatrix&) = delete;
  const KernelQuery& query() const { return query_; }
  bool fits() const { return fits_; }

 private:
  KernelQuery query_;
  OperandDesc in_[2];
  bool fits_ = false;
};

std::size_t expert_format_bytes(const KernelQuery& q, int input) noexcept {
  const AsOneMatrix one(q);
  return one.fits() ? matmul_block_panels.bytes(one.query(), input) : kNeverPacked;
}

void unpack_experts(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  matmul_block_panels.unpack(AsOneMatrix(q).query(), input, packed, dense);
}

}  // namespace

std::size_t expert_panels_bytes(const KernelQuery& q) noexcept { return block_panels_bytes(AsOneMatrix(q).query()); }

void pack_expert_panels(const KernelQuery& q, std::byte* packed) noexcept {
  pack_block_panels(AsOneMatrix(q).query(), packed);
}

const PackedFormat matmul_expert_panels{"matmul_expert_panels", expert_format_bytes, unpack_experts};

constexpr const PackedFormat* kExpertPanelFormats[] = {&matmul_expert_panels};
extern const PackedFormatList expert_panels_formats{kExpertPanelFormats};

}  // namespace monza::ops

// Matrix products of f16 and bf16 on Hopper's warp groups (ops/shared/gpu_hopper_product.cuh). Operands that do not lie
// as bulk copies need them go to the kernel for any GPU. Weights have kernels of their own, which read them before the
// kernel that makes the first factor is done.
#include "ops/matmul/matmul_hopper.cuh"

namespace monza::ops {

extern const Kernel matmul_f16_cuda, matmul_f16_split_cuda;

namespace {

using namespace gpu;

template <bool kSplit, bool kWeight, int kRank>
Status run_hopper(const KernelContext& c) noexcept {
  const Product p(c);
  if (p.count() == 0) return {};
  const HopperMatMul job(p, kSplit, kWeight, kRank);
  if (!job.fits) return kSplit ? matmul_f16_split_cuda.run(c) : matmul_f16_cuda.run(c);
  const auto run = [&](auto type) {
    using T = typename decltype(type)::type;
    if (job.by_row) launch_form<T, 64, true>(job.h, job.cut, stream_of(c));
    else launch_form<T, 64, false>(job.h, job.cut, stream_of(c));
  };
  if (c.in[0].dtype == DType::f16) run(Type<__half>{});
  else run(Type<__nv_bfloat16>{});
  return launched();
}

/// Of the kernel that takes what does not fit.
std::size_t scratch(const KernelQuery&) noexcept { return Tiling::kScratchBytes; }

template <bool kWeight>
Refusal accepts(const KernelQuery& q) noexcept {
  if (kWeight != q.input(1).constant)
    return kWeight ? "the second factor is no constant" : "the second factor is a constant";
  if (const Refusal r = matmul_f16_cuda.accepts(q)) return r;
  if (!hopper()) return "needs a GPU of compute capability 9.0";
  const auto& p = *static_cast<const MatMulParams*>(q.params);
  const Shape &a = q.input(0).shape, &b = q.input(1).shape;
  if (a.rank < 2 || b.rank < 2) return "an operand is a vector";
  if (p.trans_a != 0) return "the first factor is transposed";
  if (a[a.rank - 1] % 8 != 0) return "rows of the first factor are no multiples of 16 bytes";
  if (b[b.rank - 1] % 8 != 0) return "rows of the second factor are no multiples of 16 bytes";
  return nullptr;
}

/// kRank: which of the cuts that should be fast. Only timing knows, so the first three are candidates.
template <bool kSplit, bool kWeight, int kRank = 0>
consteval Kernel hopper_kernel(const char* name) {
  return {.name = name,
          .op = "MatMul",
          .device = DeviceKind::cuda,
          .batch_invariant = !kSplit,
          .version = 2,
          .in{Port::strided},
          .out{Port::strided},
          .accepts = accepts<kWeight>,
          .scratch_bytes = kSplit ? scratch : nullptr,
          .run = run_hopper<kSplit, kWeight, kRank>};
}

}  // namespace

extern const Kernel matmul_hopper_weight_split_cuda = hopper_kernel<true, true>("matmul_hopper_weight_split_cuda");
extern const Kernel matmul_hopper_weight_split_second_cuda =
    hopper_kernel<true, true, 1>("matmul_hopper_weight_split_second_cuda");
extern const Kernel matmul_hopper_weight_split_third_cuda =
    hopper_kernel<true, true, 2>("matmul_hopper_weight_split_third_cuda");
extern const Kernel matmul_hopper_weight_cuda = hopper_kernel<false, true>("matmul_hopper_weight_cuda");
extern const Kernel matmul_hopper_split_cuda = hopper_kernel<true, false>("matmul_hopper_split_cuda");
extern const Kernel matmul_hopper_cuda = hopper_kernel<false, false>("matmul_hopper_cuda");

}  // namespace monza::ops

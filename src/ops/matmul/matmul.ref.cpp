// Plain matrix product: one output element at a time, summed in double (integers in 64 bits); any strides.
#include <algorithm>
#include <type_traits>

#include "kernel/kernel.h"
#include "ops/matmul/matmul.params.h"
#include "ops/shared/halves.ref.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

// Integer products wrap as two's complement, so unsigned arithmetic serves both signs.
template <typename T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
std::uint64_t load(T v) {
  return static_cast<std::uint64_t>(v);
}
template <typename T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
void store(T& to, std::uint64_t v) {
  to = static_cast<T>(v);
}

/// a[k * step] . row[k] over k, block by block.
double block_product(const float* a, std::int64_t step, const BlockEncoding& encoding, const std::byte* row,
                     std::int64_t k) {
  float block[kMostBlockElements];
  double sum = 0;
  for (std::int64_t begin = 0; begin < k; begin += encoding.elements, row += encoding.bytes) {
    encoding.decode(row, block);
    const std::int64_t n = std::min<std::int64_t>(k - begin, encoding.elements);
    for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[(begin + i) * step]) * block[i];
  }
  return sum;
}

/// The product as [batch..., M, N] with strides per operand; axes that an operand lacks or broadcasts have stride 0.
struct Problem {
  int batch_rank = 0;
  std::int64_t batch[kMaxRank], a[kMaxRank], b[kMaxRank], bias[kMaxRank], residual[kMaxRank], out[kMaxRank];
  std::int64_t m = 1, n = 1, k = 0;
  std::int64_t am = 0, ak = 0, bk = 0, bn = 0, om = 0, on = 0, bias_m = 0, bias_n = 0, residual_m = 0, residual_n = 0;
};

/// Stride of `view` along output axis `axis` under broadcasting (axes align at the end).
std::int64_t broadcast_stride(const TensorView& view, const Shape& out, int axis) {
  const int own = axis - (out.rank - view.shape.rank);
  return own < 0 || view.shape[own] == 1 ? 0 : view.stride[own];
}

Problem problem_of(const KernelContext& c) {
  const auto& p = c.params_as<MatMulParams>();
  const TensorView &a = c.in[0], &b = c.in[1], &out = c.out[0];
  Problem s;
  const int ra = a.shape.rank, rb = b.shape.rank;
  const bool vector_a = ra == 1, vector_b = rb == 1;
  const int am = vector_a ? -1 : ra - 2 + (p.trans_a ? 1 : 0), ak = vector_a ? 0 : ra - 1 - (p.trans_a ? 1 : 0);
  const int bk = vector_b ? 0 : rb - 2 + (p.trans_b ? 1 : 0), bn = vector_b ? -1 : rb - 1 - (p.trans_b ? 1 : 0);
  s.k = a.shape[ak];
  s.ak = a.stride[ak];
  s.bk = b.stride[bk];
  s.batch_rank = out.shape.rank - (vector_a ? 0 : 1) - (vector_b ? 0 : 1);
  int axis = s.batch_rank;
  const auto outer = [&](int at, std::int64_t& bias, std::int64_t& residual) {
    bias = c.has_input(2) ? broadcast_stride(c.in[2], out.shape, at) : 0;
    residual = c.has_input(3) ? broadcast_stride(c.in[3], out.shape, at) : 0;
  };
  if (!vector_a) {
    s.m = a.shape[am];
    s.am = a.stride[am];
    s.om = out.stride[axis];
    outer(axis++, s.bias_m, s.residual_m);
  }
  if (!vector_b) {
    s.n = b.shape[bn];
    s.bn = b.stride[bn];
    s.on = out.stride[axis];
    outer(axis, s.bias_n, s.residual_n);
  }
  for (int i = 0; i < s.batch_rank; ++i) {
    const int ia = i - (s.batch_rank - (ra - 2)), ib = i - (s.batch_rank - (rb - 2));
    s.batch[i] = out.shape[i];
    s.a[i] = !vector_a && ia >= 0 && a.shape[ia] != 1 ? a.stride[ia] : 0;
    s.b[i] = !vector_b && ib >= 0 && b.shape[ib] != 1 ? b.stride[ib] : 0;
    s.out[i] = out.stride[i];
    outer(i, s.bias[i], s.residual[i]);
  }
  return s;
}

template <typename T>
void run_typed(const KernelContext& c) {
  const auto& p = c.params_as<MatMulParams>();
  const Problem s = problem_of(c);
  const DType b_type = c.in[1].dtype;
  const BlockEncoding* blocks = is_block_encoding(b_type) ? &block_encoding(b_type) : nullptr;
  std::int64_t batches = 1;
  for (int i = 0; i < s.batch_rank; ++i) batches *= s.batch[i];
  parallel_for(*c.parallel, batches * s.m, [&](std::int64_t task, int) {
    const std::int64_t m = task % s.m;
    std::int64_t rest = task / s.m, a = 0, b = 0, o = 0, bias = 0, residual = 0;
    for (int i = s.batch_rank - 1; i >= 0; --i) {
      const std::int64_t index = rest % s.batch[i];
      rest /= s.batch[i];
      a += index * s.a[i], b += index * s.b[i], o += index * s.out[i];
      bias += index * s.bias[i], residual += index * s.residual[i];
    }
    const T* ap = c.in[0].as<T>() + a + m * s.am;
    for (std::int64_t n = 0; n < s.n; ++n) {
      using Wide = decltype(load(T{}));
      Wide sum = 0;
      if constexpr (std::is_same_v<T, float>) {
        if (blocks != nullptr) {
          // Rows of K elements are whole blocks; element strides divide by K to count rows.
          const std::int64_t at = ((s.k ? b / s.k : 0) + n) * block_row_bytes(*blocks, s.k);
          sum = block_product(ap, s.ak, *blocks, c.in[1].as<std::byte>() + at, s.k);
        }
      }
      if (blocks == nullptr) {
        const T* bp = c.in[1].as<T>() + b + n * s.bn;
        for (std::int64_t k = 0; k < s.k; ++k) sum += load(ap[k * s.ak]) * load(bp[k * s.bk]);
      }
      const auto extra = [&](int input, std::int64_t at) {
        return c.has_input(input) ? load(c.in[input].as<T>()[at]) : Wide(0);
      };
      const Wide add = extra(2, bias + m * s.bias_m + n * s.bias_n);
      const Wide res = extra(3, residual + m * s.residual_m + n * s.residual_n);
      Wide y;
      if constexpr (std::is_same_v<Wide, double>) {
        const double x = sum * p.alpha + add;
        y = p.residual_after ? activate(p.act, x) + res : activate(p.act, x + res);
      } else {
        // accepts() refuses activations of integers; alpha truncates as a cast does.
        y = (p.alpha == 1 ? sum
                          : static_cast<Wide>(static_cast<std::int64_t>(
                                static_cast<double>(static_cast<std::int64_t>(sum)) * p.alpha))) +
            add + res;
      }
      store(c.out[0].as<T>()[o + m * s.om + n * s.on], y);
    }
  });
}

Status run_matmul(const KernelContext& c) noexcept {
  switch (c.in[0].dtype) {
    case DType::f32: run_typed<float>(c); break;
    case DType::f64: run_typed<double>(c); break;
    case DType::f16: run_typed<F16>(c); break;
    case DType::bf16: run_typed<BF16>(c); break;
    case DType::i32: run_typed<std::int32_t>(c); break;
    case DType::u32: run_typed<std::uint32_t>(c); break;
    case DType::i64: run_typed<std::int64_t>(c); break;
    case DType::u64: run_typed<std::uint64_t>(c); break;
    default: return {StatusCode::internal, "MatMul: element type"};
  }
  return {};
}

Refusal accepts(const KernelQuery& q) noexcept {
  const MatMulParams& p = *static_cast<const MatMulParams*>(q.params);
  const DType type = q.input(0).dtype;
  const bool floating = type == DType::f32 || type == DType::f64 || type == DType::f16 || type == DType::bf16;
  if (!floating && p.act.kind != ActivationKind::none) return "an activation of integers";
  return nullptr;
}

}  // namespace

// A block-quantised weight cannot be viewed with strides: its rows are whole and follow each other.
extern const Kernel matmul_ref{.name = "matmul_ref",
                               .op = "MatMul",
                               .reference = true,
                               .in{Port::strided},
                               .out{Port::strided},
                               .accepts = accepts,
                               .run = run_matmul};

}  // namespace monza::ops

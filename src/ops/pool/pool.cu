// Plain pooling on a GPU: a thread an element of the output, in double (integers exactly); any strides.
#include <cmath>

#include "ops/pool/pool_gpu.cuh"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

enum class Kind { max, average, lp };

struct Plan {
  PoolWindow w;
  std::int64_t count = 0, channels = 0;
  std::int64_t x_image = 0, x_channel = 0, xs[3] = {};
  std::int64_t out_image = 0, out_channel = 0, os[3] = {};
  std::int64_t index_image = 0, index_channel = 0, is[3] = {};
  DType type = DType::invalid;
  bool count_include_pad = false, column_major = false;
  int p = 2;
  std::int64_t lowest = 0;  ///< of an integer type
};

Plan plan_of(const KernelContext& c) {
  const auto& p = c.params_as<PoolParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  Plan s;
  s.w = pool_window(p, x.shape.dim + 2, out.shape.dim + 2);
  s.count = out.shape.numel();
  s.channels = x.shape[1];
  s.x_image = x.stride[0];
  s.x_channel = x.stride[1];
  s.out_image = out.stride[0];
  s.out_channel = out.stride[1];
  const bool indices = c.out_count > 1 && c.out[1].present();
  if (indices) s.index_image = c.out[1].stride[0], s.index_channel = c.out[1].stride[1];
  for (int i = 0; i < p.spatial; ++i) {
    const int to = i + 3 - p.spatial;
    s.xs[to] = x.stride[i + 2];
    s.os[to] = out.stride[i + 2];
    if (indices) s.is[to] = c.out[1].stride[i + 2];
  }
  s.type = x.dtype;
  s.count_include_pad = p.count_include_pad != 0;
  s.column_major = p.column_major != 0;
  s.p = p.p;
  if (is_integer(x.dtype) && is_signed(x.dtype)) s.lowest = -(std::int64_t{1} << (dtype_bits(x.dtype) - 2)) * 2;
  return s;
}

/// `indices` is null where they are not asked for.
template <Kind kKind>
__global__ void pool_kernel(Plan s, const void* x, void* out, std::int64_t* indices) {
  const PoolWindow& w = s.w;
  for_each(s.count, [&](std::int64_t i) {
    Cover c[3];
    std::int64_t to = 0, index_to = 0;
#pragma unroll
    for (int a = 2; a >= 0; --a) {
      const std::int64_t rest = i / w.out[a], o = i - rest * w.out[a];
      i = rest;
      c[a] = cover_of(w, a, o);
      to += o * s.os[a];
      index_to += o * s.is[a];
    }
    const std::int64_t n = i / s.channels, channel = i - n * s.channels;
    const std::int64_t base = n * s.x_image + channel * s.x_channel;
    to += n * s.out_image + channel * s.out_channel;
    const auto for_each_element = [&](auto&& element) {
      for (std::int64_t d = c[0].begin; d < c[0].end; ++d) {
        const std::int64_t z = c[0].start + d * w.dilation[0];
        for (std::int64_t h = c[1].begin; h < c[1].end; ++h) {
          const std::int64_t y = c[1].start + h * w.dilation[1];
          for (std::int64_t v = c[2].begin; v < c[2].end; ++v) {
            const std::int64_t u = c[2].start + v * w.dilation[2];
            element(base + z * s.xs[0] + y * s.xs[1] + u * s.xs[2], z, y, u);
          }
        }
      }
    };
    if constexpr (kKind == Kind::max) {
      const bool exact = integral(s.type), is_u64 = s.type == DType::u64;
      bool any = false;
      double best = -INFINITY;
      std::int64_t best_int = s.lowest, best_at = 0;
      for_each_element([&](std::int64_t at, std::int64_t z, std::int64_t y, std::int64_t u) {
        bool better;
        if (exact) {
          const std::int64_t v = load_integer(x, s.type, at);
          better =
              !any || (is_u64 ? static_cast<std::uint64_t>(v) > static_cast<std::uint64_t>(best_int) : v > best_int);
          if (better) best_int = v;
        } else {
          const double v = load_float(x, s.type, at);
          better = !any || v > best || (isnan(v) && !isnan(best));  // a NaN wins, and stays
          if (better) best = v;
        }
        if (better) {
          any = true;
          best_at = s.column_major ? z + w.in[0] * (y + w.in[1] * u) : (z * w.in[1] + y) * w.in[2] + u;
        }
      });
      if (exact) store_integer(out, s.type, to, best_int);
      else store_float(out, s.type, to, best);
      if (indices != nullptr)
        indices[n * s.index_image + channel * s.index_channel + index_to] =
            (n * s.channels + channel) * (w.in[0] * w.in[1] * w.in[2]) + best_at;
    } else {
      double sum = 0;
      for_each_element([&](std::int64_t at, std::int64_t, std::int64_t, std::int64_t) {
        const double v =
            integral(s.type) ? static_cast<double>(load_integer(x, s.type, at)) : load_float(x, s.type, at);
        if constexpr (kKind == Kind::average) sum += v;
        else sum += s.p == 2 ? v * v : s.p == 1 ? fabs(v) : pow(fabs(v), static_cast<double>(s.p));
      });
      double result;
      if constexpr (kKind == Kind::average) {
        double count = 1;
#pragma unroll
        for (int a = 0; a < 3; ++a)
          count *= static_cast<double>(s.count_include_pad ? c[a].padded : c[a].end - c[a].begin);
        result = sum / count;
      } else {
        result = s.p == 2 ? sqrt(sum) : s.p == 1 ? sum : pow(sum, 1.0 / s.p);
      }
      if (integral(s.type)) store_integer(out, s.type, to, truncate(result, s.type));
      else store_float(out, s.type, to, result);
    }
  });
}

template <Kind kKind>
Status run_pool(const KernelContext& c) noexcept {
  const Plan plan = plan_of(c);
  if (plan.count == 0) return {};
  const bool indices = c.out_count > 1 && c.out[1].present();
  pool_kernel<kKind><<<blocks_for(plan.count), kThreads, 0, stream_of(c)>>>(
      plan, c.in[0].data, c.out[0].data, indices ? c.out[1].as<std::int64_t>() : nullptr);
  return launched();
}

Refusal accepts_pool(const KernelQuery& q) noexcept {
  return is_number(q.in[0].dtype) && q.in[0].dtype != DType::boolean ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel max_pool_cuda = gpu::plain_kernel("max_pool_cuda", "MaxPool", run_pool<Kind::max>, accepts_pool);
extern const Kernel average_pool_cuda =
    gpu::plain_kernel("average_pool_cuda", "AveragePool", run_pool<Kind::average>, accepts_pool);
extern const Kernel lp_pool_cuda = gpu::plain_kernel("lp_pool_cuda", "LpPool", run_pool<Kind::lp>, accepts_pool);

}  // namespace monza::ops

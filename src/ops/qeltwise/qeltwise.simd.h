// Quantised sums and global averages. Bound by memory (three bytes an output of a sum, one an input of an average);
// a sum takes about ten instructions a vector.
#pragma once

#include "kernel/kernel.h"
#include "ops/qeltwise/qeltwise.params.h"
#include "ops/shared/operands.params.h"
#include "simd/vnni.h"

namespace monza::ops {
namespace {

MONZA_INLINE Q::I qeltwise_finish(Q::F v, const Requantize& q) {
  return Q::add(Q::to_i32(Q::clamp(v, Q::set(q.low), Q::set(q.high))), Q::set(q.y_zero));
}

Status qadd_run(const KernelContext& c) noexcept {
  constexpr std::int64_t kTask = 16384;
  const QOperands o{c.in, c.in_count};
  const float y_scale = o.scale(6, 0);
  const Requantize q =
      requantize_of(c.params_as<QEltwiseParams>().act, y_scale, o.zero(7, 0), c.out[0].dtype == DType::i8);
  const Q::F a_over_y = Q::set(o.scale(1, 0) / y_scale), b_over_y = Q::set(o.scale(4, 0) / y_scale);
  const Q::I a_zero = Q::set(o.zero(2, 0)), b_zero = Q::set(o.zero(5, 0));
  const bool a_signed = c.in[0].dtype == DType::i8, b_signed = c.in[3].dtype == DType::i8;
  const auto *a = c.in[0].as<const std::uint8_t>(), *b = c.in[3].as<const std::uint8_t>();
  auto* y = c.out[0].as<std::uint8_t>();
  const std::int64_t count = c.out[0].shape.numel();
  parallel_for(*c.parallel, (count + kTask - 1) / kTask, [&](std::int64_t task, int) {
    const std::int64_t from = task * kTask, to = from + kTask < count ? from + kTask : count;
    for (std::int64_t i = from; i < to; i += Q::kLanes) {
      const Q::Mask mask = Q::mask(to - i);
      const Q::I left = Q::sub(a_signed ? Q::load_i8(a + i, mask) : Q::load_u8(a + i, mask), a_zero);
      const Q::I right = Q::sub(b_signed ? Q::load_i8(b + i, mask) : Q::load_u8(b + i, mask), b_zero);
      Q::store_u8(y + i, qeltwise_finish(Q::fma(Q::to_f32(left), a_over_y, Q::mul(Q::to_f32(right), b_over_y)), q),
                  mask);
    }
  });
  return {};
}

Refusal qpool_accepts(const KernelQuery& query) noexcept {
  // Sums of more bytes could leave 32 bits.
  return query.in[0].shape.count(2, query.in[0].shape.rank) > (1 << 22) ? "averages too many elements" : nullptr;
}

Status qpool_run(const KernelContext& c) noexcept {
  const QOperands o{c.in, c.in_count};
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t channels = x.shape[1], count = x.shape.count(2, x.shape.rank);
  const float y_scale = o.scale(3, 0);
  const Requantize q = requantize_of({}, y_scale, o.zero(4, 0), y.dtype == DType::i8);
  const Q::F factor = Q::set(o.scale(1, 0) / (y_scale * static_cast<float>(count)));
  const Q::I zeros = Q::set(static_cast<std::int32_t>(count) * o.zero(2, 0));
  std::int64_t pitch = 0;  // between pixels, which are evenly spaced
  for (int i = x.shape.rank - 1; i > 1 && pitch == 0; --i)
    if (x.shape[i] > 1) pitch = x.stride[i];
  const bool is_signed = x.dtype == DType::i8;
  const std::int64_t blocks = (channels + Q::kLanes - 1) / Q::kLanes;
  parallel_for(*c.parallel, x.shape[0] * blocks, [&](std::int64_t task, int) {
    const std::int64_t n = task / blocks, channel = task % blocks * Q::kLanes;
    const Q::Mask mask = Q::mask(channels - channel);
    const auto* from = x.as<const std::uint8_t>() + n * x.stride[0] + channel;
    Q::I sum = Q::zero();
    for (std::int64_t i = 0; i < count; ++i)
      sum = Q::add(sum, is_signed ? Q::load_i8(from + i * pitch, mask) : Q::load_u8(from + i * pitch, mask));
    Q::store_u8(y.as<std::uint8_t>() + n * y.stride[0] + channel,
                qeltwise_finish(Q::mul(Q::to_f32(Q::sub(sum, zeros)), factor), q), mask);
  });
  return {};
}

consteval Kernel qadd_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "QAdd",
          .needs = needs,
          .in{Port::uniform, Port::dense, Port::dense, Port::uniform, Port::dense},
          .out{Port::uniform},
          .run = qadd_run};
}
consteval Kernel qglobal_average_pool_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "QGlobalAveragePool",
          .needs = needs,
          .in{Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .accepts = qpool_accepts,
          .run = qpool_run};
}

}  // namespace
}  // namespace monza::ops

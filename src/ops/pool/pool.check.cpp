// What the kernels of this family rely on: windows that begin inside of the padded input, regions and indices that fit
// the output.
#include "kernel/check_rules.h"
#include "ops/pool/pool.params.h"

namespace monza::ops {
namespace {

Refusal refuse_pool(const CheckContext& c) {
  const auto& p = c.params_as<PoolParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(p.spatial >= 1 && p.spatial <= 3 && x.rank == p.spatial + 2 && out.rank == x.rank && x[0] == out[0] &&
                    x[1] == out[1],
                kShapes);
  for (int i = 0; i < p.spatial; ++i) {
    const std::int64_t in = x[i + 2], o = out[i + 2];
    MONZA_REQUIRE(sane(in) && sane(o), "a spatial extent is out of range");
    if (p.global != 0) continue;
    MONZA_REQUIRE(
        p.kernel[i] >= 1 && p.stride[i] >= 1 && p.dilation[i] >= 1 && p.pad_begin[i] >= 0 && p.pad_end[i] >= 0,
        "a window's extent, stride, dilation or pad is out of range");
    MONZA_REQUIRE((o - 1) * p.stride[i] <= in + p.pad_begin[i] + p.pad_end[i], kShapes);
  }
  return nullptr;
}

Refusal check_max_pool(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_out = 2})) return r;
  if (const Refusal r = refuse_pool(c)) return r;
  MONZA_REQUIRE(!c.has_output(1) || (c.out[1].dtype == DType::i64 && c.out[1].shape == c.out[0].shape), kShapes);
  return nullptr;
}

Refusal check_pool(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  return refuse_pool(c);
}

Refusal check_max_unpool(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 3})) return r;
  const auto& p = c.params_as<MaxUnpoolParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && c.in[1].dtype == DType::i64, kTypes);
  MONZA_REQUIRE(p.spatial >= 1 && p.spatial <= 3 && x.rank == p.spatial + 2 && out.rank == x.rank &&
                    c.in[1].shape == x && x[0] == out[0] && x[1] == out[1],
                kShapes);
  std::int64_t total = x[0] * x[1];
  for (int i = 0; i < p.spatial; ++i) {
    MONZA_REQUIRE(sane(x[i + 2]) && p.stride[i] >= 1 && p.kernel[i] >= 1,
                  "a window's extent or stride is out of range");
    const std::int64_t pooled = (x[i + 2] - 1) * p.stride[i] + p.kernel[i] - p.pad_begin[i] - p.pad_end[i];
    MONZA_REQUIRE(x.numel() == 0 || pooled >= 0, "a pad is out of range");
    MONZA_REQUIRE(!__builtin_mul_overflow(total, pooled, &total), "the pooled tensor is too large");
  }
  return nullptr;
}

Refusal check_roi_align(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 3})) return r;
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(
      plain(c.in[0]) && c.in[1].dtype == c.in[0].dtype && c.out[0].dtype == c.in[0].dtype && integral(c.in[2]), kTypes);
  MONZA_REQUIRE(x.rank == 4 && out.rank == 4 && out[1] == x[1] && c.in[1].shape == (Shape{out[0], 4}) &&
                    vector_of(c.in[2], out[0]),
                kShapes);
  MONZA_REQUIRE(out.numel() == 0 || (x[2] > 0 && x[3] > 0), "the image is empty");
  MONZA_REQUIRE(c.params_as<RoiParams>().sampling_ratio <= RoiParams::kMostSamples,
                "there are too many samples in a bin");
  return nullptr;
}

Refusal check_max_roi_pool(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.in[1].dtype == c.in[0].dtype && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(x.rank == 4 && out.rank == 4 && out[1] == x[1] && c.in[1].shape == (Shape{out[0], 5}), kShapes);
  return nullptr;
}

constexpr OperatorCheck kPoolChecks[] = {
    {"MaxPool", check_max_pool},     {"AveragePool", check_pool},   {"LpPool", check_pool},
    {"MaxUnpool", check_max_unpool}, {"RoiAlign", check_roi_align}, {"MaxRoiPool", check_max_roi_pool},
};

}  // namespace

extern const CheckList pool_checks{kPoolChecks};

}  // namespace monza::ops
